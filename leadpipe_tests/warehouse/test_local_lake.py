"""A lake whose catalog is a file: what differs from a warehouse in a file."""

from dataclasses import replace
from datetime import timedelta

import pytest

from leadpipe.errors import ConfigurationError, WarehouseLocked
from leadpipe.places import Lake
from leadpipe.warehouse import Warehouse, another_cursor, by_one_thread, commit_by_one_thread
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.holding import another_process_in

_NUMBERS = {"UTINYINT", "BIGINT", "DECIMAL(38,2)"}


@pytest.fixture
def lake(tmp_path):
    """A lake of its own, which is not there yet."""
    place = tmp_path / "somebody's"
    return Warehouse(
        tmp_path / "data" / "leadpipe.duckdb",
        lock_timeout_seconds=0.2,
        lake=Lake(f"{place}/catalog.ducklake", f"{place}/lake/"),
    )


def test_a_question_mark_is_refused_before_anything_is_written(lake, tmp_path):
    """DuckDB cannot have it in the path of a catalog; the message says where else to put it."""
    assert lake.lake is not None
    there = replace(lake, lake=replace(lake.lake, catalog=f"{tmp_path}/c?d/catalog.ducklake"))
    with pytest.raises(ConfigurationError) as refused, there.connect():
        pass
    assert str(refused.value) == (
        f"The lake ducklake:{tmp_path}/c?d/catalog.ducklake has a question mark in its path, which DuckDB "
        "takes for a web address. Choose another folder: LEADPIPE_WAREHOUSE."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["warehouse", "lake"])
def test_another_cursor_finds_the_same(kind, request):
    """A second cursor finds tables by the same names, and in the same time zone."""
    with request.getfixturevalue(kind).connect() as connection:
        connection.execute(
            "CREATE TABLE moments AS SELECT TIMESTAMPTZ '2026-11-21 12:00:00Z' AS moment"
        )
        asked = "SELECT CAST(moment AS VARCHAR) FROM moments"
        connection.execute("SET TimeZone = 'Africa/Lagos'")
        with another_cursor(connection) as cursor:
            assert cursor.execute(asked).fetchall() == [("2026-11-21 13:00:00+01",)]
            assert cursor.execute(asked).fetchall() == connection.execute(asked).fetchall()


def test_days_and_months_are_files_of_their_own(lake, tmp_path):
    """Events lie by day, hours of listings by month, so that what is about one reads no other."""
    first = NOW - timedelta(days=30)
    events = [event("property_view", first + timedelta(days=n), listing_id="a") for n in (0, 1)]
    with lake.connect():
        pass
    lake.path.parent.mkdir(exist_ok=True)
    take_in(lake, lake.path.parent, events)
    with lake.connect() as connection:
        described = connection.execute("DESCRIBE listing_analytics").fetchall()
        zeros = [f"0 AS {name}" for name, kind, *_ in described if kind in _NUMBERS]
        connection.execute(
            "INSERT INTO listing_analytics BY NAME SELECT 'a' AS listing_id, '{}' AS share_breakdown, "
            "'{}' AS leads_breakdown, unnest(['2026-10-31'::DATE, '2026-11-01']) AS date, "
            + ", ".join(zeros)
        )
    folders = {
        str(path.parent.relative_to(tmp_path / "somebody's" / "lake" / "main"))
        for path in (tmp_path / "somebody's" / "lake").rglob("*=*/*.parquet")
    }
    assert folders == {
        "raw_events/event_date=2026-10-22",
        "raw_events/event_date=2026-10-23",
        "listing_analytics/year=2026/month=10",
        "listing_analytics/year=2026/month=11",
    }


def test_it_is_there_when_its_catalog_is(lake):
    """Whoever only looks makes nothing."""
    assert (lake.is_there, lake.path.exists()) == (False, False)
    with lake.connect():
        pass
    assert (lake.is_there, lake.path.exists()) == (True, False)
    assert str(lake).endswith("somebody's/catalog.ducklake")


def test_its_catalog_belongs_to_one_process_at_a_time(lake):
    """Another process that has it is waited for within bounds, and named."""
    with lake.connect():
        pass
    with (
        another_process_in(lake) as pid,
        pytest.raises(WarehouseLocked, match=f"in use by process {pid}"),
        lake.connect(),
    ):
        pass
    assert rows(lake, "SELECT count(*) FROM raw_events") == [(0,)]


def test_the_threads_of_the_process_stay(lake):
    """What would change them for one file changes nothing for the connections of all lakes."""
    threads = "SELECT current_setting('threads')"
    with lake.connect() as connection, another_cursor(connection) as other:
        before = other.execute(threads).fetchall()
        with by_one_thread(connection):
            assert other.execute(threads).fetchall() == before
        commit_by_one_thread(connection)
        assert other.execute(threads).fetchall() == before
