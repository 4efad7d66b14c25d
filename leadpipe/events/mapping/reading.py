"""Read a mapping from `events.toml`, and say what is wrong with it: the line, the thing, the next step.

Belongs here: the file, its events and their rules. How the value of a column is said is in `sources.py`, what
a mapping is in `model.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path as File
from typing import Any

from leadpipe.events.mapping.mistakes import Mistakes, Place, listed, near
from leadpipe.events.mapping.model import (
    COLUMNS,
    ENGAGEMENTS,
    KEPT,
    MEANINGS,
    NOTHING,
    PASSED,
    EventMapping,
    Meaning,
    Path,
    Rule,
    Source,
)
from leadpipe.events.mapping.sources import UNKNOWN, SourceReader, compared, is_name
from leadpipe.posthog.literals import NAME_LIMIT
from leadpipe.toml_files import read_toml_text

__all__ = ["UNKNOWN", "built_in", "from_content", "read_mapping"]

_OF_MEANING: Mapping[str, Meaning] = {
    "lead_type": "lead",
    "message_type": "lead",
    "context_type": "lead",
    "profile_id": "lead",
    "save_action": "saved_listing",
    "price": "sale",
    **{name: meaning for meaning, names in PASSED.items() for name in names},
}
_MOST_EVENTS = 2_000


@cache
def built_in() -> EventMapping:
    """The mapping of `builtin.toml`: the names of leadpipe's own vocabulary."""
    file = files("leadpipe").joinpath("events", "builtin.toml")
    content, text = read_toml_text(File(str(file)))
    return _read("builtin.toml", text, content, base=EventMapping({}, {}))


def read_mapping(path: File) -> EventMapping:
    """The built-in mapping with what a team's file adds and changes.

    An event's table replaces the built-in one of that event, a line of `[properties]` the built-in line;
    `keep` adds to the built-in list; `builtin = false` leaves the built-in events out.

    Raises:
        FileNotFoundError: there is none.
        ConfigurationError: names the file, and of each mistake the line and what should be there.
    """
    content, text = read_toml_text(path)
    return _read(str(path), text, content, base=built_in())


def from_content(content: Mapping[str, Any]) -> EventMapping:
    """A mapping from what `EventMapping.as_content` gave."""
    said = dict(content)
    signup = said.pop("signup_event", None)
    mapping = _read("the stored mapping", None, said, base=EventMapping({}, {}))
    return replace(mapping, signup_event=signup)


def _read(
    name: str, text: str | None, content: Mapping[str, Any], *, base: EventMapping
) -> EventMapping:
    mistakes = Mistakes(name, text)
    return _Reader(mistakes, SourceReader(mistakes)).mapping(content, base=base)


@dataclass(frozen=True)
class _Reader:
    """Reads one file, and tells its mistakes."""

    mistakes: Mistakes
    sources: SourceReader

    def mapping(self, content: Mapping[str, Any], *, base: EventMapping) -> EventMapping:
        """The content over a base.

        Raises:
            ConfigurationError: every mistake, a line each.
        """
        self.mistakes.known_keys((), content, ("builtin", "keep", "properties", "events"))
        has_builtin = content.get("builtin", True)
        if not isinstance(has_builtin, bool):
            self.mistakes.tell(("builtin",), "builtin should be true or false")
        properties = self.mistakes.table(("properties",), content.get("properties", {}))
        shared = dict(base.shared)
        for column, said in properties.items():
            if source := self._shared(column, said):
                shared[column] = source
        self.sources.check_by_lister_id(("properties",), properties, shared, shared)
        events = dict(base.events) if has_builtin else {}
        tables = self.mistakes.table(("events",), content.get("events", {}))
        if len(tables) > _MOST_EVENTS:
            self.mistakes.tell(
                ("events",), f"{len(tables):,} events; {_MOST_EVENTS:,} can be mapped"
            )
            tables = {}
        for name, said in tables.items():
            events[name] = self._rules(name, said, shared)
        keep = tuple(dict.fromkeys([*base.keep, *self._keep(content.get("keep", []))]))
        if not any(events.values()) and not self.mistakes.found:
            self.mistakes.tell(
                (), "no event is mapped; write a table such as [events.listing_viewed]"
            )
        self.mistakes.refuse()
        return EventMapping(shared, events, keep)

    def _keep(self, said: object) -> list[str]:
        names = said if isinstance(said, list) else [said]
        for name in names:
            if not isinstance(name, str) or not is_name(name):
                self.mistakes.tell(
                    ("keep",), f"keep should be a list of property names, not {name!r}"
                )
        return [name for name in names if isinstance(name, str)]

    def _shared(self, column: str, said: object) -> Source | None:
        place: Place = ("properties", column)
        if column == "lead_type":
            self.mistakes.tell(
                place, "lead_type differs by event: write it in the table of each lead"
            )
            return None
        if column not in COLUMNS:
            known = [name for name in COLUMNS if name != "lead_type"]
            hint = near(column, known) or f"; there are {listed(known)}"
            self.mistakes.tell(place, f"unknown property {column!r}{hint}")
            return None
        return self.sources.source(place, column, said)

    def _rules(self, name: str, said: object, shared: Mapping[str, Source]) -> tuple[Rule, ...]:
        place: Place = ("events", name)
        if not is_name(name):
            self.mistakes.tell(
                place, f"the event name {name!r} should have 1 to {NAME_LIMIT} printable characters"
            )
        tables = said if isinstance(said, list) else [said]
        places = [(*place, n) for n in range(len(tables))] if isinstance(said, list) else [place]
        if any(isinstance(each, dict) and each.get("meaning") == NOTHING for each in tables):
            if len(tables) > 1:
                self.mistakes.tell(
                    place, f'{name} has meaning = "nothing" and other rules; keep one'
                )
            self.mistakes.known_keys(places[0], self.mistakes.table(place, tables[0]), ("meaning",))
            return ()
        rules: list[Rule] = []
        for where, table in zip(places, tables, strict=True):
            if not isinstance(table, dict):
                self.mistakes.tell(
                    place, f'{name} should be a table: [events.{name}] with meaning = "…"'
                )
                continue
            rule = self._rule(name, where, table, shared)
            if rule is None:
                continue
            for number, earlier in enumerate(rules, 1):
                if _takes_all_of(earlier, rule):
                    self.mistakes.tell(
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
            self.mistakes.tell(place, f'{name} has no meaning; write meaning = "view" or another')
            return None
        known = (*MEANINGS, KEPT, NOTHING)
        if said not in known:
            hint = (
                f"; an engagement is {listed(ENGAGEMENTS)}"
                if isinstance(said, str) and said.startswith(("engage", "impression"))
                else near(str(said), known) or f"; there are {listed(known)}"
            )
            self.mistakes.tell((*place, "meaning"), f"unknown meaning {said!r}{hint}")
            return None
        meaning: Meaning | None = next((each for each in MEANINGS if each == said), None)
        columns: list[str] = []
        if meaning not in ("staff_contact", None):  # no listing's, and with properties of its own
            columns = [name for name in COLUMNS if _OF_MEANING.get(name) in (None, meaning)]
        columns += PASSED.get(meaning, ()) if meaning else ()
        for key in table:
            if key in _OF_MEANING and key not in columns:
                self.mistakes.tell(
                    (*place, key), f"{key} belongs to a {_OF_MEANING[key]}, and not to {said}"
                )
        given = {
            key: value for key, value in table.items() if key not in _OF_MEANING or key in columns
        }
        self.mistakes.known_keys(place, given, ("meaning", "only_where", *columns))
        sources = {
            column: source
            for column in columns
            if column in given
            and (source := self.sources.source((*place, column), column, given[column])) is not None
        }
        self.sources.check_by_lister_id(place, given, sources, {**shared, **sources})
        if meaning == "lead" and "lead_type" not in given:
            self.mistakes.tell(
                place,
                f'{name} is a lead without a lead_type; write lead_type = "phone", or '
                'lead_type = ["kind"] for the property that says it',
            )
        where = self._where((*place, "only_where"), table.get("only_where", {}))
        return Rule(meaning, where, sources)

    def _where(self, place: Place, said: object) -> Mapping[Path, tuple[str, ...]]:
        found: dict[Path, tuple[str, ...]] = {}
        for key, value in self.mistakes.table(place, said).items():
            path = self.sources.path((*place, key), key)
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(each, str | int | float) for each in values):
                self.mistakes.tell(
                    (*place, key),
                    f'{key} should be compared with values, such as {key} = "listing"',
                )
            elif path:
                found[path] = tuple(dict.fromkeys(compared(each) for each in values))
        return found


def _takes_all_of(earlier: Rule, later: Rule) -> bool:
    """Whether every event that fits the later rule fits the earlier one, too."""
    return all(
        path in later.where and {*later.where[path]} <= {*values}
        for path, values in earlier.where.items()
    )
