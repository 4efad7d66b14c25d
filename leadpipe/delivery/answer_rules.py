"""The rules by which a partner's words are read: built in (`answers.toml`), and a person's own before them.

Belongs here: the file's form, its mistakes, and which rules fit an answer. What the rules say together is
decided in `answers.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from leadpipe.errors import ConfigurationError
from leadpipe.toml_files import read_toml

Meant = Literal[
    "accepted", "likely", "refused", "failed", "busy", "misconfigured", "doubtful", "unknown"
]
_KEYS = ("means", "fields", "values", "text", "status")
_BUILT_IN = Path(__file__).with_name("answers.toml")
_DEEPEST = 5
_NOTHING = ("", "0", "null", "none", "false", "[]", "{}")
_SIGNS = str.maketrans("", "", "_- ")


@dataclass(frozen=True)
class AnswerRule:
    """One rule; see `answers.toml` for what its parts mean."""

    means: Meant
    fields: tuple[str, ...] = ()
    values: tuple[str, ...] | None = None
    text: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()

    def fits(self, status: int, said: "Said") -> bool:
        """Whether an answer has what the rule looks for."""
        if self.statuses and status not in self.statuses:
            return False
        if not self.fields:
            return any(word in said.text for word in self.text)
        found = [value for name in self.fields for value in said.values_of(name)]
        if self.text:
            return any(word in value for value in found for word in self.text)
        if self.values is None:
            return any(value not in _NOTHING for value in found)
        return any(_is_one_of(value, self.values) for value in found)


@dataclass(frozen=True)
class AnswerRules:
    """All rules in force: a person's own, then those built in."""

    own: tuple[AnswerRule, ...] = ()

    @property
    def built_in(self) -> tuple[AnswerRule, ...]:
        """The rules of `answers.toml`."""
        return built_in_rules()


@dataclass(frozen=True)
class Said:
    """What stands in an answer: each value by its name and its path, in small letters.

    Args:
        content: the decoded JSON, or None if it is none.
        text: the whole answer in small letters.
    """

    content: object = field(repr=False)
    text: str = field(repr=False)

    def values_of(self, name: str) -> Iterator[str]:
        """The values under a name anywhere near the top, or at a path from it."""
        if "." in name:
            value = self.content
            for step in filter(None, name.split(".")):
                value = _entry(value, step)
            if value is not None:
                yield from _words(value)
            return
        wanted = _plain(name)
        if self.content is None or isinstance(self.content, str):
            if wanted in {"body", "status"}:
                yield self.text.strip().strip('"').rstrip(".!")
            return
        for found, value in _named(self.content, 0):
            if found == wanted:
                yield from _words(value)


def read_answer_rules(path: Path | None) -> AnswerRules:
    """The rules in force, with those of a file first.

    Raises:
        ConfigurationError: no such file, or a rule that cannot be used.
    """
    if path is None:
        return AnswerRules()
    try:
        content = read_toml(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"NPA_ANSWERS_FILE names {path}, which does not exist. Write it, or leave the setting out."
        ) from None
    return AnswerRules(_rules(content, path))


@cache
def built_in_rules() -> tuple[AnswerRule, ...]:
    """The rules of `answers.toml`."""
    return _rules(read_toml(_BUILT_IN), _BUILT_IN)


def _rules(content: Mapping[str, Any], path: Path) -> tuple[AnswerRule, ...]:
    given = content.get("answer", [])
    if set(content) - {"answer"} or not isinstance(given, list):
        raise ConfigurationError(f"{path}: it should hold rules only, each under [[answer]].")
    return tuple(_rule(one, f"{path}, rule {number}") for number, one in enumerate(given, 1))


def _rule(given: object, place: str) -> AnswerRule:
    if not isinstance(given, dict) or (unknown := sorted(set(given) - set(_KEYS))):
        what = f"{unknown[0]!r} is" if isinstance(given, dict) else "this is"
        raise ConfigurationError(f"{place}: {what} no part of a rule; write {', '.join(_KEYS)}.")
    means: Any = given.get("means")
    if means not in get_args(Meant):
        raise ConfigurationError(
            f"{place}: means should be one of {', '.join(get_args(Meant))}, not {means!r}."
        )
    fields = _texts(given.get("fields", []), f"{place}: fields")
    text = tuple(word.casefold() for word in _texts(given.get("text", []), f"{place}: text"))
    if not fields and not text:
        raise ConfigurationError(f"{place}: name fields, or words under text.")
    statuses = given.get("status", [])
    statuses = statuses if isinstance(statuses, list) else [statuses]
    if not all(isinstance(one, int) and 100 <= one <= 599 for one in statuses):  # noqa: PLR2004
        raise ConfigurationError(f"{place}: status should be from 100 to 599.")
    values = None
    if "values" in given:
        values = tuple(one.casefold() for one in _texts(given["values"], f"{place}: values"))
    return AnswerRule(means, fields, values, text, tuple(statuses))


def _texts(given: object, place: str) -> tuple[str, ...]:
    found = given if isinstance(given, list) else [given]
    if not all(isinstance(one, str | int | float | bool) and str(one).strip() for one in found):
        raise ConfigurationError(f"{place} should be a text, or a list of texts.")
    return tuple(next(iter(_words(one))) if not isinstance(one, str) else one for one in found)


def _is_one_of(value: str, wanted: Sequence[str]) -> bool:
    for each in wanted:
        first, dots, last = each.partition("..")
        if dots and first.isdigit() and last.isdigit():
            if value.isascii() and value.isdigit() and int(first) <= int(value[:9]) <= int(last):
                return True
        elif value == each:
            return True
    return False


def _named(content: object, depth: int) -> Iterator[tuple[str, object]]:
    """Names and values near the top; a list's entries are looked into, and what echoes the lead is not."""
    if depth >= _DEEPEST:
        return
    if isinstance(content, list):
        for entry in content[:20]:
            yield from _named(entry, depth + 1)
    if isinstance(content, dict):
        for name, value in list(content.items())[:200]:
            yield _plain(str(name)), value
            if isinstance(value, dict | list):
                yield from _named(value, depth + 1)


def _words(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, dict | list):
        # What is not empty is something; its own names are looked at by themselves.
        yield "[…]" if value else "[]"
    elif value is not None:
        yield (
            str(int(value) if isinstance(value, float) and value.is_integer() else value)
            .strip()
            .casefold()
        )


def _entry(value: object, step: str) -> object:
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return None
    return next((each for name, each in value.items() if _plain(str(name)) == _plain(step)), None)


def _plain(name: str) -> str:
    return name.translate(_SIGNS).casefold()
