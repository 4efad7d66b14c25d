"""A suggested mapping as the text of an `events.toml`, each line with its reason.

Pure. The text is read by the mapping's own parser before anybody sees it.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import read_mapping
from leadpipe.events.project.advice import Advice, Line, Suggestion
from leadpipe.events.project.profile import Profile

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_MOST_LEFT_OUT = 20
_HEAD = """\
# What the events of this project mean to leadpipe; docs/events.md explains every line.
# Suggested from {names} of the last {period}. Read it, correct it, then:
#   leadpipe events try      what would come out
#   leadpipe sync            take it up
"""


def toml_text(advice: Advice, profile: Profile) -> str:
    """The file, which the mapping's parser takes."""
    parts = [_HEAD.format(names=profile.names_text, period=profile.period)]
    by_event: dict[str, list[Suggestion]] = {}
    for one in advice.suggestions:
        by_event.setdefault(one.event.name, []).append(one)
    parts += [_table(one, is_alone=len(each) == 1) for each in by_event.values() for one in each]
    if advice.left_out:
        shown = [
            f"# {event.shown} ({event.events:,}): {_comment(why)}.\n"
            for event, why in advice.left_out[:_MOST_LEFT_OUT]
        ]
        more = len(advice.left_out) - len(shown)
        shown += [f"# and {more:,} more.\n"] if more else []
        parts.append("".join(["# Not mapped, for you to decide:\n", *shown]))
    return "\n".join(parts)


def read_back(text: str) -> EventMapping:
    """The text as the mapping's parser takes it.

    Raises:
        ConfigurationError: it does not.
    """
    with tempfile.TemporaryDirectory(prefix="leadpipe-") as folder:
        path = Path(folder) / "events.toml"
        path.write_text(text, encoding="utf-8")
        return read_mapping(path)


def _table(one: Suggestion, *, is_alone: bool) -> str:
    name = f"events.{_key(one.event.name)}"
    lines = [
        f"# {_comment(one.reason)}",
        f"[{name}]" if is_alone else f"[[{name}]]",
        f"meaning = {_value(one.meaning)}",
        *(text for line in one.lines for text in _line(line)),
    ]
    return "\n".join(lines) + "\n"


def _line(line: Line) -> list[str]:
    return [f"# {_comment(line.reason)}", f"{line.key} = {_value(line.value)}"]


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        # TOML's basic string is JSON's, but for DEL and halves of pairs, which no printable text has.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
