"""From the inbox to the warehouse: each event once, nothing lost, and no batch spoilt by one event."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from leadpipe.errors import WarehouseLocked
from leadpipe.events.ingest import IngestResult
from leadpipe.inbox.drain import DrainReport, drain
from leadpipe.inbox.store import Inbox, Waiting
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows, take_in, wire_row
from leadpipe_tests.inbox.builders import TIME, UUID, a_body, fresh, payload


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """An empty inbox beside the warehouse."""
    return Inbox(tmp_path / "data" / "inbox.sqlite")


def drained(inbox, warehouse, run_id="drain-1", publish=lambda _: None):
    """Drain once."""
    return drain(
        inbox,
        warehouse,
        run_id=run_id,
        landing=warehouse.path.parent / "landing",
        publish=publish,
        clock=lambda: NOW,
    )


def test_what_waits_is_stored_once_and_leaves(inbox, warehouse):
    """Events are in raw_events, the run in the ledger, and neither inbox nor landing has them any more."""
    inbox.add([payload(a_body(), fresh(event="recharge"))], now=NOW)
    report = drained(inbox, warehouse)
    assert report == DrainReport(
        IngestResult(fetched=2, new=2, changed_days=(NOW.date().replace(day=20),)), moved=2
    )
    assert rows(
        warehouse, "SELECT event, person_id, created_at, run_id FROM raw_events ORDER BY event"
    ) == [
        ("$pageview", "person-1", None, "drain-1"),
        ("recharge", "person-1", None, "drain-1"),
    ]
    assert rows(warehouse, "SELECT kind, status, events_new FROM runs") == [
        ("webhook", "succeeded", 2)
    ]
    assert (inbox.state().waiting, list(warehouse.path.parent.glob("landing/*"))) == (0, [])


def test_an_empty_inbox_leaves_no_run(inbox, warehouse):
    """Nothing waits: no run is entered, the warehouse is not even made."""
    assert drained(inbox, warehouse) == DrainReport()
    assert not warehouse.path.exists()


def test_a_queried_copy_replaces_the_webhooks(inbox, warehouse, tmp_path):
    """Webhook first or query first, the row is the queried one, under the run that brought the uuid first."""
    queried = {
        "uuid": UUID,
        "event": "$pageview",
        "timestamp": NOW.replace(day=20, hour=10, microsecond=123456),
        "created_at": NOW.replace(day=20, hour=10, minute=1),
        "distinct_id": "device-1",
        "person_id": "person-1",
        "properties": {"$pathname": "/"},
    }
    inbox.add([payload(a_body())], now=NOW)
    drained(inbox, warehouse)
    take_in(warehouse, tmp_path, [wire_row(queried)], run_id="sync-1")
    inbox.add([payload(a_body())], now=NOW)
    report = drained(inbox, warehouse, "drain-2")
    assert (report.moved, report.ingested.new, report.ingested.duplicate) == (1, 0, 1)
    assert rows(warehouse, "SELECT timestamp, created_at, run_id FROM raw_events") == [
        (queried["timestamp"], queried["created_at"], "drain-1")
    ]


def test_rows_leave_only_after_the_tables_are_published(inbox, warehouse):
    """When publishing fails, everything waits still, and the next drain counts it once."""
    inbox.add([payload(a_body())], now=NOW)

    def fail(connection):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        drained(inbox, warehouse, publish=fail)
    assert inbox.state().waiting == 1
    report = drained(inbox, warehouse, "drain-2")
    assert (
        report.moved,
        report.ingested.new,
        rows(warehouse, "SELECT count(*) FROM raw_events"),
    ) == (
        1,
        0,
        [(1,)],
    )


def test_a_locked_warehouse_loses_nothing(inbox, warehouse, tmp_path):
    """While another process has the warehouse, everything waits."""
    inbox.add([payload(a_body())], now=NOW)
    with pytest.raises(WarehouseLocked):
        drained(inbox, _LockedWarehouse(tmp_path / "x.duckdb"))
    assert inbox.state().waiting == 1


class _LockedWarehouse(Warehouse):
    def connect(self):
        raise WarehouseLocked("in use by process 1")


def test_one_event_that_breaks_a_batch_is_set_aside_alone(inbox, warehouse, monkeypatch):
    """A row the warehouse cannot take becomes a dead letter with its reason; the rest is stored."""
    inbox.add([payload(*(fresh() for _ in range(6)))], now=NOW)
    poisoned = inbox.take()[3].number
    honest = Inbox.take

    def take(self, **limits):
        return [
            replace(event, wire='{"not": "a row"}') if event.number == poisoned else event
            for event in honest(self, **limits)
        ]

    monkeypatch.setattr(Inbox, "take", take)
    report = drained(inbox, warehouse)
    monkeypatch.undo()
    (letter,) = inbox.dead_letters()
    assert (report.moved, report.buried, report.ingested.new, inbox.state().waiting) == (5, 1, 5, 0)
    assert (letter.content, bool(letter.reason)) == ('{"not": "a row"}', True)
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(5,)]


def test_a_mistake_of_ours_sets_nothing_aside(inbox, warehouse, monkeypatch):
    """An error that is no event's fault stops the drain; everything waits."""
    inbox.add([payload(a_body())], now=NOW)

    def fail(*arguments, **options):
        raise duckdb.OutOfMemoryException("too little memory")

    monkeypatch.setattr("leadpipe.inbox.drain.ingest", fail)
    with pytest.raises(duckdb.OutOfMemoryException):
        drained(inbox, warehouse)
    assert (inbox.state().waiting, inbox.state().dead_letters) == (1, 0)


def test_the_wire_row_is_what_the_door_takes(inbox):
    """The stored line has the seven fields of a page."""
    inbox.add([payload(a_body())], now=NOW)
    (event,) = inbox.take()
    assert isinstance(event, Waiting)
    assert json.loads(event.wire)[:3] == [UUID, "$pageview", TIME.replace("Z", "000+00:00")]
