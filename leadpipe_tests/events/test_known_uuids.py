"""The file that tells which uuids are surely not stored: it may say too much, never too little."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from leadpipe.events.known_uuids import open_uuids
from leadpipe.warehouse import filters, memory, remember_keys
from leadpipe_tests.events.builders import event, rows, take_in

pytestmark = pytest.mark.file_only("is about filters beside the file; a lake is asked itself")

UUID = "00000000-0000-4000-8000-{:012d}"
DAY = datetime(2026, 11, 1, 10, tzinfo=UTC)


def view(number, *, days=0, **fields):
    """A view of day 1 and so many days later; received later, too."""
    at = DAY + timedelta(days=days)
    return event("property_view", at, uuid=UUID.format(number), listing_id="L", **fields)


def filter_of(warehouse):
    """Where the warehouse's file is."""
    return Path(f"{warehouse.path}.filters") / "uuids"


def stored(warehouse):
    """What is stored: number of the uuid and day."""
    found = rows(
        warehouse,
        "SELECT right(uuid::VARCHAR, 12)::INTEGER, event_date FROM raw_events ORDER BY ALL",
    )
    return [(number, day.day) for number, day in found]


def nothing(path, older):
    """It is as the last load left it."""


def is_missing(path, older):
    path.unlink()


def is_an_older_copy(path, older):
    shutil.copy(older, path)


def is_cut(path, older):
    path.write_bytes(path.read_bytes()[:5000])


def is_empty(path, older):
    path.write_bytes(b"")


def is_no_filter(path, older):
    path.write_bytes(b"x" * path.stat().st_size)


def is_of_another_hash(path, older):
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def is_another_warehouses(path, older):
    content = bytearray(path.read_bytes())
    content[8] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "happened",
    [
        nothing,
        is_missing,
        is_an_older_copy,
        is_cut,
        is_empty,
        is_no_filter,
        is_of_another_hash,
        is_another_warehouses,
    ],
    ids=lambda one: one.__name__,
)
def test_a_uuid_that_comes_again_with_another_day_counts_once(warehouse, tmp_path, happened):
    """Whatever happened to the file: the copy received last is the event, and there is one."""
    take_in(warehouse, tmp_path, [view(1)])
    older = shutil.copy(filter_of(warehouse), tmp_path / "older")
    take_in(warehouse, tmp_path, [view(2)], run_id="run-2")
    happened(filter_of(warehouse), older)
    result = take_in(
        warehouse, tmp_path, [view(1, days=40), view(2, days=9), view(3)], run_id="run-3"
    )
    assert (result.new, result.duplicate) == (1, 2)
    assert stored(warehouse) == [(1, 11), (2, 10), (3, 1)]


def test_an_earlier_copy_on_another_day_is_no_new_event(warehouse, tmp_path):
    """It changes nothing, however far its day is."""
    take_in(warehouse, tmp_path, [view(1, days=400)])
    result = take_in(warehouse, tmp_path, [view(1)], run_id="run-2")
    assert (result.new, result.duplicate, result.changed_days) == (0, 1, ())


def test_events_stored_behind_its_back_are_in_it(warehouse, tmp_path):
    """A file that has fewer than are stored is made anew."""
    take_in(warehouse, tmp_path, [view(1)])
    with warehouse.connect() as connection:
        connection.execute(
            f"INSERT INTO raw_events SELECT * REPLACE ('{UUID.format(2)}'::UUID AS uuid) FROM raw_events"
        )
    take_in(warehouse, tmp_path, [view(2, days=3)], run_id="run-2")
    assert stored(warehouse) == [(1, 1), (2, 4)]


def test_a_load_that_is_rolled_back_leaves_nothing_that_matters(warehouse, tmp_path):
    """Its uuids are in the file and not stored: they are looked for, and are new when they come again."""
    take_in(warehouse, tmp_path, [view(1)])
    before = filter_of(warehouse).read_bytes()
    kept = shutil.copy(warehouse.path, tmp_path / "kept.duckdb")
    take_in(warehouse, tmp_path, [view(2)], run_id="run-2")
    shutil.copy(kept, warehouse.path)
    assert filter_of(warehouse).read_bytes() != before
    assert take_in(warehouse, tmp_path, [view(2, days=5)], run_id="run-3").new == 1
    assert stored(warehouse) == [(1, 1), (2, 6)]


def test_a_file_that_is_outgrown_is_made_anew(warehouse, tmp_path, monkeypatch):
    """With room for as many again, and with all that is stored."""
    monkeypatch.setattr(filters, "_LEAST_KEYS", 16)
    take_in(warehouse, tmp_path, [view(number) for number in range(10)])
    take_in(warehouse, tmp_path, [view(number, days=1) for number in range(10, 30)], run_id="run-2")
    with warehouse.writing("door") as connection:
        known = open_uuids(connection)
        assert known is not None
        assert (known.added, known.capacity) == (30, 48)
    moved = [view(number, days=60) for number in range(30)]
    assert take_in(warehouse, tmp_path, moved, run_id="run-3").new == 0
    assert len(stored(warehouse)) == 30


def test_new_uuids_are_told_from_known_ones(warehouse):
    """No known one is missed; of 16,000 others some five at most would have to be looked for."""
    with warehouse.writing("door") as connection:
        known = open_uuids(connection)
        assert known is not None
        chance = np.random.default_rng(1)
        ours, others = chance.integers(0, 2**64, (2, known.capacity), dtype=np.uint64)
        known = remember_keys(connection, known, ours)
        assert known.may_have(ours).all()
        assert known.may_have(others).sum() <= 5


def test_a_warehouse_in_memory_has_none(warehouse, tmp_path):
    """There all of history is looked through; a file only its owner may read."""
    with memory() as connection:
        assert filters.open_filters(connection, []) is None
    take_in(warehouse, tmp_path, [view(1)])
    assert filter_of(warehouse).stat().st_mode & 0o077 == 0
