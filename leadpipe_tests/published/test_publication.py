"""Published tables: swapped at once, linked where unchanged, readable without the warehouse."""

import threading
from datetime import UTC, datetime

import pandas as pd
import pytest

import leadpipe
from leadpipe.errors import NotPublished
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import BUILT_IN
from leadpipe.published.reading import query, read_frame
from leadpipe.published.tables import publish_tables, table_names, tables_that_differ
from leadpipe.warehouse import Published, publish, transaction
from leadpipe_tests.events.builders import build_marts, event, rows, take_in


@pytest.fixture
def folder(warehouse, tmp_path):
    """A publication of a warehouse with a lead in November and a view in October."""
    take_in(
        warehouse,
        tmp_path,
        [
            event("lead_phone", "10:00:00", listing_id="L", seeker_id="S"),
            event(
                "property_view", datetime(2026, 10, 5, 9, tzinfo=UTC), listing_id="L", person_id="p"
            ),
        ],
    )
    build_marts(warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "published")
    return tmp_path / "published"


def test_every_table_can_be_read_while_the_warehouse_is_held(folder, warehouse):
    """Readers never open the DuckDB file."""
    with warehouse.connect():
        counts = {
            table: query(folder, f"SELECT count(*) FROM {table}").rows[0][0]
            for table in table_names()
        }
    filled = {
        "leads": 1,
        "grouped_leads": 1,
        "listings": 1,
        "listing_analytics": 2,
        "runs": 1,
        "run_parts": 1,
        "event_days": 2,
        "events_by_day": 2,
    }
    assert counts == {table: filled.get(table, 0) for table in table_names()}


def test_published_rows_are_the_warehouses_rows(folder, warehouse):
    """A published mart has the columns and rows of its table."""
    for table in ("leads", "listings", "listing_analytics"):
        select = f"SELECT * FROM {table} ORDER BY ALL"
        assert list(query(folder, select).rows) == rows(warehouse, select)


def test_unchanged_months_are_linked_not_written(folder, warehouse, tmp_path):
    """A new day in November leaves October's file as it is, byte for byte the same file."""
    october = next((folder / "current" / "listing_analytics").glob("2026-10*")).stat().st_ino
    take_in(
        warehouse, tmp_path, [event("property_view", "11:00:00", listing_id="L")], run_id="run-2"
    )
    build_marts(warehouse)
    with warehouse.connect() as connection:
        name, _ = publish_tables(connection, folder)
    parts = sorted((folder / "current" / "listing_analytics").iterdir())
    assert (name, [path.name.partition(".")[0] for path in parts]) == (
        "v000002",
        ["0000-00", "2026-10", "2026-11"],
    )
    assert parts[1].stat().st_ino == october


def test_months_of_leads_that_did_not_change_are_linked(folder, warehouse, tmp_path):
    """A call of October writes October's leads, and those of November stay the same file; so with an edit."""

    def parts():
        return {
            f"{path.parent.name}/{path.name.partition('.')[0]}": path.stat().st_ino
            for table in ("leads", "grouped_leads")
            for path in (folder / "current" / table).iterdir()
        }

    def sync():
        with warehouse.connect() as connection:
            with transaction(connection):
                build_leads(connection, stale_runs(connection), rules=BUILT_IN)
            publish_tables(connection, folder)

    call = {"listing_id": "L", "seeker_id": "T"}
    october, november = "2026-10", "2026-11"
    take_in(
        warehouse,
        tmp_path,
        [event("lead_phone", datetime(2026, 10, 5, 9, tzinfo=UTC), **call)],
        run_id="run-2",
    )
    before = parts()
    sync()
    added = {f"{table}/{october}" for table in ("leads", "grouped_leads")}
    assert parts().keys() - before.keys() == added
    assert all(parts()[name] == file for name, file in before.items())
    # The lead of October calls again in November: its record is of November, the lead of October.
    take_in(warehouse, tmp_path, [event("lead_phone", "12:00:00", **call)], run_id="run-3")
    before = parts()
    sync()
    assert {name for name, file in parts().items() if before[name] != file} == {
        f"leads/{november}",
        f"grouped_leads/{october}",
    }
    with warehouse.connect() as connection:
        assert tables_that_differ(connection, folder, is_whole=True) == []


def test_only_the_last_two_publications_are_kept(folder, warehouse):
    """A reader that has just opened a file can finish; older files go."""
    with warehouse.connect() as connection:
        for _ in range(3):
            publish_tables(connection, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["current", "v000003", "v000004"]


def test_a_failed_publication_changes_nothing(folder, warehouse):
    """What cannot be written completely is never seen."""
    before = query(folder, "SELECT * FROM listings").rows
    with warehouse.connect() as connection, pytest.raises(Exception, match="no_such_table"):
        publish(connection, folder, [Published("listings", "SELECT * FROM no_such_table")])
    assert query(folder, "SELECT * FROM listings").rows == before


def test_readers_see_one_publication_at_a_time(warehouse, tmp_path):
    """While publications follow each other, two files of one publication always agree."""
    folder = tmp_path / "published"
    mixed: list[tuple[object, object]] = []
    stop = threading.Event()

    def publish_version(version: int) -> None:
        with warehouse.connect() as connection:
            both = [Published(name, f"SELECT {version} AS version") for name in table_names()]
            publish(connection, folder, both)

    def read() -> None:
        while not stop.is_set():
            [(a, b)] = query(folder, "SELECT a.version, b.version FROM leads a, listings b").rows
            if a != b:
                mixed.append((a, b))

    publish_version(0)
    reader = threading.Thread(target=read)
    reader.start()
    for version in range(1, 25):
        publish_version(version)
    stop.set()
    reader.join()
    assert mixed == []


def test_equal_tables_give_equal_files(folder, warehouse, tmp_path):
    """Rows lie in a fixed order: publishing the same tables again gives the same bytes."""
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "again")
    for table in ("leads/2026-11", "grouped_leads/2026-11", "listings/2026-10"):
        (first,) = (folder / "current").glob(f"{table}.*")
        (again,) = (tmp_path / "again" / "current").glob(f"{table}.*")
        assert first.read_bytes() == again.read_bytes()


def test_a_table_comes_as_a_frame(folder, monkeypatch):
    """`leadpipe.read` gives pandas what was published."""
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(folder.parent))
    frame = leadpipe.read("listing_analytics")
    assert isinstance(frame, pd.DataFrame)
    assert frame["total_leads"].sum() == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [("listings", "Nothing is published"), ("secrets", "'secrets' is not published")],
)
def test_what_is_not_there_is_said(tmp_path, table, message):
    """An unknown table or an empty folder is an error with the next step."""
    with pytest.raises(NotPublished, match=message):
        read_frame(tmp_path, table)
