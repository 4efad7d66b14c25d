"""A warehouse of 0.2.0 opens under the order of migrations of today, and nothing in it is lost."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from leadpipe import domains
from leadpipe.domains import DOMAINS
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.retyping import ChangeCost, cost_of, retype_stale
from leadpipe.events.mapping.versions import in_use
from leadpipe.events.retention import Floor
from leadpipe.rebuild import rebuild
from leadpipe.warehouse import Warehouse
from leadpipe.warehouse.migrations import gather_migrations
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows, settings_of
from leadpipe_tests.warehouse.old_warehouse import make_old_warehouse

# What tables of then have got since.
_SINCE = {
    "lead_edits": ("edit_id", "previous", "undoes"),
    "lead_deliveries": ("seeker_id",),
}

pytestmark = pytest.mark.file_only("opens files of older versions")


@pytest.fixture
def old(tmp_path: Path) -> tuple[Warehouse, dict[str, list[tuple[object, ...]]]]:
    """The file as 0.2.0 left it, and every row of its tables."""
    path = tmp_path / "data" / "leadpipe.duckdb"
    path.parent.mkdir()
    return Warehouse(path), make_old_warehouse(path)


def test_nothing_is_lost(old):
    """Every row of every table is there; the seven migrations of then have the names of now."""
    warehouse, before = old
    with duckdb.connect(str(warehouse.path)) as connection:
        columns = {
            name: ", ".join(row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall())
            for name in before
        }
    assert sum(map(len, before.values())) == 383
    with warehouse.connect() as connection:
        after = {
            name: connection.execute(f"SELECT {columns[name]} FROM {name} ORDER BY ALL").fetchall()
            for name in before
        }
        names = connection.execute(
            "SELECT name FROM migrations ORDER BY applied_at, name"
        ).fetchall()
    assert after == before
    assert {*gather_migrations()} <= {name for (name,) in names}
    assert sum(name.endswith("/create_tables") for (name,) in names) == 7


def test_a_rebuild_gives_the_same_marts(old):
    """What was built by 0.2.0 comes out the same now; status, note and outbox are as they were."""
    warehouse, before = old
    rebuild(settings_of(warehouse), now=NOW)
    for table in (
        "leads",
        "lead_edits",
        "listing_analytics",
        "listings",
        "lead_deliveries",
        "blacklist",
    ):
        since = f"EXCLUDE ({', '.join(_SINCE[table])})" if table in _SINCE else ""
        assert rows(warehouse, f"SELECT * {since} FROM {table} ORDER BY ALL") == before[table], (
            table
        )


def test_events_have_their_meaning_and_nothing_is_typed_or_read_again(old):
    """The fixed names of then are the built-in mapping of now: stored days cost nothing."""
    warehouse, _ = old
    found = rows(warehouse, "SELECT DISTINCT event, meaning FROM raw_events")
    assert len(found) == 14
    for event, meaning in found:
        assert [rule.meaning for rule in built_in().events[event]] == [meaning]
    with warehouse.connect() as connection:
        assert (
            cost_of(connection, built_in(), floor=Floor(), first_day=date(2020, 1, 1))
            == ChangeCost()
        )
        assert in_use(connection, now=NOW) == built_in()


def test_what_was_typed_as_a_number_with_decimals_is_typed_again(old):
    """0.2.0 kept the id 7.0 as it was printed: those days are typed by the next load, and no others."""
    warehouse, _ = old
    with duckdb.connect(str(warehouse.path)) as connection:
        chosen = connection.execute(
            "SELECT uuid, event_date FROM raw_events WHERE event = 'property_view' ORDER BY ALL LIMIT 2"
        ).fetchall()
        for (uuid, _), printed in zip(chosen, ("7.0", '"7.0"'), strict=True):
            connection.execute(
                "UPDATE raw_events SET listing_id = '7.0', properties = json_merge_patch(properties, ?) "
                "WHERE uuid = ?",
                [f'{{"listing_id":{printed}}}', uuid],
            )
    days = {day for _, day in chosen}
    with warehouse.connect() as connection:
        cost = cost_of(connection, built_in(), floor=Floor(), first_day=date(2020, 1, 1))
        assert ({*cost.days_to_type}, cost.days_to_read) == (days, ())
    report = retype_stale(warehouse, built_in())
    assert (report.days, report.changed) == (len(days), 1)
    found = dict(rows(warehouse, "SELECT uuid, listing_id FROM raw_events"))
    assert [found[uuid] for uuid, _ in chosen] == ["7", "7.0"]
    with warehouse.connect() as connection:
        cost = cost_of(connection, built_in(), floor=Floor(), first_day=date(2020, 1, 1))
    assert cost == ChangeCost()


def test_the_tables_of_a_domain_that_is_gone_stay(old, monkeypatch):
    """A leadpipe without a domain opens the file, and leaves that domain's tables as they are."""
    warehouse, before = old
    monkeypatch.setattr(domains, "DOMAINS", tuple(name for name in DOMAINS if name != "draws"))
    assert rows(warehouse, "SELECT * FROM blacklist") == before["blacklist"]
    assert "draws/create_tables" not in gather_migrations()
