"""The warehouse file: opened briefly, closed always, waited for within bounds."""

import subprocess
import sys
import time
from datetime import UTC, datetime

import duckdb
import pytest

from leadpipe.errors import WarehouseError, WarehouseLocked, WarehouseTooNew
from leadpipe.warehouse import Warehouse, commit_by_one_thread, transaction
from leadpipe.warehouse.migrations import gather_migrations, migrate
from leadpipe_tests.holding import file_of

_HOLDER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.close()
"""


@pytest.fixture
def holder(warehouse):
    """Starts another process that has the file for so many seconds."""
    with warehouse.connect():
        pass
    processes = []

    def hold(seconds: float) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(file_of(warehouse)), str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_held_file_is_waited_for(warehouse, holder):
    """A writer that lets go in time costs a wait, not an error."""
    holder(1.0)
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*) FROM raw_events").fetchall() == [(0,)]


def test_a_file_that_stays_held_is_an_error_with_the_process_id(warehouse, holder):
    """The message names who has the file and what to do."""
    process = holder(30.0)
    impatient = Warehouse(warehouse.path, lock_timeout_seconds=0.2)
    with (
        pytest.raises(WarehouseLocked, match=rf"in use by process {process.pid}") as caught,
        impatient.connect(),
    ):
        pass
    assert caught.value.pid == process.pid


def test_an_error_inside_closes_the_file(warehouse):
    """Whatever happens inside the block, another process can open the file at once."""
    with pytest.raises(ZeroDivisionError), warehouse.connect():
        raise ZeroDivisionError
    code = f"import duckdb; duckdb.connect({str(file_of(warehouse))!r}).close()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_transaction_is_all_or_nothing(warehouse):
    """An error rolls back everything of the block."""
    with (
        pytest.raises(ZeroDivisionError),
        warehouse.connect() as connection,
        transaction(connection),
    ):
        connection.execute("INSERT INTO sources VALUES ('a', 'b')")
        raise ZeroDivisionError
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*) FROM sources").fetchall() == [(0,)]


@pytest.mark.file_only("the threads of a lake are those of the process")
def test_one_thread_commits_and_the_next_connection_has_all(warehouse):
    """Whoever opens the file next has as many threads as ever."""
    threads = "SELECT current_setting('threads')"
    with warehouse.writing("door") as connection:
        before = connection.execute(threads).fetchall()
        connection.execute("CREATE TABLE written AS SELECT 1 AS one")
        commit_by_one_thread(connection)
        assert connection.execute(threads).fetchall() == [(1,)]
    with warehouse.connect() as connection:
        assert connection.execute("FROM written").fetchall() == [(1,)]
        assert connection.execute(threads).fetchall() == before


def test_a_file_that_is_no_database_is_named(tmp_path):
    """Garbage in the file's place is an error that names it."""
    warehouse = Warehouse(tmp_path / "x.duckdb", lock_timeout_seconds=0)
    file_of(warehouse).write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match=r"x\.duckdb"), warehouse.connect():
        pass


def test_migrations_apply_once_and_in_order(warehouse):
    """A fresh file gets all tables; opening it again applies nothing."""
    with warehouse.connect() as connection:
        names = connection.execute("SELECT name FROM migrations").fetchall()
        assert sorted(name for (name,) in names) == sorted(gather_migrations())
        assert migrate(connection, now=datetime.now(UTC)) == 0


def test_a_failed_migration_leaves_no_trace(tmp_path):
    """A migration and its record are one transaction."""

    def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("CREATE TABLE half (x INTEGER)")
        raise ZeroDivisionError

    connection = duckdb.connect(str(tmp_path / "m.duckdb"))
    with pytest.raises(ZeroDivisionError):
        migrate(connection, now=datetime.now(UTC), migrations={"half/create_tables": create_tables})
    assert connection.execute("SHOW TABLES").fetchall() == [("migrations",)]
    connection.close()


def test_a_newer_file_is_refused(warehouse):
    """A file that a newer leadpipe has changed is not touched."""
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO migrations VALUES ('leads/future', ?)", [datetime.now(UTC)])
    with pytest.raises(WarehouseTooNew, match="leads/future"), warehouse.connect():
        pass


def test_the_tables_of_a_domain_that_is_gone_stay(warehouse):
    """The file opens without the domain, its rows stay, and nothing is made twice when it comes back."""

    def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("CREATE TABLE letters (text VARCHAR); INSERT INTO letters VALUES ('a')")

    whole = {**gather_migrations(), "mail/create_tables": create_tables}
    with warehouse.connect() as connection:
        assert migrate(connection, now=datetime.now(UTC), migrations=whole) == 1
    with warehouse.connect() as connection:
        assert connection.execute("SELECT text FROM letters").fetchall() == [("a",)]
        assert migrate(connection, now=datetime.now(UTC), migrations=whole) == 0
        assert connection.execute("SELECT text FROM letters").fetchall() == [("a",)]


def test_the_wait_ends_when_it_says(warehouse, holder):
    """The time-out bounds the wait."""
    holder(30.0)
    started = time.monotonic()
    with (
        pytest.raises(WarehouseLocked),
        Warehouse(warehouse.path, lock_timeout_seconds=1.0).connect(),
    ):
        pass
    assert time.monotonic() - started < 10
