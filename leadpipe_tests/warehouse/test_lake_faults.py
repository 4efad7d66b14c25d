"""PostgreSQL or the store of a shared lake fails at any moment: clear, and nothing lost or doubled."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from leadpipe.errors import WarehouseLocked, WarehouseUnreachable
from leadpipe.places import Lake, StoreKeys
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events import builders
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.lakes import let_go
from leadpipe_tests.proxy import tcp_proxy

ROWS = [event("property_view", f"10:00:{n:02}", listing_id="l-1") for n in range(5)]


@pytest.fixture
def proxy(postgres):
    """Between the machine and PostgreSQL."""
    with tcp_proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
def far(lake, proxy, postgres, tmp_path):
    """The shared warehouse as a machine sees it whose PostgreSQL is behind the proxy."""
    catalog = lake.catalog.replace(f"port={postgres.port}", f"port={proxy.port}")
    there = replace(lake, catalog=catalog)
    yield Warehouse(tmp_path / "far" / "leadpipe.duckdb", lock_timeout_seconds=5.0, lake=there)
    let_go(there)


def counts(warehouse):
    """Rows, distinct uuids, and what the ledger says is new."""
    with warehouse.connect() as connection:
        return connection.execute(
            "SELECT count(*), count(DISTINCT uuid), "
            "(SELECT coalesce(sum(events_new), 0)::BIGINT FROM runs) FROM raw_events"
        ).fetchone()


@pytest.mark.parametrize("when", ["before", "after"])
def test_cut_at_the_commit(far, proxy, tmp_path, when, monkeypatch):
    """Whether the commit arrived or not: the error says so, and doing it again gives each event once."""
    ingest = vars(builders)["ingest"]

    def ingest_and_cut(*arguments, **options):
        result = ingest(*arguments, **options)
        proxy.cut_at(b"COMMIT", when)
        return result

    with monkeypatch.context() as patched:
        patched.setattr(builders, "ingest", ingest_and_cut)
        with pytest.raises(WarehouseUnreachable, match="not known whether this was written"):
            take_in(far, tmp_path, ROWS)
    assert proxy.is_cut
    take_in(far, tmp_path, ROWS)
    assert counts(far) == (5, 5, 5)


def test_cut_in_the_middle(far, proxy, tmp_path):
    """A transaction whose connections break is not there, and the next one is."""
    with (
        pytest.raises((WarehouseLocked, WarehouseUnreachable), match="nothing was written"),
        far.writing("door") as connection,
    ):
        connection.execute("INSERT INTO sources VALUES ('host', '1')")
        proxy.cut()
    with far.connect() as connection:
        assert connection.execute("FROM sources").fetchall() == []
    take_in(far, tmp_path, ROWS)
    assert counts(far) == (5, 5, 5)


def test_postgres_that_is_not_there(far, proxy, tmp_path):
    """One clear line for what cannot be reached, for reading and writing; and it goes on when it is back."""
    take_in(far, tmp_path, ROWS)
    proxy.is_refusing = True
    proxy.cut()
    for attempt in (far.connect, lambda: far.writing("door")):
        with pytest.raises(WarehouseUnreachable, match="leadpipe check") as error:
            attempt().__enter__()
        assert "\n" not in str(error.value)
    proxy.is_refusing = False
    assert counts(far) == (5, 5, 5)


@pytest.fixture
def on_s3(postgres, s3_bucket, tmp_path):
    """Gives a shared warehouse whose data is in a bucket, by how its store is reached."""
    # The catalog of an empty lake of its own, since its place is written there.
    address = postgres.new_database()

    def see(endpoint, secret=s3_bucket.destination["secret"], bucket=s3_bucket.name):
        keys = StoreKeys("writer", SecretStr(secret), endpoint=endpoint, is_https=False)
        lake = Lake(f"postgres:{address}", f"s3://{bucket}/lake/", keys)
        return Warehouse(Path(tmp_path) / "leadpipe.duckdb", lock_timeout_seconds=5.0, lake=lake)

    return see


def test_a_store_that_goes_away(on_s3, s3_bucket, tmp_path):
    """What cannot be uploaded is not there; the error has no secret; when the store is back it goes on."""
    port = int(s3_bucket.endpoint.rpartition(":")[2])
    with tcp_proxy(port) as proxy:
        warehouse = on_s3(f"127.0.0.1:{proxy.port}")
        take_in(warehouse, tmp_path, ROWS[:2])
        with (
            pytest.raises(WarehouseUnreachable) as error,
            warehouse.writing("door") as connection,
        ):
            proxy.is_refusing = True
            proxy.cut()
            connection.execute("INSERT INTO sources VALUES ('host', '1')")
        assert s3_bucket.destination["secret"] not in str(error.value)
        assert "\n" not in str(error.value)
        proxy.is_refusing = False
        take_in(warehouse, tmp_path, ROWS)
        assert counts(warehouse) == (5, 5, 5)
