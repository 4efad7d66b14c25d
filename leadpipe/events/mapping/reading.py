"""Read a mapping from `events.toml`, and say what is wrong with it: the line, the thing, the next step.

Every mistake of a file is told at once, a line each. What a mapping is stands in `model.py`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path as File
from typing import Any, cast

from leadpipe.errors import ConfigurationError
from leadpipe.events.mapping.model import (
    COLUMNS,
    ENGAGEMENTS,
    IDENTIFIERS,
    KEPT,
    MEANINGS,
    NOTHING,
    PASSED,
    Constant,
    EventMapping,
    Meaning,
    Path,
    Rule,
    Source,
    path_text,
)
from leadpipe.posthog.literals import NAME_LIMIT
from leadpipe.toml_files import line_of, read_toml_text

LEAD_TYPES = ("phone", "message", "whatsapp", "direct_message", "email", "appointment", "website")
UNKNOWN = "unknown"
"""What `otherwise` of a `lead_type` may say: the lead is rejected with the reason."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "lead_type": LEAD_TYPES,
    "message_type": ("whatsapp", "direct_message", "email"),
    "viewed_from": ("home", "explore", "search", "direct", "other"),
    "save_action": ("add", "remove"),
}
_OF_MEANING: Mapping[str, Meaning] = {
    "lead_type": "lead",
    "message_type": "lead",
    "context_type": "lead",
    "profile_id": "lead",
    "save_action": "saved_listing",
    "price": "sale",
}
# PostHog counts visitors and is asked for staff contacts by names alone.
_BY_NAME_ALONE: tuple[Meaning, ...] = ("pageview", "signup", "staff_contact")
_MOST_EVENTS = 2_000
_LONGEST_TEXT = 200
_SEGMENT = re.compile(
    r'\s*(?:"((?:[^"]|"")+)"|([^."\[\]]*[^."\[\]\s]))\s*((?:\[\d+\])*)\s*(?:\.|$)'
)

Place = tuple[str | int, ...]


@cache
def built_in() -> EventMapping:
    """The mapping of `builtin.toml`: the names of leadpipe's own vocabulary."""
    file = files("leadpipe").joinpath("events", "builtin.toml")
    content, text = read_toml_text(File(str(file)))
    return _Reader("builtin.toml", text).mapping(content, base=EventMapping({}, {}))


def read_mapping(path: File) -> EventMapping:
    """The built-in mapping with what a team's file adds and changes.

    An event's table replaces the built-in one of that event, a line of `[properties]` the built-in line;
    `keep` adds to the built-in list; `builtin = false` leaves the built-in events out.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: names the file, and of each mistake the line and what should be there.
    """
    content, text = read_toml_text(path)
    return _Reader(str(path), text).mapping(content, base=built_in())


def from_content(content: Mapping[str, Any]) -> EventMapping:
    """A mapping from what `EventMapping.as_content` gave."""
    said = dict(content)
    signup = said.pop("signup_event", None)
    mapping = _Reader("the stored mapping", None).mapping(said, base=EventMapping({}, {}))
    return replace(mapping, signup_event=signup)


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
    if text.rstrip().endswith(".") or not all(map(_is_name, names)):
        return None
    return tuple(names)


def _is_name(name: str) -> bool:
    return 0 < len(name) <= NAME_LIMIT and name.isprintable()


def near(wrong: str, right: Iterable[str]) -> str:
    """A hint at the nearest of the names that would have been right; empty if none is near."""
    names = {name.lower(): name for name in right}
    found = get_close_matches(wrong.lower(), names, n=1)
    return f"; did you mean {names[found[0]]}?" if found else ""


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


class _Wrong(Exception):  # noqa: N818 - says what is the case
    """A value cannot be used; the others are looked at all the same."""


@dataclass
class _Reader:
    """One file: its name, its text, and the mistakes found so far."""

    name: str
    text: str | None
    problems: list[tuple[int, str]] = field(default_factory=list)

    def mapping(self, content: Mapping[str, Any], *, base: EventMapping) -> EventMapping:
        """The content over a base.

        Raises:
            ConfigurationError: every mistake, a line each.
        """
        self._known_keys((), content, ("builtin", "keep", "properties", "events"))
        has_builtin = content.get("builtin", True)
        if not isinstance(has_builtin, bool):
            self._tell(("builtin",), "builtin should be true or false")
        properties = self._table(("properties",), content.get("properties", {}))
        shared = dict(base.shared)
        for column, said in properties.items():
            if source := self._shared(column, said):
                shared[column] = source
        self._check_by_lister_id(("properties",), properties, shared, shared)
        events = dict(base.events) if has_builtin else {}
        tables = self._table(("events",), content.get("events", {}))
        if len(tables) > _MOST_EVENTS:
            self._tell(("events",), f"{len(tables):,} events; {_MOST_EVENTS:,} can be mapped")
            tables = {}
        for name, said in tables.items():
            events[name] = self._rules(name, said, shared)
        keep = tuple(dict.fromkeys([*base.keep, *self._keep(content.get("keep", []))]))
        if not any(events.values()) and not self.problems:
            self._tell((), "no event is mapped; write a table such as [events.listing_viewed]")
        if self.problems:
            lines = [
                f"{self.name}, line {line}: {problem}" if line else f"{self.name}: {problem}"
                for line, problem in sorted(dict.fromkeys(self.problems))
            ]
            raise ConfigurationError("\n".join(lines))
        return EventMapping(shared, events, keep)

    def _tell(self, place: Place, problem: str, needle: str | None = None) -> None:
        line = line_of(self.text, place, needle) if self.text and place else None
        self.problems.append((line or 0, problem))

    def _table(self, place: Place, said: object) -> Mapping[str, Any]:
        if isinstance(said, dict):
            return said
        self._tell(place, f"{place[-1]} should be a table, such as [{place[-1]}]")
        return {}

    def _known_keys(self, place: Place, said: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in said:
            if key not in known:
                self._tell(
                    (*place, key),
                    f"unknown key {key!r}{near(key, known) or f'; there are {_listed(known)}'}",
                )

    def _keep(self, said: object) -> list[str]:
        names = said if isinstance(said, list) else [said]
        for name in names:
            if not isinstance(name, str) or not _is_name(name):
                self._tell(("keep",), f"keep should be a list of property names, not {name!r}")
        return [name for name in names if isinstance(name, str)]

    def _shared(self, column: str, said: object) -> Source | None:
        place: Place = ("properties", column)
        if column == "lead_type":
            self._tell(place, "lead_type differs by event: write it in the table of each lead")
            return None
        if column not in COLUMNS:
            known = [name for name in COLUMNS if name != "lead_type"]
            hint = near(column, known) or f"; there are {_listed(known)}"
            self._tell(place, f"unknown property {column!r}{hint}")
            return None
        return self._source(place, column, said)

    def _rules(self, name: str, said: object, shared: Mapping[str, Source]) -> tuple[Rule, ...]:
        place: Place = ("events", name)
        if not _is_name(name):
            self._tell(
                place, f"the event name {name!r} should have 1 to {NAME_LIMIT} printable characters"
            )
        tables = said if isinstance(said, list) else [said]
        places = [(*place, n) for n in range(len(tables))] if isinstance(said, list) else [place]
        if any(isinstance(each, dict) and each.get("meaning") == NOTHING for each in tables):
            if len(tables) > 1:
                self._tell(place, f'{name} has meaning = "nothing" and other rules; keep one')
            self._known_keys(places[0], self._table(place, tables[0]), ("meaning",))
            return ()
        rules: list[Rule] = []
        for where, table in zip(places, tables, strict=True):
            if not isinstance(table, dict):
                self._tell(place, f'{name} should be a table: [events.{name}] with meaning = "…"')
                continue
            rule = self._rule(name, where, table, shared)
            if rule is None:
                continue
            for number, earlier in enumerate(rules, 1):
                if _takes_all_of(earlier, rule):
                    self._tell(
                        where,
                        f"rule {len(rules) + 1} of {name} contradicts rule {number}, which already takes "
                        "every event that it would; give them an only_where that differs, or remove one",
                    )
                    break
            rules.append(rule)
        return tuple(rules)

    def _rule(
        self, name: str, place: Place, table: Mapping[str, Any], shared: Mapping[str, Source]
    ) -> Rule | None:
        said = table.get("meaning")
        if said is None:
            self._tell(place, f'{name} has no meaning; write meaning = "view" or another')
            return None
        known = (*MEANINGS, KEPT, NOTHING)
        if said not in known:
            hint = (
                f"; an engagement is {_listed(ENGAGEMENTS)}"
                if isinstance(said, str) and said.startswith(("engage", "impression"))
                else near(str(said), known) or f"; there are {_listed(known)}"
            )
            self._tell((*place, "meaning"), f"unknown meaning {said!r}{hint}")
            return None
        meaning: Meaning | None = next((each for each in MEANINGS if each == said), None)
        columns = [name for name in COLUMNS if _OF_MEANING.get(name) in (None, meaning)]
        columns += PASSED.get(said, ()) if meaning else ()
        if meaning in ("staff_contact", None):
            columns = []
        for key in table:
            if key in _OF_MEANING and key not in columns:
                self._tell(
                    (*place, key), f"{key} belongs to a {_OF_MEANING[key]}, and not to {said}"
                )
        given = {
            key: value for key, value in table.items() if key not in _OF_MEANING or key in columns
        }
        self._known_keys(place, given, ("meaning", "only_where", *columns))
        sources = {
            column: source
            for column in columns
            if column in given
            and (source := self._source((*place, column), column, given[column])) is not None
        }
        self._check_by_lister_id(place, given, sources, {**shared, **sources})
        if meaning == "lead" and "lead_type" not in given:
            self._tell(
                place,
                f'{name} is a lead without a lead_type; write lead_type = "phone", or '
                'lead_type = ["kind"] for the property that says it',
            )
        where = self._where((*place, "only_where"), table.get("only_where", {}))
        if where and meaning in _BY_NAME_ALONE:
            self._tell(
                (*place, "only_where"),
                f"a {meaning} can have no only_where: PostHog is asked for it by its name alone",
            )
        return Rule(meaning, where, sources)

    def _where(self, place: Place, said: object) -> Mapping[Path, tuple[str, ...]]:
        found: dict[Path, tuple[str, ...]] = {}
        for key, value in self._table(place, said).items():
            path = self._path((*place, key), key)
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(each, str | int | float) for each in values):
                self._tell(
                    (*place, key),
                    f'{key} should be compared with values, such as {key} = "listing"',
                )
            elif path:
                found[path] = tuple(dict.fromkeys(_compared(each) for each in values))
        return found

    def _source(self, place: Place, column: str, said: object) -> Source | None:
        try:
            if isinstance(said, list):
                return Source(self._paths(place, said))
            if isinstance(said, dict):
                return self._detailed(place, column, said)
            return Source(default=self._constant(place, column, said))
        except _Wrong:
            return None

    def _detailed(self, place: Place, column: str, said: Mapping[str, Any]) -> Source:
        can_map = column not in IDENTIFIERS and column != "price"
        known = ["from", "default"] if column not in IDENTIFIERS else ["from"]
        known += ["values", "otherwise"] if can_map else []
        known += ["by_lister_id"] if column == "lister_type" else []
        self._known_keys(place, said, known)
        if "from" not in said:
            self._tell(place, f'{column} says no property; write {column} = {{from = ["…"]}}')
            raise _Wrong
        names = said["from"] if isinstance(said["from"], list) else [said["from"]]
        values: dict[str, Constant] = {}
        for key, value in self._table((*place, "values"), said.get("values", {})).items():
            compared = _compared(key)
            constant = self._constant((*place, "values", key), column, value)
            if values.setdefault(compared, constant) != constant:
                self._tell(
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
        for key, value in self._table(place, said).items():
            path = self._path((*place, key), key)
            if path:
                found[path] = str(self._constant((*place, key), "lister_type", value))
        return found

    def _check_by_lister_id(
        self,
        place: Place,
        said: Mapping[str, Any],
        given: Mapping[str, Source],
        all_sources: Mapping[str, Source],
    ) -> None:
        if "lister_type" not in said or "lister_type" not in given:
            return
        known = [path_text(path) for path in all_sources.get("lister_id", Source()).paths]
        for path in given["lister_type"].by_lister_id:
            if (text := path_text(path)) not in known:
                self._tell(
                    (*place, "lister_type"),
                    f"by_lister_id names {text}, under which no lister_id comes{near(text, known)}",
                    text,
                )

    def _paths(self, place: Place, said: Sequence[object]) -> tuple[Path, ...]:
        paths = [self._path(place, each) for each in said]
        return tuple(dict.fromkeys(path for path in paths if path))

    def _path(self, place: Place, said: object) -> Path | None:
        if isinstance(said, str) and (path := parsed_path(said)):
            return path
        self._tell(
            place,
            f"{said!r} is no property name; write a, a.b for the b within a, or '\"a.b\"' for a name with "
            "a dot",
            str(said),
        )
        return None

    def _constant(
        self, place: Place, column: str, said: object, *, is_end: bool = False
    ) -> Constant:
        """A value for all, or what a value is read as, checked against what the column may hold."""
        if is_end and column == "lead_type" and said == UNKNOWN:
            return UNKNOWN
        if problem := _problem_of(column, said):
            self._tell(place, problem)
            raise _Wrong
        if isinstance(said, str):
            return said.strip().lower() if column in COLUMNS else said
        return cast("Constant", said)


def _problem_of(column: str, said: object) -> str | None:
    """Why a column cannot be this for every event."""
    shown = _shown(said)
    for_a_property = f"; for a property write {column} = [{shown}]" if isinstance(said, str) else ""
    is_number = isinstance(said, int | float) and not isinstance(said, bool) and isfinite(said)
    if column in IDENTIFIERS:
        return f"{column} = {shown} would be the same for every event{for_a_property}"
    if column == "is_logged_in":
        fits, wanted = isinstance(said, bool), "true or false"
    elif column == "price":
        fits, wanted = is_number, "a number"
    elif choices := _CHOICES.get(column):
        fits, wanted = said in choices, _listed(choices)
        if not fits and isinstance(said, str) and (hint := near(said, choices)):
            return f"{column} cannot be {shown}{hint}"
    elif column in COLUMNS:
        fits = isinstance(said, str) and 0 < len(said.strip()) <= _LONGEST_TEXT and "\0" not in said
        wanted = f"a text of 1 to {_LONGEST_TEXT} characters"
    else:
        fits = isinstance(said, bool) or is_number or (isinstance(said, str) and "\0" not in said)
        wanted = "a text, a number, true or false"
    return None if fits else f"{column} should be {wanted}, not {shown}{for_a_property}"


def _compared(value: object) -> str:
    """A value as it is compared: upper and lower case and spaces around it are alike."""
    return (str(value).lower() if isinstance(value, bool) else str(value)).strip().lower()


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _takes_all_of(earlier: Rule, later: Rule) -> bool:
    """Whether every event that fits the later rule fits the earlier one, too."""
    return all(
        path in later.where and {*later.where[path]} <= {*values}
        for path, values in earlier.where.items()
    )
