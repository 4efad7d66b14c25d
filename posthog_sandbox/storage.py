"""The event store: ClickHouse itself, in this process.

Belongs here: tables, inserts, running SQL, ClickHouse's errors as PostHog answers them. Does not
belong here: HogQL (`hogql.py`) and anything of HTTP.

One data directory per process, never after a fork. A connection serialises its queries and lets go
of the interpreter's lock while it runs; several connections run side by side.
"""

import json
import queue
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from posthog_sandbox import native_json, refusals
from posthog_sandbox.backlogs import Backlog, delayed
from posthog_sandbox.refusals import Refusal

_TABLES = (
    "CREATE DATABASE IF NOT EXISTS sandbox",
    # Plain MergeTree: copies of a uuid stay, as in a table that has not merged them yet.
    """CREATE TABLE IF NOT EXISTS sandbox.events (
        uuid UUID, event String, properties String CODEC(LZ4), distinct_id String,
        stored_person_id UUID, timestamp DateTime64(6, 'UTC'), created_at DateTime64(6, 'UTC'),
        visible_at DateTime64(6, 'UTC'), gone_at DateTime64(6, 'UTC') DEFAULT '2299-01-01 00:00:00'
    ) ENGINE = MergeTree PARTITION BY toYYYYMM(timestamp)
    ORDER BY (toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))""",
    # A directory of an earlier version has no deletions.
    """ALTER TABLE sandbox.events ADD COLUMN IF NOT EXISTS
    gone_at DateTime64(6, 'UTC') DEFAULT '2299-01-01 00:00:00'""",
    """CREATE TABLE IF NOT EXISTS sandbox.overrides (distinct_id String, person_id UUID)
    ENGINE = Join(ANY, LEFT, distinct_id) SETTINGS join_any_take_last_row = 1""",
    """CREATE TABLE IF NOT EXISTS sandbox.person_properties (id UUID, properties String)
    ENGINE = Join(ANY, LEFT, id) SETTINGS join_any_take_last_row = 1""",
    """CREATE TABLE IF NOT EXISTS sandbox.distinct_id_changes (
        distinct_id String, version UInt64, changed_at DateTime64(6, 'UTC')
    ) ENGINE = Join(ANY, LEFT, distinct_id) SETTINGS join_any_take_last_row = 1""",
    """CREATE TABLE IF NOT EXISTS sandbox.person_changes (
        id UUID, version UInt64, changed_at DateTime64(6, 'UTC'), is_deleted Bool
    ) ENGINE = Join(ANY, LEFT, id) SETTINGS join_any_take_last_row = 1""",
    """CREATE TABLE IF NOT EXISTS sandbox.cohort_people (
        cohort_id UInt64, is_static Bool, person_id UUID
    ) ENGINE = MergeTree ORDER BY (cohort_id, person_id)""",
    # Of an earlier process: cohorts themselves are in memory, and their numbers begin anew.
    "TRUNCATE TABLE sandbox.cohort_people",
)
_OF_PROJECT = (
    *("events", "overrides", "person_properties", "cohort_people"),
    *("distinct_id_changes", "person_changes"),
)
_SETTINGS = (
    "output_format_json_quote_64bit_integers = 0, output_format_json_escape_forward_slashes = 0, "
    "output_format_json_named_tuples_as_objects = 0, date_time_output_format = 'iso', "
    f"transform_null_in = 1, session_timezone = 'UTC', max_threads = 2, {native_json.SETTINGS}"
)
# Rows as JSON arrays with commas between, ready for the answer; only a newline tells them apart.
_AS_ROWS = (
    "format_custom_escaping_rule = 'JSON', format_custom_field_delimiter = ',', "
    "format_custom_row_before_delimiter = '[', format_custom_row_after_delimiter = ']', "
    "format_custom_row_between_delimiter = ',\\n'"
)
_USER_ERRORS = frozenset(
    (
        "ILLEGAL_TYPE_OF_ARGUMENT",
        "NO_COMMON_TYPE",
        "NOT_AN_AGGREGATE",
        "UNKNOWN_FUNCTION",
        "TYPE_MISMATCH",
        "ILLEGAL_AGGREGATION",
        "ILLEGAL_DIVISION",
        "CANNOT_PARSE_DATE",
        "CANNOT_PARSE_DATETIME",
        "CANNOT_PARSE_TEXT",
        "CANNOT_PARSE_UUID",
        "CANNOT_PARSE_NUMBER",
        "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
        "BAD_ARGUMENTS",
        "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
        "TOO_FEW_ARGUMENTS_FOR_FUNCTION",
        "TOO_MANY_ARGUMENTS_FOR_FUNCTION",
        "ARGUMENT_OUT_OF_BOUND",
        "SYNTAX_ERROR",
        "UNKNOWN_IDENTIFIER",
        "CANNOT_CONVERT_TYPE",
        "UNEXPECTED_AST_STRUCTURE",
        "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
        "CANNOT_COMPILE_REGEXP",
        "INVALID_JOIN_ON_EXPRESSION",
        "UNKNOWN_AGGREGATE_FUNCTION",
    )
)
_CODE = re.compile(r"\(([A-Z0-9_]+)\)\s*$")


@dataclass(frozen=True)
class Rows:
    """A query's answer; `body` is the rows as JSON arrays with commas between."""

    types: tuple[tuple[str, str], ...]
    body: bytes
    count: int


class Storage:
    """The tables of one sandbox in one directory."""

    def __init__(self, directory: Path | None = None, *, readers: int = 3) -> None:
        import chdb  # noqa: PLC0415 - a second that a refusal to start need not wait for

        self._owned = directory is None
        self._path = directory or Path(tempfile.mkdtemp(prefix="posthog-sandbox-"))
        self._connections: list[Any] = []
        self._writing = threading.Lock()
        self._streaming = threading.Lock()
        self.backlogs: tuple[Backlog, ...] = ()
        self._readers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._writer = chdb.connect(str(self._path))
            self._connections.append(self._writer)
            for statement in _TABLES:
                self._writer.query(statement)
            self._streamer = chdb.connect(str(self._path))
            self._connections.append(self._streamer)
            for _ in range(readers):
                reader = chdb.connect(str(self._path))
                self._connections.append(reader)
                self._readers.put(reader)
        except BaseException:
            self.close()
            raise

    def insert(self, events: pa.Table) -> None:
        """Add rows of `storage_schema.EVENT_SCHEMA`, as they are but for the backlogs."""
        if events.num_rows:
            with self._writing:
                self._insert(
                    delayed(events, self.backlogs), f"events ({_EVENT_COLUMNS})", _EVENT_SELECT
                )

    def set_person_properties(self, persons: pa.Table) -> None:
        """Replace the properties (JSON text) of persons; columns `id`, `properties`."""
        if persons.num_rows:
            with self._writing:
                select = "SELECT toUUID(assumeNotNull(id)), assumeNotNull(properties)"
                self._insert(persons, "person_properties", select)

    def set_overrides(self, overrides: pa.Table) -> None:
        """Give distinct ids to persons; columns `distinct_id`, `person_id`."""
        if overrides.num_rows:
            with self._writing:
                select = "SELECT assumeNotNull(distinct_id), toUUID(assumeNotNull(person_id))"
                self._insert(overrides, "overrides", select)

    def note_changes(self, table: str, changes: pa.Table) -> None:
        """Keep the last change of distinct ids or persons; the columns are the table's."""
        selects = {
            "distinct_id_changes": "SELECT assumeNotNull(distinct_id), assumeNotNull(version), "
            "assumeNotNull(changed_at)",
            "person_changes": "SELECT toUUID(assumeNotNull(id)), assumeNotNull(version), "
            "assumeNotNull(changed_at), assumeNotNull(is_deleted)",
        }
        with self._writing:
            self._insert(changes, table, selects[table])

    def _insert(self, source: pa.Table, table: str, select: str) -> None:
        """`Python(source)` in the SQL is this function's argument: chdb looks it up by its name."""
        if source.num_rows:
            self._writer.query(f"INSERT INTO sandbox.{table} {select} FROM Python(source)")

    def write(self, statement: str, source: pa.Table | None = None) -> None:
        """Run one of our own statements; `Python(source)` in it is the table given."""
        with self._writing:
            self._writer.query(statement)
        del source  # chdb found it by its name

    def rewrite(self, assignment: str, condition: str) -> None:
        """Change rows of events in place, as a mutation of ClickHouse does; done when it returns."""
        with self._writing:
            self._writer.query(
                f"ALTER TABLE sandbox.events UPDATE {assignment} WHERE {condition} "
                "SETTINGS mutations_sync = 2"
            )

    def empty(self, table: str) -> None:
        """Remove all rows of a table."""
        with self._writing:
            self._writer.query(f"TRUNCATE TABLE sandbox.{table}")

    def clear(self) -> None:
        """Remove all rows."""
        with self._writing:
            for table in _OF_PROJECT:
                self._writer.query(f"TRUNCATE TABLE sandbox.{table}")

    def is_empty(self) -> bool:
        """Whether there are no events; a directory of an earlier process may hold some."""
        return self.values("SELECT count() FROM sandbox.events") == [[0]]

    def values(self, sql: str) -> list[list[Any]]:
        """The rows of our own small queries, decoded."""
        with self._reader() as reader:
            body: bytes = reader.query(f"{sql} SETTINGS {_SETTINGS}", "JSONCompactEachRow").bytes()
        return [json.loads(line) for line in body.splitlines()]

    def stream(self, sql: str, *, rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of our own large queries, so many at a time at most; one such query after another."""
        with self._streaming:
            settings = f"{_SETTINGS}, max_block_size = {rows}, prefer_column_name_to_alias = 1"
            result: Any = self._streamer.send_query(f"{sql} SETTINGS {settings}", "Arrow")
            try:
                for batch in result.record_batch(rows_per_batch=rows):
                    for first in range(0, batch.num_rows, rows):
                        yield batch.slice(first, rows)
            finally:
                result.close()

    def run(self, sql: str, *, seconds: float) -> Rows:
        """Run a printed HogQL query; times come as PostHog's JSON has them.

        Args:
            sql: one SELECT.
            seconds: of execution, at most.

        Raises:
            Refusal: as PostHog answers ClickHouse's errors.
        """
        limit = f"max_execution_time = {seconds}"
        with self._reader() as reader:
            try:
                described = reader.query(f"DESCRIBE ({sql})", "JSONCompactEachRow").bytes()
                types = tuple((n, t) for n, t, *_ in map(json.loads, described.splitlines()))
                columns = ", ".join(_shown(name, kind) for name, kind in types)
                shown = f"SELECT {columns} FROM ({sql}) SETTINGS {_SETTINGS}, {_AS_ROWS}, {limit}"
                body: bytes = reader.query(shown, "CustomSeparated").bytes()
            except RuntimeError as error:  # chdb raises nothing else
                raise _refusal(str(error)) from None
        return Rows(types, body, body.count(b"\n") + 1 if body else 0)

    @contextmanager
    def _reader(self) -> Iterator[Any]:
        reader = self._readers.get()
        try:
            yield reader
        finally:
            self._readers.put(reader)

    def close(self) -> None:
        """Close all connections and remove the directory if it was a temporary one."""
        for connection in self._connections:
            connection.close()
        if self._owned:
            shutil.rmtree(self._path, ignore_errors=True)


_EVENT_COLUMNS = (
    "uuid, event, properties, distinct_id, stored_person_id, timestamp, created_at, visible_at"
)
_EVENT_SELECT = (
    "SELECT toUUID(assumeNotNull(uuid)), assumeNotNull(event), assumeNotNull(properties), "
    "assumeNotNull(distinct_id), toUUID(assumeNotNull(person_id)), assumeNotNull(timestamp), "
    "assumeNotNull(created_at), assumeNotNull(visible_at)"
)


def _shown(name: str, kind: str) -> str:
    """A column as PostHog's JSON shows it: ISO 8601, no fraction when there is none."""
    column = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
    if "DateTime" not in kind or kind.startswith(("Map", "Tuple")):
        return column
    if kind.startswith("Array(") and not kind.startswith("Array(Tuple"):
        return f"arrayMap(x -> {_iso('x', kind)}, {column})"
    return _iso(column, kind)


def _iso(value: str, kind: str) -> str:
    zone = re.search(r"'([^']+)'", kind)
    name = zone[1] if zone else "UTC"
    moment = f"toDateTime64({value}, 6, '{name}')"
    if name == "UTC":
        written = f"formatDateTime({moment}, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC')"
        return f"replaceOne({written}, '.000000Z', 'Z')"
    written = f"formatDateTime({moment}, '%Y-%m-%dT%H:%i:%S.%f%z', '{name}')"
    with_colon = f"replaceRegexpOne({written}, '([+-]..)(..)$', '\\\\1:\\\\2')"
    whole = f"replaceRegexpOne({with_colon}, '[.]000000([+-])', '\\\\1')"
    return f"replaceRegexpOne({whole}, '[+]00:00$', 'Z')"


def _refusal(message: str) -> Refusal:
    found = _CODE.search(message.strip())
    code = found[1] if found else ""
    if code in {"TIMEOUT_EXCEEDED", "QUERY_WAS_CANCELLED"}:
        return refusals.timed_out()
    if code == "TOO_SLOW":
        return refusals.too_slow()
    if code == "MEMORY_LIMIT_EXCEEDED":
        return refusals.out_of_memory()
    if code in _USER_ERRORS:
        text = message.split("DB::Exception: ", 1)[-1]
        return refusals.invalid_query(_CODE.sub("", text).strip(), code.lower())
    return refusals.server_error()
