"""A store that answers with errors, late, or never: clear, with the next step; nothing lost or doubled."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from leadpipe.errors import WarehouseError, WarehouseRefused, WarehouseUnreachable
from leadpipe.warehouse import maintain, snapshots
from leadpipe.warehouse.maintaining import erase
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.lakes import let_go
from leadpipe_tests.proxy import http_answer, tcp_proxy
from leadpipe_tests.s3_server import secret_of
from leadpipe_tests.warehouse.stores import make_kept

ROWS = [event("property_view", f"10:00:{n:02}", listing_id="l-1") for n in range(5)]


@pytest.fixture
def behind(request, tmp_path):
    """A shared lake in a bucket as a machine sees it whose store is behind a proxy, and the proxy."""
    kept = make_kept("bucket", request, tmp_path)
    assert kept.lake.keys is not None
    assert kept.bucket is not None
    with tcp_proxy(int(kept.bucket.endpoint.rpartition(":")[2])) as proxy:
        keys = replace(kept.lake.keys, endpoint=f"127.0.0.1:{proxy.port}")
        lake = replace(kept.lake, keys=keys)
        yield replace(kept, warehouse=replace(kept.warehouse, lake=lake)), proxy
        let_go(lake)


def refuse(proxy, answer, *, only):
    """Let requests that have certain words in their first line be answered so."""
    proxy.answer = lambda line: answer if any(word in line for word in only) else None


def counts(warehouse):
    """Rows, distinct uuids, and what the ledger says is new."""
    return rows(
        warehouse,
        "SELECT count(*), count(DISTINCT uuid), (SELECT sum(events_new)::BIGINT FROM runs) FROM raw_events",
    )


def test_what_a_store_answers(behind, tmp_path):
    """Each answer has its next step, on one line without the secret; the rows are there once afterwards."""
    kept, proxy = behind
    take_in(kept.warehouse, tmp_path, ROWS[:2])
    writes, reads = (b"PUT ", b"POST "), (b"GET ", b"HEAD ")
    for status, code, only, step in (
        ("500 Internal Server Error", "InternalError", writes, "look at it and its logs"),
        ("503 Slow Down", "SlowDown", writes, "look at it and its logs"),
        ("500 Internal Server Error", "InternalError", reads, "look at it and its logs"),
        ("403 Forbidden", "AccessDenied", writes, "LEADPIPE_LAKE_KEY_ID needs the rights"),
        ("404 Not Found", "NoSuchBucket", writes, "make it or correct LEADPIPE_LAKE_DATA"),
    ):
        refuse(proxy, http_answer(status, code), only=only)
        with pytest.raises(WarehouseUnreachable, match="nothing was written") as error:
            take_in(kept.warehouse, tmp_path, ROWS)
        assert step in str(error.value), (status, str(error.value))
        assert isinstance(error.value, WarehouseRefused) == (status[0] == "4")
        assert secret_of("writer") not in str(error.value)
        assert "\n" not in str(error.value)
        refuse(proxy, b"", only=())
        assert counts(kept.warehouse) == [(2, 2, 2)]
    take_in(kept.warehouse, tmp_path, ROWS)
    assert counts(kept.warehouse) == [(5, 5, 5)]


def test_a_slow_store(behind, tmp_path):
    """What takes longer is written all the same, once."""
    kept, proxy = behind
    take_in(kept.warehouse, tmp_path, ROWS[:2])
    proxy.delay_seconds = 0.3
    take_in(kept.warehouse, tmp_path, ROWS)
    proxy.delay_seconds = 0.0
    assert counts(kept.warehouse) == [(5, 5, 5)]


def test_a_store_that_never_answers(behind, tmp_path):
    """It is given up, after five minutes or sooner as here; the door is open again, and all is there once."""
    kept, proxy = behind
    take_in(kept.warehouse, tmp_path, ROWS[:2])
    is_over = threading.Event()

    def hold(line):
        if line.startswith((b"PUT ", b"POST ")):
            is_over.wait()

    proxy.answer = hold
    with kept.warehouse.connect() as connection:
        connection.execute("SET GLOBAL http_timeout = 1; SET GLOBAL http_retries = 0")
    try:
        with pytest.raises(WarehouseUnreachable, match=r"nothing was written: .*Timeout") as error:
            take_in(kept.warehouse, tmp_path, ROWS)
    finally:
        with kept.warehouse.connect() as connection:
            connection.execute("RESET GLOBAL http_timeout; RESET GLOBAL http_retries")
        is_over.set()
        proxy.answer = lambda _: None
    assert "\n" not in str(error.value)
    assert counts(kept.warehouse) == [(2, 2, 2)]
    take_in(kept.warehouse, tmp_path, ROWS)
    assert counts(kept.warehouse) == [(5, 5, 5)]


def test_a_key_that_may_not_delete(behind, tmp_path):
    """Maintenance and erasure name the right, do not say that nothing was done, and end once it is given."""
    kept, proxy = behind
    for n, run in enumerate(("run-1", "run-2")):
        take_in(kept.warehouse, tmp_path, ROWS[: 2 + n], run_id=run)
    with kept.warehouse.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE uuid = (SELECT min(uuid) FROM raw_events)")
    before = rows(kept.warehouse, "FROM raw_events ORDER BY ALL")
    later = snapshots(kept.warehouse)[0].made_at + timedelta(days=20)
    refuse(
        proxy,
        http_answer("403 Forbidden", "AccessDenied"),
        only=(b"DELETE ", b"?delete"),
    )
    for attempt in (
        lambda: maintain(kept.warehouse, keep=timedelta(0), now=later),
        lambda: erase(kept.warehouse),
    ):
        with pytest.raises(WarehouseError, match="What was done stays right") as error:
            attempt()
        assert "LEADPIPE_LAKE_KEY_ID needs the rights to list, read, write and delete" in str(
            error.value
        )
        assert "nothing was written" not in str(error.value)
        assert "\n" not in str(error.value)
        assert rows(kept.warehouse, "FROM raw_events ORDER BY ALL") == before
    refuse(proxy, b"", only=())
    erase(kept.warehouse)
    assert rows(kept.warehouse, "FROM raw_events ORDER BY ALL") == before
    assert (
        len(kept.objects()) == maintain(kept.warehouse, keep=timedelta(0), now=later).before.files
    )
