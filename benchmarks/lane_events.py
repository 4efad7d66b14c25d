"""Events for the lanes, made once and kept in `benchmarks/out`: as Parquet files, and as pages of a query.

`python -m benchmarks.lane_events EVENTS` makes them.

Four of five are page views of listings, of which a query takes only some properties, one is a lead. Half of
the properties' values are the visitor's and come again, half are new with each event: so Parquet is as
compressible as real traffic is.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.measure import OUT

END = datetime(2026, 11, 20, tzinfo=UTC)
"""After the last event; far enough from any run that no export ends with the moment of the run."""
NAMES = ("property_view", "lead_phone")
PAGE_ROWS = 10_000
"""Of a page that is fetched alone."""
_DAYS = 28
_KEPT = ("listing_id", "viewed_from", "is_logged_in")
_OF_VISITORS, _OF_EVENTS = 8, 8
_SMALL_FILE_ROWS = 20_480  # in a row group, as PostHog writes them
_BATCH = 50_000


@dataclass(frozen=True)
class LaneEvents:
    """Where the events are.

    Args:
        folder: with `days`, a file a day of what was received, `pages.ndjson`, a row a line as a
            query sends it, in the order of timestamps, and `facts.json`.
    """

    folder: Path

    @property
    def files(self) -> list[Path]:
        """The Parquet files, in order."""
        return sorted((self.folder / "days").glob("*.parquet.zst"))

    @property
    def pages(self) -> Path:
        """The rows of queries."""
        return self.folder / "pages.ndjson"

    @property
    def facts(self) -> dict[str, list[list[object]]]:
        """`days` (day, events, checksum, copies) and `hours` (of receipt, events), as PostHog answers."""
        facts: dict[str, list[list[object]]] = json.loads((self.folder / "facts.json").read_text())
        return facts

    @property
    def events(self) -> int:
        """How many."""
        return sum(int(str(day[1])) for day in self.facts["days"])

    @property
    def days(self) -> list[date]:
        """The days of the events."""
        return [(END - timedelta(days=back)).date() for back in range(_DAYS, 0, -1)]


def lane_events(events: int) -> LaneEvents:
    """So many events of 920 bytes, made if they are not there yet."""
    made = LaneEvents(OUT / f"lanes-{events}")
    if not (made.folder / "facts.json").exists():
        (made.folder / "days").mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(
                "SET TimeZone = 'UTC'; SET memory_limit = '4GB'; SET enable_progress_bar = false"
            )
            connection.execute(_events(events))
            _write_files(connection, made)
            _write_pages(connection, made)
            _write_facts(connection, made)
    return made


def _events(events: int) -> str:
    """The table `events`, with the columns of PostHog's events model. Its uuids are of version 7."""
    values = [
        f"'\"$visitor_{n:02d}\": \"' || substr(md5(visitor || '{n}'), 1, 18) || '\", '"
        for n in range(_OF_VISITORS)
    ]
    values += [
        f"'\"$property_{n:02d}\": \"' || substr(md5(seed || '{n}'), 1, 18) || '\", '"
        for n in range(_OF_EVENTS)
    ]
    seconds = _DAYS * 86_400
    return f"""
        CREATE TABLE events AS
        WITH numbers AS (
            SELECT n, md5(n::VARCHAR) AS seed, hash(n) % 50_000 AS visitor,
                TIMESTAMPTZ '{END.isoformat()}' - INTERVAL {seconds} SECOND
                + to_microseconds((n * {seconds}::DOUBLE * 1e6 / {events})::BIGINT) AS timestamp
            FROM range({events}) AS numbers(n)
        )
        SELECT
            CAST(printf('%012x7%s8%s', epoch_ms(timestamp), substr(seed, 1, 3), substr(seed, 4, 15)) AS UUID)
                AS uuid,
            timestamp,
            timestamp + INTERVAL 2 SECOND AS created_at,
            CASE WHEN n % 5 = 0 THEN 'lead_phone' ELSE 'property_view' END AS event,
            '{{"listing_id": "listing-' || hash(n + 1) % 5_000
                || '", "viewed_from": "search", "is_logged_in": true, ' || {" || ".join(values)}
                || '"$lib": "web"}}' AS properties,
            'anonymous-' || visitor AS distinct_id,
            CAST(md5('person' || visitor) AS UUID) AS person_id
        FROM numbers
    """


def export(
    connection: duckdb.DuckDBPyConnection, rows: str, to: Path, *, options: str = ""
) -> None:
    """Write rows as PostHog's exports have them.

    Args:
        connection: any.
        rows: to select from.
        to: a file, or a folder where the options make several.
        options: of COPY, after a comma.
    """
    connection.execute(f"""
        COPY (
            SELECT CAST(uuid AS VARCHAR) AS uuid, timestamp, created_at AS _inserted_at, created_at, event,
                properties, distinct_id, '' AS elements_chain, '{{}}' AS person_properties,
                CAST(person_id AS VARCHAR) AS person_id
            FROM {rows}
        ) TO '{to}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_SMALL_FILE_ROWS}{options})
    """)


def _write_files(connection: duckdb.DuckDBPyConnection, made: LaneEvents) -> None:
    for start in (END - timedelta(days=back) for back in range(_DAYS, -1, -1)):
        day, end = start.date(), start + timedelta(days=1)
        name = f"{start.isoformat()}-{end.isoformat()}.parquet.zst"  # as PostHog's batch exports have it
        rows = f"(FROM events WHERE created_at::DATE = DATE '{day}' ORDER BY created_at)"
        export(connection, rows, made.folder / "days" / name)


def _write_pages(connection: duckdb.DuckDBPyConnection, made: LaneEvents) -> None:
    """A page view has only the properties that are asked for."""
    kept = ", ".join(f"'{name}', properties->'$.{name}'" for name in _KEPT)
    moment = "strftime({}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    found = connection.execute(f"""
        SELECT json_array(uuid, event, {moment.format("timestamp")}, {moment.format("created_at")},
            distinct_id, person_id,
            CASE WHEN event = 'property_view' THEN json_object({kept})::VARCHAR ELSE properties END)::VARCHAR
        FROM events ORDER BY timestamp, uuid
    """)
    with made.pages.open("w") as file:
        while rows := found.fetchmany(_BATCH):
            file.writelines(f"{row}\n" for (row,) in rows)


def _write_facts(connection: duckdb.DuckDBPyConnection, made: LaneEvents) -> None:
    half = "CAST('0x' || replace(right(CAST({} AS VARCHAR), 17), '-', '') AS UBIGINT)"
    days = connection.execute(f"""
        SELECT strftime(timestamp, '%Y-%m-%d') AS day, count(*), bit_xor({half.format("uuid")})::VARCHAR,
            bit_xor(
                ({half.format("uuid")} >> 2) + ({half.format("person_id")} >> 2)
                + epoch_ms(created_at)::UBIGINT
            )::VARCHAR
        FROM events GROUP BY day ORDER BY day
    """).fetchall()
    hours = connection.execute(
        "SELECT strftime(created_at, '%Y-%m-%d %H') AS hour, count(*) FROM events GROUP BY hour ORDER BY hour"
    ).fetchall()
    facts = made.folder / "facts.json"
    part = facts.with_suffix(".part")
    part.write_text(json.dumps({"days": days, "hours": hours}))
    part.rename(facts)


if __name__ == "__main__":
    lane_events(int(sys.argv[1]))
