"""The tables of HogQL, as ClickHouse sub-selects over what the sandbox stores.

Belongs here: columns, their kinds, visibility, persons resolved at query time, property casts. Does
not belong here: syntax (`hogql.py`), storage (`storage.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from posthog_sandbox.refusals import Refusal, invalid_query

Kind = Literal["text", "time", "number", "json", "other"]

DEFAULT_PROPERTY_TYPES: Mapping[str, str] = {
    "$screen_height": "Numeric",
    "$screen_width": "Numeric",
    "$viewport_height": "Numeric",
    "$viewport_width": "Numeric",
    "$browser_version": "Numeric",
    "$is_identified": "Boolean",
    "amount": "Numeric",
    "is_logged_in": "Boolean",
    "price": "Numeric",
    "recharged_at": "DateTime",
    "loggedAt": "DateTime",
}
"""What PostHog guesses from the first values it sees."""


@dataclass(frozen=True)
class Printed:
    """A printed expression."""

    sql: str
    kind: Kind = "other"
    nullable: bool = False


@dataclass(frozen=True)
class Source:
    """A table, sub-select or CTE in FROM; `columns` maps names to their kind and nullability."""

    sql: str
    columns: Mapping[str, Printed]
    is_table: bool = False
    is_events: bool = False


@dataclass(frozen=True)
class Context:
    """What a query's meaning depends on besides its text.

    Attributes:
        now: the server's clock, aware, in UTC.
        timezone: zone of the project, or UTC if the query's modifiers say so.
        has_overrides: whether any distinct id belongs to another person than when it was ingested.
        property_types: PostHog's property definitions.
        deleted_persons: who is in no table of persons any more.
        visible_until: what became visible later is not there; by default `now`.
        floor: events at this moment or before it are hidden by the plan's retention.
    """

    now: datetime
    timezone: str = "UTC"
    has_overrides: bool = False
    property_types: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_PROPERTY_TYPES))
    deleted_persons: frozenset[str] = frozenset()
    visible_until: datetime | None = None
    floor: datetime | None = None


def quoted(text: str) -> str:
    """The text as a ClickHouse string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def identifier(name: str) -> str:
    """The name as a ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def instant(moment: datetime) -> str:
    """The moment as a ClickHouse DateTime64 in UTC."""
    return f"toDateTime64('{moment:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"


_EVENT_COLUMNS: Mapping[str, Printed] = {
    "uuid": Printed(""),
    "event": Printed("", "text"),
    "properties": Printed("", "json"),
    "timestamp": Printed("", "time"),
    "distinct_id": Printed("", "text"),
    "elements_chain": Printed("", "text"),
    "created_at": Printed("", "time"),
    "person_id": Printed(""),
    "$session_id": Printed("", "text", nullable=True),
    "$window_id": Printed("", "text", nullable=True),
}
_PERSON_COLUMNS: Mapping[str, Printed] = {
    "id": Printed(""),
    "created_at": Printed("", "time"),
    "properties": Printed("", "json"),
    "is_identified": Printed(""),
}
EVENT_STAR = (
    "uuid",
    "event",
    "properties",
    "timestamp",
    "distinct_id",
    "elements_chain",
    "created_at",
)


def table(name: str, context: Context) -> Source:
    """A table of HogQL.

    Raises:
        Refusal: 400, there is no such table.
    """
    if name == "events":
        return Source(_events_sql(context), _EVENT_COLUMNS, is_table=True, is_events=True)
    if name == "persons":
        return Source(_persons_sql(context), _PERSON_COLUMNS, is_table=True)
    if name == "person_distinct_ids":
        columns = {"distinct_id": Printed("", "text"), "person_id": Printed("")}
        return Source(_distinct_ids_sql(context), columns, is_table=True)
    if name == "person_distinct_id_overrides":
        columns = {"distinct_id": Printed("", "text"), "person_id": Printed("")}
        overrides = "(SELECT distinct_id, person_id FROM sandbox.overrides)"
        return Source(overrides, columns, is_table=True)
    if name in {"cohort_people", "static_cohort_people"}:
        wanted = "is_static" if name == "static_cohort_people" else "NOT is_static"
        members = f"(SELECT cohort_id, person_id FROM sandbox.cohort_people WHERE {wanted})"
        columns = {"cohort_id": Printed("", "number"), "person_id": Printed("")}
        return Source(members, columns, is_table=True)
    raise invalid_query(f"Unknown table `{name}`.")


def _person_id(context: Context) -> str:
    if not context.has_overrides:
        return "stored_person_id"
    found = "joinGetOrNull('sandbox.overrides', 'person_id', distinct_id)"
    return f"ifNull({found}, stored_person_id)"


def _events_sql(context: Context) -> str:
    session = "nullIf(JSONExtractString(properties, '{}'), '')"
    return (
        "(SELECT uuid, event, properties, timestamp, distinct_id, '' AS elements_chain, "
        f"created_at, {_person_id(context)} AS person_id, "
        f"{session.format('$session_id')} AS `$session_id`, "
        f"{session.format('$window_id')} AS `$window_id` "
        f"FROM sandbox.events WHERE visible_at <= {instant(context.visible_until or context.now)}"
        f"{_above_floor(context)})"
    )


def _above_floor(context: Context) -> str:
    """PostHog bounds every read of `events`, and of no other table, whatever the query says."""
    return "" if context.floor is None else f" AND timestamp > {instant(context.floor)}"


def _persons_sql(context: Context) -> str:
    columns = ", ".join(_PERSON_COLUMNS)
    return f"(SELECT {columns} FROM {persons_sql(context)})"


def persons_sql(context: Context) -> str:
    """All persons that a query sees: HogQL's columns, and `distinct_ids`."""
    return (
        f"(SELECT {_person_id(context)} AS id, min(sandbox.events.created_at) AS created_at, "
        "any(joinGet('sandbox.person_properties', 'properties', "
        f"{_person_id(context)})) AS properties, "
        "countIf(event = '$identify') > 0 AS is_identified, "
        "arraySort(groupUniqArray(distinct_id)) AS distinct_ids "
        f"FROM sandbox.events WHERE visible_at <= {instant(context.now)} "
        f"{_not_deleted(context)}GROUP BY id)"
    )


def _distinct_ids_sql(context: Context) -> str:
    return (
        "(SELECT distinct_id, id AS person_id "
        f"FROM {persons_sql(context)} ARRAY JOIN distinct_ids AS distinct_id)"
    )


def _not_deleted(context: Context) -> str:
    if not context.deleted_persons:
        return ""
    listed = ", ".join(f"toUUID({quoted(one)})" for one in sorted(context.deleted_persons))
    return f"AND {_person_id(context)} NOT IN ({listed}) "


def field_of(source: Source, alias: str, chain: Sequence[str | int], context: Context) -> Printed:
    """The field `chain` of a source.

    Raises:
        Refusal: 400, the source has no such field.
    """
    name, rest = str(chain[0]), chain[1:]
    if source.is_events and name == "person":
        return _person_field(alias, rest, context)
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
