"""The tables of HogQL: their columns, and what a field of one is.

Belongs here: columns, their kinds, property casts. Does not belong here: syntax (`hogql.py`), the rows behind
a table (`hogql_sources.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from posthog_sandbox import hogql_sources as sources
from posthog_sandbox.hogql_literals import identifier, quoted
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.refusals import Refusal, invalid_query

Kind = Literal["text", "time", "number", "json", "other"]


@dataclass(frozen=True)
class Printed:
    """A printed expression."""

    sql: str
    kind: Kind = "other"
    nullable: bool = False


@dataclass(frozen=True)
class Source:
    """A table, sub-select or CTE in FROM.

    Attributes:
        sql: what stands in FROM.
        columns: names with their kind and nullability.
        is_table: times are shown in the query's zone.
        is_events: has what only events have.
        has_person: `person.…` is that of its `person_id`.
    """

    sql: str
    columns: Mapping[str, Printed]
    is_table: bool = False
    is_events: bool = False
    has_person: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TEXT, _TIME, _NUMBER, _OTHER = (
    Printed("", "text"),
    Printed("", "time"),
    Printed("", "number"),
    Printed(""),
)
_EVENT_COLUMNS: Mapping[str, Printed] = {
    "uuid": _OTHER,
    "event": _TEXT,
    "properties": Printed("", "json"),
    "timestamp": _TIME,
    "team_id": _NUMBER,
    "distinct_id": _TEXT,
    "elements_chain": _TEXT,
    "created_at": _TIME,
    "$session_id": _TEXT,
    "$session_id_uuid": _OTHER,
    "$window_id": _TEXT,
    "person_mode": _TEXT,
    **{f"$group_{number}": _TEXT for number in range(5)},
    "elements_chain_href": _TEXT,
    "elements_chain_texts": _OTHER,
    "elements_chain_ids": _OTHER,
    "elements_chain_elements": _OTHER,
    "person_id": _OTHER,
}
_NOT_IN_STAR = frozenset({"team_id", "$session_id_uuid", "person_id"})
EVENT_STAR = tuple(name for name in _EVENT_COLUMNS if name not in _NOT_IN_STAR)
_PERSON_COLUMNS: Mapping[str, Printed] = {
    "id": _OTHER,
    "created_at": _TIME,
    "team_id": _NUMBER,
    "properties": Printed("", "json"),
    "is_identified": _OTHER,
}
_DISTINCT_ID_COLUMNS: Mapping[str, Printed] = {
    "team_id": _NUMBER,
    "distinct_id": _TEXT,
    "person_id": _OTHER,
}
_COHORT_COLUMNS: Mapping[str, Printed] = {"cohort_id": _NUMBER, "person_id": _OTHER}
_MISSING_TABLES = _words(
    """
    sessions raw_sessions groups raw_groups session_replay_events raw_session_replay_events heatmaps
    person_overrides raw_person_overrides raw_persons raw_person_distinct_ids
    raw_person_distinct_id_overrides raw_cohort_people log_entries console_logs_log_entries
    batch_export_log_entries query_log app_metrics numbers
    """
)
"""PostHog's that the sandbox does not have."""
_MISSING_FIELDS = frozenset(
    ("pdi", "session", *(f"{name}_{number}" for name in ("goe", "group") for number in range(5)))
)
"""Of events: joins that the sandbox does not have."""


def table(name: str, context: Context, sample: tuple[float, float] | None = None) -> Source:
    """A table of HogQL; `sample` is the share of it, and where it begins.

    Raises:
        Refusal: 400, there is no such table, or it has no samples.
    """
    if name == "events":
        condition = sources.sample_condition(*sample) if sample else None
        return Source(
            sources.events_sql(context, condition),
            _EVENT_COLUMNS,
            is_table=True,
            is_events=True,
            has_person=True,
        )
    found = _table(name, context)
    if sample:
        raise invalid_query(
            f"Illegal SAMPLE: table {name} doesn't support sampling", "sampling_not_supported"
        )
    return found


def _table(name: str, context: Context) -> Source:
    if name == "persons":
        return Source(sources.persons_sql(context), _PERSON_COLUMNS, is_table=True)
    if name == "person_distinct_ids":
        sql = sources.distinct_ids_sql(context)
        return Source(sql, _DISTINCT_ID_COLUMNS, is_table=True, has_person=True)
    if name == "person_distinct_id_overrides":
        sql = sources.overrides_sql(context)
        return Source(sql, _DISTINCT_ID_COLUMNS, is_table=True, has_person=True)
    if name in {"cohort_people", "static_cohort_people"}:
        sql = sources.cohort_people_sql(is_static=name == "static_cohort_people")
        return Source(sql, _COHORT_COLUMNS, is_table=True)
    if name in _MISSING_TABLES:
        raise invalid_query(f"The sandbox does not know the table '{name}'; PostHog does.")
    raise invalid_query(f"Unknown table `{name}`.")


def is_joined(source: Source, name: str) -> bool:
    """Whether the name leads from the table to another one's fields."""
    if source.has_person and name == "person":
        return True
    return source.is_events and (name == "poe" or name in _MISSING_FIELDS)


def star(source: Source) -> tuple[str, ...]:
    """The columns that `*` stands for."""
    if source.is_events:
        return EVENT_STAR
    return tuple(name for name in source.columns if name != "team_id" or not source.is_table)


def field_of(source: Source, alias: str, chain: Sequence[str | int], context: Context) -> Printed:
    """The field `chain` of a source.

    Raises:
        Refusal: 400, the source has no such field.
    """
    name, rest = str(chain[0]), chain[1:]
    if source.has_person and name == "person":
        return _person_field(alias, rest, context)
    if source.is_events and name == "poe":
        return _ingested_person_field(alias, rest)
    if source.is_events and name in _MISSING_FIELDS:
        raise invalid_query(
            f"The sandbox does not know the field '{name}' of events; PostHog does."
        )
    column = source.columns.get(name)
    if column is None:
        raise unresolved(name)
    printed = f"{identifier(alias)}.{identifier(name)}"
    if rest:
        if column.kind != "json":
            raise unresolved(str(rest[0]))
        definitions = context.property_types if source.is_events else {}
        return _property(printed, rest, definitions, context)
    if column.kind == "time" and source.is_table:
        return Printed(f"toTimeZone({printed}, {quoted(context.timezone)})", "time")
    return Printed(printed, column.kind, column.nullable)


def _person_field(alias: str, rest: Sequence[str | int], context: Context) -> Printed:
    person_id = f"{identifier(alias)}.person_id"
    if not rest:
        raise invalid_query("Can't select a table when a column is expected: person")
    if rest[0] == "id" and len(rest) == 1:
        return Printed(person_id)
    if rest[0] == "properties":
        stored = f"joinGet('sandbox.person_properties', 'properties', {person_id})"
        if len(rest) == 1:
            return Printed(f"if(empty({stored}), '{{}}', {stored})", "json")
        return _property(stored, rest[1:], {}, context)
    if rest[0] in _PERSON_COLUMNS:
        raise invalid_query(
            f"The sandbox does not know the field '{rest[0]}' of an event's person; PostHog does."
        )
    raise unresolved(str(rest[0]))


def _ingested_person_field(alias: str, rest: Sequence[str | int]) -> Printed:
    """`poe`: the person that the event itself holds, whoever merged since."""
    if not rest:
        raise invalid_query("Can't select a table when a column is expected: poe")
    if rest[0] == "id" and len(rest) == 1:
        return Printed(f"{identifier(alias)}.stored_person_id")
    if rest[0] in _PERSON_COLUMNS:
        raise invalid_query(
            f"The sandbox does not know the field '{rest[0]}' of poe; PostHog does."
        )
    raise unresolved(str(rest[0]))


def _property(
    json: str, path: Sequence[str | int], definitions: Mapping[str, str], context: Context
) -> Printed:
    """A property as HogQL reads it: raw JSON, null if absent, empty or null, quotes trimmed.

    Escapes in the JSON text stay as they are; PostHog does the same.
    """
    keys = ", ".join(quoted(key) if isinstance(key, str) else str(key) for key in path)
    raw = f"nullIf(nullIf(JSONExtractRaw({json}, {keys}), ''), 'null')"
    text = f"replaceRegexpAll({raw}, '^\"|\"$', '')"
    defined = definitions.get(str(path[0]), "String") if len(path) == 1 else "String"
    if defined == "Numeric":
        return Printed(f"accurateCastOrNull({text}, 'Float64')", nullable=True)
    if defined == "Boolean":
        states = "['true', 'false'], [1, 0], NULL"
        return Printed(f"toBool(transform(toString({text}), {states}))", nullable=True)
    if defined == "DateTime":
        zone = quoted(context.timezone)
        return Printed(f"parseDateTime64BestEffortOrNull({text}, 6, {zone})", "time", nullable=True)
    return Printed(text, "text", nullable=True)


def unresolved(name: str) -> Refusal:
    """400: a name that is no field."""
    return invalid_query(f"Unable to resolve field: {name}")
