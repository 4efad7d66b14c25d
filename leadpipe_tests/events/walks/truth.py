"""What PostHog shows at the end of a walk, and what in the warehouse differs from it.

PostHog is asked by a question of this module's own, not by leadpipe's. Of the copies it shows the one it
received last is the event. The marts are built anew from nothing but these events, in a second warehouse.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.versions import adopt
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import SyncConfig
from leadpipe.published.tables import publish_tables
from leadpipe.visitors.weeks import week_of
from leadpipe.warehouse import Warehouse, memory, view_table
from leadpipe_tests.events.builders import build_marts, table, take_in
from leadpipe_tests.events.walks.walking import Walker
from leadpipe_tests.posthog_sandbox import asking
from posthog_sandbox.process import SandboxProcess

_SHOWN = (
    "SELECT toString(uuid), event, timestamp, created_at, distinct_id, toString(person_id), properties "
    "FROM events LIMIT 50000"
)
_MARTS = ("leads", "listing_analytics", "listings")
_PUBLISHED = (*_MARTS, "grouped_leads", "events_by_day")
_LIVE_WEEKS = timedelta(weeks=3)
_LEAD_EVENTS = """
    SELECT uuid::VARCHAR FROM raw_events WHERE lead_type IS NOT NULL AND rejected_reason IS NULL
"""
_ACTIONS = """
    SELECT action ->> 'action_id' FROM (SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM leads)
"""


def shown(
    sandbox: SandboxProcess, config: SyncConfig, *, first_day: date, last_day: date
) -> list[list[Any]]:
    """The events that PostHog shows of the names and days, each once, as rows of a page."""
    chosen: dict[str, list[Any]] = {}
    for row in asking.rows(sandbox, _SHOWN):
        uuid, event, timestamp, *_ = row
        day = datetime.fromisoformat(timestamp).date()
        if event not in config.selection.events or not first_day <= day <= last_day:
            continue
        if uuid not in chosen or _rank(row) > _rank(chosen[uuid]):
            chosen[uuid] = row
    return list(chosen.values())


def _rank(row: list[Any]) -> tuple[datetime, int]:
    """Received last; of one moment the one with more properties."""
    return datetime.fromisoformat(row[3]), len(json.loads(row[6]))


def differences(walker: Walker, sandbox: SandboxProcess, folder: Path) -> list[str]:
    """What is not as it should be at the end of a walk, a line each; none if all is well.

    Args:
        walker: at its end.
        sandbox: where PostHog is asked.
        folder: an empty one, for the second warehouse.
    """
    events = shown(
        sandbox,
        walker.config,
        first_day=walker.walk.first_day.date(),
        last_day=walker.now.date(),
    )
    truth = Warehouse(folder / "truth.duckdb")
    own = walker.settings.of(EventsSettings).events_path
    if own.exists():  # the marts are built by the mapping beside the warehouse
        (folder / own.name).write_text(own.read_text())
    with truth.writing("door") as connection:
        adopt(connection, walker.config.mapping, now=walker.now)
    take_in(truth, folder, events, now=walker.now)
    found = list(_events_that_differ(walker.warehouse, truth, walker.config.mapping))
    if found:  # the marts would only say so again
        return found
    _stamp(truth, walker.warehouse)
    build_marts(truth)
    with truth.connect() as expected, walker.warehouse.connect() as stored:
        publish_tables(expected, folder / "published", now=walker.now, is_anew=True)
        for name in _MARTS:
            found += _compared(name, stored, expected, f"SELECT * FROM {name}")
        found += _odd(stored)
    with memory() as stored, memory() as expected:
        for name in _PUBLISHED:
            view_table(stored, walker.published, name)
            view_table(expected, folder / "published" / "current", name)
            found += _compared(f"published {name}", stored, expected, f"SELECT * FROM {name}")
        recent = week_of(walker.now.date()) - _LIVE_WEEKS
        viewers = (
            f"SELECT * FROM week_viewers WHERE week_start BETWEEN '{recent}' AND '{walker.now:%F}'"
        )
        view_table(stored, walker.published, "week_viewers")
        view_table(expected, folder / "published" / "current", "week_viewers")
        found += _compared("published week_viewers", stored, expected, viewers)
    landing = walker.settings.landing_dir
    found += [f"left in landing: {path.name}" for path in landing.rglob("*")]
    return found


def _events_that_differ(
    stored: Warehouse, expected: Warehouse, mapping: EventMapping
) -> Iterator[str]:
    here, there = _by_uuid(stored, mapping), _by_uuid(expected, mapping)
    for uuid in sorted({*here, *there}):
        ours, theirs = here.get(uuid, []), there.get(uuid, [])
        what = f"{(ours or theirs)[0]['event']} {uuid[:8]}"
        if not ours or not theirs:
            yield (
                f"{what} is missing here" if theirs else f"{what} is here, but PostHog shows it not"
            )
        elif len(ours) > 1:
            yield f"{what} is here {len(ours)} times"
        else:
            for column, value in theirs[0].items():
                if ours[0][column] != value:
                    yield f"{what}: {column} is {ours[0][column]!r}, but {value!r} in PostHog"


def _by_uuid(warehouse: Warehouse, mapping: EventMapping) -> dict[str, list[dict[str, Any]]]:
    """The events of a warehouse, all columns but who brought them.

    Of web traffic the properties that the mapping needs: under another one more may have come.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    with warehouse.connect() as connection:
        # PostHog's functions tell when it received a copy to the millisecond, and so does the proof.
        cursor = connection.execute(
            "SELECT * EXCLUDE (run_id) "
            "REPLACE (date_trunc('milliseconds', created_at) AS created_at) FROM raw_events"
        )
        columns = [name for name, *_ in cursor.description or ()]
        for values in cursor.fetchall():
            row = dict(zip(columns, values, strict=True))
            row["properties"] = json.loads(row["properties"])
            if row["event"] in mapping.narrow_events:
                needed = {*mapping.needed(row["event"]), *mapping.keep}
                kept = needed & {*row["properties"]}
                row["properties"] = {name: row["properties"][name] for name in kept}
            found.setdefault(str(row["uuid"]), []).append(row)
    return found


def _stamp(truth: Warehouse, stored: Warehouse) -> None:
    """Let the same runs have brought the same events: lead records are per run."""
    with stored.connect() as connection:
        runs = connection.execute("SELECT * FROM runs").fetchall()
        brought = connection.execute("SELECT uuid, run_id FROM raw_events").fetchall()
    with truth.writing("door") as connection:
        connection.execute("DELETE FROM runs")
        places = ", ".join("?" * len(runs[0]))
        connection.executemany(f"INSERT INTO runs VALUES ({places})", runs)
        if brought:
            connection.execute(
                "UPDATE raw_events SET run_id = run FROM ("
                "SELECT unnest($uuids::UUID[]) AS brought, unnest($runs::VARCHAR[]) AS run"
                ") WHERE uuid = brought",
                {"uuids": [uuid for uuid, _ in brought], "runs": [run for _, run in brought]},
            )
            connection.execute(
                "DELETE FROM run_days; "
                "INSERT INTO run_days SELECT DISTINCT run_id, event_date FROM raw_events"
            )


def _compared(
    name: str,
    stored: duckdb.DuckDBPyConnection,
    expected: duckdb.DuckDBPyConnection,
    query: str,
) -> Iterator[str]:
    ours, theirs = table(stored, query), table(expected, query)
    if ours != theirs:
        surplus = [row for row in ours if row not in theirs]
        missing = [row for row in theirs if row not in ours]
        yield f"{name}: has {surplus[:2]}, should have {missing[:2]}"


def _odd(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What must hold whatever PostHog shows."""
    if table(connection, _ACTIONS) != table(connection, _LEAD_EVENTS):
        yield "a lead event is in no record, or in several"
    if unnoted := table(
        connection, "SELECT run_id, event_date FROM raw_events EXCEPT FROM run_days"
    ):
        yield f"it is not noted that a run has events on a day: {unnoted}"
    for day, *counts in connection.execute(
        "SELECT event_date, read_until, posthog_events, warehouse_events FROM event_days "
        "WHERE posthog_checksum IS DISTINCT FROM warehouse_checksum OR differs_since IS NOT NULL "
        "OR posthog_checksum IS NULL ORDER BY event_date"
    ).fetchall():
        yield f"{day} is not proved: read until, in PostHog, here: {counts}"
    for run, status in connection.execute(
        "SELECT run_id, status FROM runs WHERE status = 'running'"
    ).fetchall():
        yield f"{run} is {status}"
