"""How `events.toml` says where a column gets its value: properties, constants, values read as others.

Belongs here: what may be said of each column. Does not belong here: events and their rules, which are in
`reading.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from leadpipe.events.mapping.mistakes import Mistakes, Place, listed, near
from leadpipe.events.mapping.model import (
    COLUMNS,
    CONTACT_VALUES,
    IDENTIFIERS,
    Constant,
    Path,
    Source,
    path_text,
)
from leadpipe.posthog.literals import NAME_LIMIT

LEAD_TYPES = ("phone", "message", "whatsapp", "direct_message", "email", "appointment", "website")
UNKNOWN = "unknown"
"""What `otherwise` of a `lead_type` may say: the lead is rejected with the reason."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "lead_type": LEAD_TYPES,
    "message_type": ("whatsapp", "direct_message", "email"),
    "viewed_from": ("home", "explore", "search", "direct", "other"),
    "save_action": ("add", "remove"),
    **CONTACT_VALUES,
}
_OF_EACH = (*IDENTIFIERS, "leadId")
"""What no two events have in common for all of them: it comes from a property, and as it is."""
_LONGEST_TEXT = 200
_SEGMENT = re.compile(
    r'\s*(?:"((?:[^"]|"")+)"|([^."\[\]]*[^."\[\]\s]))\s*((?:\[\d+\])*)\s*(?:\.|$)'
)


def parsed_path(text: str) -> Path | None:
    """A path from `a`, `a.b`, `a[0].b` or `"a.b".c`; None if it is none."""
    names: list[str] = []
    at = 0
    while at < len(text) or not names:
        found = _SEGMENT.match(text, at)
        if not found:
            return None
        quoted, bare, numbers = found.groups()
        names += [(quoted or "").replace('""', '"') or bare, *re.findall(r"\d+", numbers)]
        at = found.end()
    if text.rstrip().endswith(".") or not all(map(is_name, names)):
        return None
    return tuple(names)


def is_name(name: str) -> bool:
    """Whether an event or property can be called so."""
    return 0 < len(name) <= NAME_LIMIT and name.isprintable()


def compared(value: object) -> str:
    """A value as it is compared: upper and lower case and spaces around it are alike."""
    return (str(value).lower() if isinstance(value, bool) else str(value)).strip().lower()


class _Wrong(Exception):  # noqa: N818 - says what is the case
    """A value cannot be used; the others are looked at all the same."""


@dataclass(frozen=True)
class SourceReader:
    """Reads what a file says of columns, and tells its mistakes."""

    mistakes: Mistakes

    def source(self, place: Place, column: str, said: object) -> Source | None:
        """Where a column gets its value; None where what is said cannot be used."""
        try:
            if isinstance(said, list):
                return Source(self._paths(place, said))
            if isinstance(said, dict):
                return self._detailed(place, column, said)
            return Source(default=self._constant(place, column, said))
        except _Wrong:
            return None

    def path(self, place: Place, said: object) -> Path | None:
        """The way to a property; None where it is none."""
        if isinstance(said, str) and (path := parsed_path(said)):
            return path
        self.mistakes.tell(
            place,
            f"{said!r} is no property name; write a, a.b for the b within a, or '\"a.b\"' for a name with "
            "a dot",
            str(said),
        )
        return None

    def check_by_lister_id(
        self,
        place: Place,
        said: Mapping[str, Any],
        given: Mapping[str, Source],
        all_sources: Mapping[str, Source],
    ) -> None:
        """Tell the names of `by_lister_id` under which no `lister_id` comes."""
        if "lister_type" not in said or "lister_type" not in given:
            return
        known = [path_text(path) for path in all_sources.get("lister_id", Source()).paths]
        for path in given["lister_type"].by_lister_id:
            if (text := path_text(path)) not in known:
                self.mistakes.tell(
                    (*place, "lister_type"),
                    f"by_lister_id names {text}, under which no lister_id comes{near(text, known)}",
                    text,
                )

    def _detailed(self, place: Place, column: str, said: Mapping[str, Any]) -> Source:
        can_map = column not in _OF_EACH and column != "price"
        known = ["from", "default"] if column not in _OF_EACH else ["from"]
        known += ["values", "otherwise"] if can_map else []
        known += ["by_lister_id"] if column == "lister_type" else []
        self.mistakes.known_keys(place, said, known)
        if "from" not in said:
            self.mistakes.tell(
                place, f'{column} says no property; write {column} = {{from = ["…"]}}'
            )
            raise _Wrong
        names = said["from"] if isinstance(said["from"], list) else [said["from"]]
        values: dict[str, Constant] = {}
        for key, value in self.mistakes.table((*place, "values"), said.get("values", {})).items():
            constant = self._constant((*place, "values", key), column, value)
            if values.setdefault(compared(key), constant) != constant:
                self.mistakes.tell(
                    (*place, "values", key),
                    f"{key!r} is read as two things in {column}; upper and lower case are alike",
                )
        ends = {
            end: self._constant((*place, end), column, said[end], is_end=end == "otherwise")
            for end in ("otherwise", "default")
            if end in said and end in known
        }
        return Source(
            self._paths((*place, "from"), names),
            values,
            ends.get("otherwise"),
            ends.get("default"),
            self._by_lister_id((*place, "by_lister_id"), said.get("by_lister_id", {})),
        )

    def _by_lister_id(self, place: Place, said: object) -> Mapping[Path, str]:
        found: dict[Path, str] = {}
        for key, value in self.mistakes.table(place, said).items():
            path = self.path((*place, key), key)
            if path:
                found[path] = str(self._constant((*place, key), "lister_type", value))
        return found

    def _paths(self, place: Place, said: Sequence[object]) -> tuple[Path, ...]:
        paths = [self.path(place, each) for each in said]
        return tuple(dict.fromkeys(path for path in paths if path))

    def _constant(
        self, place: Place, column: str, said: object, *, is_end: bool = False
    ) -> Constant:
        """A value for all, or what a value is read as, checked against what the column may hold."""
        if is_end and column == "lead_type" and said == UNKNOWN:
            return UNKNOWN
        if problem := _problem_of(column, said):
            self.mistakes.tell(place, problem)
            raise _Wrong
        if isinstance(said, str):
            return said.strip().lower() if column in COLUMNS else said
        return cast("Constant", said)


def _problem_of(column: str, said: object) -> str | None:
    """Why a column cannot be this for every event."""
    shown = _shown(said)
    for_a_property = f"; for a property write {column} = [{shown}]" if isinstance(said, str) else ""
    is_number = isinstance(said, int | float) and not isinstance(said, bool) and isfinite(said)
    if column in _OF_EACH:
        return f"{column} = {shown} would be the same for every event{for_a_property}"
    if column == "is_logged_in":
        fits, wanted = isinstance(said, bool), "true or false"
    elif column == "price":
        fits, wanted = is_number, "a number"
    elif choices := _CHOICES.get(column):
        fits, wanted = said in choices, listed(choices)
        if not fits and isinstance(said, str) and (hint := near(said, choices)):
            return f"{column} cannot be {shown}{hint}"
    elif column in COLUMNS:
        fits = isinstance(said, str) and 0 < len(said.strip()) <= _LONGEST_TEXT and "\0" not in said
        wanted = f"a text of 1 to {_LONGEST_TEXT} characters"
    else:
        fits = isinstance(said, bool) or is_number or (isinstance(said, str) and "\0" not in said)
        wanted = "a text, a number, true or false"
    return None if fits else f"{column} should be {wanted}, not {shown}{for_a_property}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
