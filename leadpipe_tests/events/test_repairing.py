"""Events that are stored twice, which the door never does, are found and put right."""

from datetime import date

from leadpipe.events.repairing import Duplicates, find_duplicates, repair_duplicates
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, take_in


def _store_again(warehouse, tmp_path, *, run_id, shift):
    """As a second machine would whose lock was lost: another run has the same events as new."""
    take_in(warehouse, tmp_path, [], run_id=run_id, now=NOW)
    with warehouse.writing("door") as connection:
        connection.execute(
            "INSERT INTO raw_events BY NAME SELECT * REPLACE ($run AS run_id, "
            "created_at + to_seconds($shift) AS created_at) FROM raw_events WHERE run_id = 'run-1'",
            {"run": run_id, "shift": shift},
        )
        connection.execute(
            "UPDATE runs SET events_new = 2, events_fetched = 2 WHERE run_id = ?", [run_id]
        )


def _ledger(warehouse):
    with warehouse.connect() as connection:
        return connection.execute(
            "SELECT runs.run_id, events_fetched, events_new, events_duplicate, count(uuid) FROM runs "
            "LEFT JOIN raw_events USING (run_id) GROUP BY ALL ORDER BY ALL"
        ).fetchall()


def _views():
    return [event("property_view", f"10:00:0{n}", listing_id="l-1") for n in range(2)]


def test_nothing_is_stored_twice(warehouse, tmp_path):
    """Where nothing is repeated nothing is found, and nothing changes."""
    take_in(warehouse, tmp_path, _views(), now=NOW)
    with warehouse.writing("door") as connection:
        assert repair_duplicates(connection) == Duplicates(0, 0, {}, ())
    assert _ledger(warehouse) == [("run-1", 2, 2, 0, 2)]


def test_of_equal_copies_the_first_run_keeps_its_own(warehouse, tmp_path):
    """The run that began first keeps the events; those of the other count as its duplicates."""
    take_in(warehouse, tmp_path, _views(), now=NOW)
    _store_again(warehouse, tmp_path, run_id="run-2", shift=0)
    with warehouse.connect() as connection:
        found = find_duplicates(connection)
    assert (found.events, found.rows, found.by_run) == (2, 2, {"run-2": 2})
    assert _ledger(warehouse) == [("run-1", 2, 2, 0, 2), ("run-2", 2, 2, 0, 2)]
    with warehouse.writing("door") as connection:
        assert repair_duplicates(connection) == found
    assert _ledger(warehouse) == [("run-1", 2, 2, 0, 2), ("run-2", 2, 0, 2, 0)]


def test_the_copy_received_last_stays(warehouse, tmp_path):
    """A later copy is the event, whichever run brought it; its day and the runs are built again."""
    take_in(warehouse, tmp_path, _views(), now=NOW)
    _store_again(warehouse, tmp_path, run_id="run-2", shift=60)
    versions = "SELECT run_id, version FROM runs ORDER BY run_id"
    with warehouse.writing("door") as connection:
        before = dict(connection.execute(versions).fetchall())
        found = repair_duplicates(connection)
        after = dict(connection.execute(versions).fetchall())
    assert found.days == (date(2026, 11, 20),)
    assert {run: after[run] - before[run] for run in after} == {"run-1": 1, "run-2": 1}
    assert _ledger(warehouse) == [("run-1", 2, 0, 2, 0), ("run-2", 2, 2, 0, 2)]
