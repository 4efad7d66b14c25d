"""A lake that several machines share: catalog and locks in a real PostgreSQL."""

import psycopg
import pytest

from leadpipe.errors import WarehouseLocked
from leadpipe.places import Lake
from leadpipe.warehouse import Warehouse


@pytest.fixture
def lake(postgres, tmp_path):
    """An empty lake: catalog in PostgreSQL, data in a folder."""
    return Lake(f"postgres:{postgres.new_database()}", f"{tmp_path}/lake/")


@pytest.fixture
def shared(lake, tmp_path):
    """A warehouse on it."""
    return Warehouse(tmp_path / "data" / "leadpipe.duckdb", lock_timeout_seconds=0.2, lake=lake)


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
    with shared.connect() as connection:
        connection.execute("CREATE TABLE something (n INTEGER)")
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
    with shared.connect() as connection:
        assert connection.execute("SELECT count(*) FROM something").fetchone() == (0,)
