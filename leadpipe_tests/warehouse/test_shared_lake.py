"""A lake that several machines share: catalog and locks in a real PostgreSQL."""

import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import duckdb
import psycopg
import pytest

from leadpipe.errors import (
    WarehouseConflict,
    WarehouseError,
    WarehouseLocked,
    WarehouseTooNew,
)
from leadpipe.events.known_uuids import open_uuids
from leadpipe.events.ledger import Run, begin_run, mark_interrupted
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import load_rules
from leadpipe.listings.listings import build_listing_analytics, stale_days
from leadpipe.places import Lake
from leadpipe.settings import whole_settings
from leadpipe.warehouse import Warehouse, owning, transaction
from leadpipe.warehouse.locks import ORDER
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.lakes import tell_all_to_let_go


@contextmanager
def something(warehouse):
    """A table of the test's own."""
    with warehouse.writing("maintenance") as connection:
        connection.execute("CREATE TABLE something (n INTEGER)")
    yield


def count(warehouse, table="something"):
    with warehouse.connect() as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_one_writer_a_lock(shared):
    """A second writer waits for the lock within bounds and names who has it; other locks are free."""
    with shared.writing("door") as connection:
        assert connection.execute("SELECT count(*) FROM raw_events").fetchone() == (0,)
        with pytest.raises(
            WarehouseLocked, match="'door' is held by PostgreSQL's process"
        ) as error:
            shared.writing("door").__enter__()
        assert error.value.pid
        with shared.writing("visitors"):
            pass
    with shared.writing("door"):
        pass


def test_a_lock_that_is_lost_commits_nothing(shared, lake):
    """When the connection that held the lock dies, the transaction is taken back."""
    with something(shared):
        pass
    with (
        pytest.raises(WarehouseLocked, match="nothing was written"),
        shared.writing("door") as connection,
        psycopg.connect(str(lake.postgres), autocommit=True) as other,
    ):
        connection.execute("INSERT INTO something VALUES (1)")
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    assert count(shared) == 0


def test_who_writes_says_what(shared):
    """A transaction without a lock is refused, and one that takes its locks out of order."""
    with shared.connect() as connection:
        with pytest.raises(WarehouseError, match="own what it writes"):
            transaction(connection).__enter__()
        with (
            owning(connection, "leads"),
            pytest.raises(WarehouseError, match="'door' is taken before 'leads'"),
        ):
            owning(connection, "door").__enter__()


def test_owned_over_several_transactions(shared):
    """What a connection owns it does not take again, and nobody else has it between its transactions."""
    with shared.connect() as connection, owning(connection, "participants"):
        for _ in range(2):
            with transaction(connection, "participants"):
                pass
            with pytest.raises(WarehouseLocked):
                shared.writing("participants").__enter__()
    with shared.writing("participants"):
        pass


def test_a_conflict_is_clear_and_done_again(shared, machine):
    """Who writes past the locks is told of; a block that can be repeated is, and nothing is written twice."""
    with something(shared):
        pass
    with shared.writing("door") as connection:
        connection.execute("INSERT INTO something VALUES (1)")
    meddling = [True]

    def add_one(connection):
        connection.execute("UPDATE something SET n = n + 1")
        if meddling.pop():
            with machine("a shell").writing("maintenance") as shell:
                shell.execute("UPDATE something SET n = n + 10")
            meddling.append(False)
        else:
            meddling.append(False)

    with pytest.raises(WarehouseConflict, match="nothing was written"), shared.writing("door") as c:
        add_one(c)
    meddling[:] = [True]
    shared.write("door", add_one)
    with shared.connect() as connection:
        assert connection.execute("FROM something").fetchall() == [(1 + 10 + 10 + 1,)]


def test_a_conflict_that_stays_is_told(machine):
    """After ten attempts the conflict is the error; between them it waits with jitter."""
    waits: list[float] = []
    warehouse = machine("one")
    object.__setattr__(warehouse, "sleep", waits.append)

    def conflicts(connection):
        raise duckdb.TransactionException("TransactionContext Error: Transaction conflict - a test")

    with pytest.raises(WarehouseConflict):
        warehouse.write("door", conflicts)
    assert len(waits) == 9
    assert all(0 < wait <= 3 for wait in waits)


def test_an_older_version_writes_no_more(shared, machine, lake):
    """A process that opened the lake before a newer leadpipe migrated it is refused at its next write."""
    with shared.writing("door"):
        pass
    with machine("newer").writing(*ORDER) as connection:
        connection.execute(
            "INSERT INTO migrations VALUES ('events/of_the_future', '2026-11-20 00:00:00Z')"
        )
    with pytest.raises(WarehouseTooNew, match="events/of_the_future"):
        shared.writing("door").__enter__()


def test_a_run_lives_on_whatever_machine(machine, tmp_path):
    """Another machine marks no run as interrupted whose process is alive, and one whose process died."""
    one, two, now = machine("one"), machine("two"), datetime.now(UTC)

    def begin(run):
        with one.writing("door") as connection:
            begin_run(connection, Run(run, "manual"), days=[], now=now)

    def states():
        with two.writing("door") as connection:
            mark_interrupted(connection, landing=tmp_path / "two" / "landing", now=now)
            return connection.execute("SELECT run_id, status FROM runs ORDER BY ALL").fetchall()

    with one.alive_as(tmp_path / "one" / "landing", "alive"):
        begin("alive")
        begin("dead")
        assert states() == [("alive", "running"), ("dead", "interrupted")]
        assert two.is_alive(tmp_path / "two" / "landing", "alive")
    assert states() == [("alive", "interrupted"), ("dead", "interrupted")]


def test_machines_agree_on_the_first_day(lake, tmp_path, monkeypatch):
    """The first machine decides; what another one would have said, or has in a file, does not count."""
    monkeypatch.setenv("LEADPIPE_START_DATE", "")

    def first_day(name, now):
        folder = tmp_path / name
        folder.mkdir()
        if name == "with a file":
            (folder / "first_day").write_text("2020-01-01\n")
        settings = whole_settings()(
            _env_file=None,
            data_dir=folder,
            warehouse="ducklake:postgres",
            lake_postgres=lake.postgres,
            lake_data=lake.data,
        )
        return settings.first_day(now)

    now = datetime(2026, 11, 20, tzinfo=UTC)
    decided = first_day("one", now)
    assert decided == date(2025, 11, 20)
    assert first_day("a month later", now + timedelta(days=30)) == decided
    assert first_day("with a file", now) == decided


@pytest.mark.parametrize("mart", ["listings", "leads"])
def test_a_mart_that_the_door_overtook_is_stale(machine, tmp_path, mart):
    """A mart reads one moment while the door goes on; what came after that moment it builds next time."""
    one, two = machine("one"), machine("two")
    folder = tmp_path
    rules = load_rules(tmp_path / "none.toml")
    take_in(
        one,
        folder,
        [event("lead", "10:00:00", listing_id="l-1", seeker_id="s-1", lead_type="phone")],
    )

    def build(between=lambda: None):
        with one.writing(mart) as connection:
            if mart == "listings":
                days = stale_days(connection)
                between()
                build_listing_analytics(connection, [(day, day) for day in days])
            else:
                runs = stale_runs(connection)
                between()
                build_leads(connection, sorted(runs), rules=rules)

    def actions():
        query = {
            "listings": "SELECT sum(total_leads) FROM listing_analytics",
            "leads": "SELECT sum(total_actions) FROM leads",
        }[mart]
        with two.connect() as connection:
            return connection.execute(query).fetchone()[0]

    more = event("lead", "10:00:01", listing_id="l-1", seeker_id="s-2", lead_type="phone")
    build(between=lambda: take_in(two, folder, [more]))
    assert actions() == 1
    build()
    assert actions() == 2


_OPEN = """
import sys
from pathlib import Path
from leadpipe.places import Lake
from leadpipe.warehouse import Warehouse
catalog, state, data, path = sys.argv[1:]
with Warehouse(Path(path), lake=Lake(f"postgres:{catalog}", data, state=state)).connect():
    print("open")
"""


def test_many_that_make_a_lake_at_once(postgres, tmp_path):
    """Where processes meet before there is anything, one makes the catalog; each migration is there once."""
    catalog, state, data = postgres.new_database(), postgres.new_database(), f"{tmp_path}/lake/"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, catalog, state, data, f"{tmp_path}/{n}/leadpipe.duckdb"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [out for out, _ in ends] == ["open\n"] * 4, ends
    lake = Lake(f"postgres:{catalog}", data, state=state)
    found = rows(
        Warehouse(tmp_path / "own" / "leadpipe.duckdb", lake=lake),
        "SELECT count(*) - count(DISTINCT name) FROM migrations",
    )
    assert found == [(0,)]


def test_a_server_that_came_back(shared, lake):
    """After PostgreSQL was stopped and started the process goes on with new connections."""
    with something(shared):
        pass
    with shared.writing("door") as connection:
        connection.execute("INSERT INTO something VALUES (1)")
    tell_all_to_let_go(str(lake.postgres))
    with shared.writing("door") as connection:
        connection.execute("INSERT INTO something VALUES (2)")
    assert count(shared) == 2


def test_no_machine_keeps_a_filter_of_uuids(machine, tmp_path):
    """It would lack what the others have stored: an event that one has stored is not new to another."""
    one, two = machine("one"), machine("two")
    events = [event("property_view", f"10:00:{n:02}", listing_id="l-1") for n in range(5)]
    for warehouse in (one, two, one):
        take_in(warehouse, tmp_path, events)
        with warehouse.connect() as connection:
            assert open_uuids(connection) is None
    assert rows(one, "SELECT count(*), count(DISTINCT uuid) FROM raw_events") == [(5, 5)]
    assert not list(tmp_path.rglob("*.filters"))
