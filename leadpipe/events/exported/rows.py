"""Rows of an exported file as a query would have brought them: a SELECT that streams.

Only the columns that are needed are read, and only the events that are asked for, which Parquet skips by its
statistics. Of bulky events the same properties are kept as `events.hogql` asks for, in the same form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import duckdb.sqltypes

from leadpipe.events.exported.files import ExportedFile
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.typing_sql import pointer, quoted
from leadpipe.text import mended_json
from leadpipe.warehouse import read_sql

MENDED = "mended_properties"


@dataclass(frozen=True)
class LoadedDays:
    """The days that are loaded, both inclusive (UTC); events of others are not stored."""

    first: date
    last: date

    @property
    def reason(self) -> str:
        """Why an event dated otherwise is set aside."""
        return f"timestamp outside the days loaded, {self.first} to today"

    @property
    def are_left(self) -> str:
        """A condition on `timestamp`: of other days."""
        return (
            f"(timestamp < TIMESTAMPTZ '{self.first} 00:00:00+00' "
            f"OR timestamp >= TIMESTAMPTZ '{self.last} 00:00:00+00' + INTERVAL 1 DAY)"
        )

    @property
    def are_history(self) -> str:
        """A condition: dated, and received, before the first of these days."""
        first = f"TIMESTAMPTZ '{self.first} 00:00:00+00'"
        return f"(timestamp < {first} AND created_at < {first})"


def is_asked_for(mapping: EventMapping) -> str:
    """A condition on `event`."""
    return f"event IN ({', '.join(map(quoted, mapping.names))})"


def counted(file: ExportedFile, mapping: EventMapping, days: LoadedDays) -> str:
    """A SELECT: all rows, those asked for, and of these the misdated and the history.

    One row; with `others` one for each file that has rows, and before its counts its place among them.
    """
    of_file = "file_index, " if file.others else ""
    created = "try_cast(created_at AS TIMESTAMPTZ)" if "created_at" in file.columns else "NULL"
    return f"""
        SELECT {of_file}count(*), count(*) FILTER (WHERE is_asked),
            count(*) FILTER (WHERE is_asked AND {days.are_left} AND {days.are_history} IS NOT TRUE),
            count(*) FILTER (WHERE is_asked AND {days.are_history})
        FROM (
            SELECT {of_file}{is_asked_for(mapping)} AS is_asked,
                try_cast(timestamp AS TIMESTAMPTZ) AS timestamp, {created}::TIMESTAMPTZ AS created_at
            FROM {file.relation}
        )
        {"GROUP BY file_index" if file.others else ""}
    """


def wire_rows(
    file: ExportedFile,
    mapping: EventMapping,
    condition: str = "true",
    *,
    are_set_aside: bool = False,
) -> str:
    """To select from: the rows that are asked for, with the columns of `wire_events.sql`.

    Args:
        file: where they are; the connection must have been given to `prepare` before.
        mapping: whose events are asked for, and which of the bulky ones' properties.
        condition: on `timestamp` and `created_at`.
        are_set_aside: `fields` are wanted of every row, not only of those that cannot be stored.
    """
    columns = {
        column: column if column in file.columns else "NULL::VARCHAR"
        for column in ("uuid", "event", "timestamp", "created_at", "distinct_id", "person_id")
    }
    return f"""(
        WITH texts AS (
            SELECT
                CAST({columns["uuid"]} AS VARCHAR) AS uuid, event,
                try_cast({columns["timestamp"]} AS TIMESTAMPTZ) AS timestamp,
                {columns["timestamp"]} AS sent_timestamp,
                try_cast({columns["created_at"]} AS TIMESTAMPTZ) AS created_at,
                distinct_id,
                CAST({columns["person_id"]} AS VARCHAR) AS person_id,
                {_sent_text(file)} AS sent,
                CASE WHEN contains(sent, '\\ud') OR contains(sent, '\\uD') THEN {MENDED}(sent) END AS mended,
                coalesce(mended, sent) AS properties,
                {str(are_set_aside).lower()} AS is_set_aside
            FROM {file.relation} WHERE {is_asked_for(mapping)}
        ),
        {_narrowed(mapping, condition)}
        {read_sql("events", "exported/exported_events.sql")}
    )"""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the function that mends halves of emoji, called for the rare row that has one."""
    text = duckdb.sqltypes.VARCHAR
    connection.create_function(
        MENDED, lambda json: mended_json(json.encode()).decode(), [text], text
    )


def _sent_text(file: ExportedFile) -> str:
    """The properties as PostHog's table has them: a text, empty for null."""
    if file.format == "parquet":
        return "coalesce(properties::VARCHAR, '')"
    # An object; or a text, if they were no JSON.
    return (
        "coalesce(CASE WHEN json_type(properties) = 'VARCHAR' THEN properties->>'$' "
        "ELSE properties::VARCHAR END, '')"
    )


def _narrowed(mapping: EventMapping, condition: str) -> str:
    """The CTE `exported`: `texts`, with the properties of bulky events as `events.hogql` makes them.

    They are those that are kept, in their order. Properties without any of them, or that are no JSON (half an
    emoji is none), come whole. Their values are looked up in one pass, as a column: within the lambda it
    would be one for each. Places are a CASE, for a list of constants is made anew for each name.
    """
    events, names = mapping.narrow_events, mapping.narrow_properties
    if not events or not names:
        return f"exported AS (SELECT * FROM texts WHERE {condition})"
    is_bulky = f"event IN ({', '.join(map(quoted, events))}) AND (mended IS NULL OR mended = sent)"
    listed = ", ".join(map(quoted, names))
    pointers = ", ".join(quoted(pointer((name,))) for name in names)
    places = " ".join(f"WHEN {quoted(name)} THEN {place}" for place, name in enumerate(names, 1))
    return f"""found AS (
            SELECT *,
                CASE WHEN {is_bulky} THEN TRY(json_keys(properties)) END AS names,
                CASE WHEN {is_bulky} THEN TRY(json_extract(properties, [{pointers}])) END AS found_values
            FROM texts WHERE {condition}
        ),
        exported AS (
            SELECT * EXCLUDE (names, found_values) REPLACE (
                coalesce('{{' || nullif(array_to_string(list_transform(
                    list_filter(names, name -> name IN ({listed})),
                    name -> {_key(names)} || found_values[CASE name {places} END]
                ), ','), '') || '}}', properties) AS properties
            )
            FROM found
        )"""


def _key(names: Sequence[str]) -> str:
    """An expression: a name as it is before its value."""
    if any(mark in name for name in names for mark in '\\"'):
        return """'"' || replace(replace(name, '\\', '\\\\'), '"', '\\"') || '":'"""
    return """'"' || name || '":'"""
