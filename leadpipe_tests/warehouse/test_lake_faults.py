"""PostgreSQL or the store of a shared lake fails at any moment: clear, and nothing lost or doubled."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from leadpipe.errors import WarehouseLocked, WarehouseUnreachable
from leadpipe.places import Lake, StoreKeys
from leadpipe.warehouse import Warehouse
from leadpipe.warehouse.broken_commits import is_there
from leadpipe_tests.events import builders
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.lakes import let_go
from leadpipe_tests.proxy import http_answer, tcp_proxy
from leadpipe_tests.warehouse.stores import make_kept

ROWS = [event("property_view", f"10:00:{n:02}", listing_id="l-1") for n in range(5)]


@pytest.fixture
def proxy(postgres):
    """Between the machine and PostgreSQL."""
    with tcp_proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture(params=["folder", "bucket"])
def far(request, proxy, postgres, tmp_path):
    """The shared warehouse as a machine sees it whose PostgreSQL is behind the proxy."""
    kept = make_kept("shared" if request.param == "folder" else "bucket", request, tmp_path)
    there, here = f"port={postgres.port}", f"port={proxy.port}"
    lake = replace(
        kept.lake,
        catalog=kept.lake.catalog.replace(there, here),
        state=str(kept.lake.state).replace(there, here),
    )
    yield replace(kept.warehouse, lake=lake)
    let_go(lake)


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


@pytest.mark.parametrize("folder", ["lake", "la[k]e", "l*ke"])
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_whether_a_file_is_there(kind, folder, on_s3, s3_bucket, tmp_path):
    """A store is asked for each file; what its name has in common with a pattern means nothing."""
    if kind == "folder":
        place = f"{tmp_path}/{folder}"
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.parquet").touch()
    else:
        place = f"s3://{s3_bucket.name}/lake/{folder}"
        s3_bucket.put(f"lake/{folder}/one.parquet", b"1")
    with on_s3(s3_bucket.endpoint.rpartition("/")[2]).connect() as connection:
        assert is_there(connection, f"{place}/one.parquet")
        for name in ("two.parquet", "on*.parquet", "one.parque", "one.parquet2"):
            assert not is_there(connection, f"{place}/{name}")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "403 Forbidden"])
def test_a_store_that_does_not_say_what_is_there(on_s3, s3_bucket, tmp_path, status):
    """Nothing is undone where a store gives no answer: a file that cannot be asked for is not gone."""
    port = int(s3_bucket.endpoint.rpartition(":")[2])
    with tcp_proxy(port) as proxy:
        warehouse = on_s3(f"127.0.0.1:{proxy.port}")
        take_in(warehouse, tmp_path, ROWS[:2])
        with psycopg.connect(str(warehouse.lake.postgres), autocommit=True) as catalog:
            before = catalog.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchone()
            take_in(warehouse, tmp_path, ROWS, run_id="run-2")
            catalog.execute("INSERT INTO leadpipe_commits VALUES ('note', 'door', %s)", before)
        proxy.answer = lambda _: http_answer(status, "Refused")
        with pytest.raises(WarehouseUnreachable, match=r"nothing was written"):
            take_in(warehouse, tmp_path, ROWS, run_id="run-3")
        proxy.answer = lambda _: None
        take_in(warehouse, tmp_path, ROWS, run_id="run-3")
        assert counts(warehouse) == (5, 5, 5)
        let_go(warehouse.lake)
