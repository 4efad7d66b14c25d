"""The warehouse's file written anew: the same rows, no byte of what was deleted, and never half a file."""

import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import contextmanager

import pytest

from leadpipe.errors import WarehouseError, WarehouseLocked
from leadpipe.events.wiping import note_deletion, wipe
from leadpipe.warehouse import Warehouse, instances, rewrite
from leadpipe_tests.clocks import NOW

_EVENTS = """
    INSERT INTO raw_events (uuid, event, timestamp, event_date, event_hour, distinct_id, run_id)
    SELECT md5(n::VARCHAR)::UUID, 'lead', $now, '2026-11-20', 1, 'person-' || n || '@example.org', 'run'
    FROM range($count) AS numbers(n)
"""

pytestmark = pytest.mark.file_only("writes the file anew")


def fill(warehouse, count=1_000):
    """Events of so many people."""
    with warehouse.connect() as connection:
        connection.execute(_EVENTS, {"now": NOW, "count": count})


def forget(warehouse, person):
    """Delete a person's events."""
    with warehouse.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE distinct_id = ?", [person])
        note_deletion(connection, now=NOW)


def content(warehouse):
    """Every table, its columns and its rows in their order."""
    with warehouse.connect() as connection:
        return {
            name: (
                connection.execute(f"DESCRIBE {name}").fetchall(),
                connection.execute(f"FROM {name}").fetchall(),
            )
            for (name,) in connection.execute("SHOW TABLES").fetchall()
        }


def bytes_of(warehouse):
    """All that lies in the warehouse's folder."""
    return b"".join(path.read_bytes() for path in warehouse.path.parent.glob("*") if path.is_file())


def test_no_byte_of_what_was_deleted_is_left(warehouse):
    """A checkpoint leaves deleted rows in the file; writing it anew does not, and changes nothing else."""
    fill(warehouse)
    forget(warehouse, "person-77@example.org")
    assert b"person-77@example.org" in bytes_of(warehouse)
    before = content(warehouse)
    rewrite(warehouse)
    assert content(warehouse) == before
    assert b"person-77@example.org" not in bytes_of(warehouse)
    assert b"person-78@example.org" in bytes_of(warehouse)


def test_it_is_written_anew_once_a_deletion(warehouse):
    """Nothing deleted, nothing done."""
    fill(warehouse)
    assert wipe(warehouse) is False
    forget(warehouse, "person-77@example.org")
    assert (wipe(warehouse), wipe(warehouse)) == (True, False)


def test_a_full_disk_is_said_before_anything_is_written(warehouse, monkeypatch):
    """The copy needs room; without it the file is as it was, and the next audit tries again."""
    fill(warehouse)
    forget(warehouse, "person-77@example.org")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(WarehouseError, match=r"needs .* MB beside it, and 0 MB are free"):
        wipe(warehouse)
    monkeypatch.undo()
    assert wipe(warehouse) is True


def test_who_reads_the_file_is_waited_for(warehouse):
    """Another process has the file: said, and nothing is lost."""
    fill(warehouse)
    code = (
        f"import duckdb, sys; held = duckdb.connect({str(warehouse.path)!r}); "
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        impatient = Warehouse(warehouse.path, lock_timeout_seconds=0.2)
        with pytest.raises(WarehouseLocked):
            rewrite(impatient)
        other.communicate("")
    rewrite(warehouse)


def test_who_opened_the_old_file_opens_the_new_one(warehouse, monkeypatch):
    """Between opening a file and locking it the copy may take its place: no write is lost."""
    fill(warehouse, 10)
    real, is_first = instances.connected, True

    @contextmanager
    def replaced_meanwhile(path, config):
        nonlocal is_first
        copy = warehouse.path.with_suffix(".copy")
        if is_first:
            shutil.copy(warehouse.path, copy)
        with real(path, config) as opened:
            if is_first:
                is_first = False
                copy.replace(warehouse.path)
            yield opened

    monkeypatch.setattr("leadpipe.warehouse.connection.connected", replaced_meanwhile)
    forget(warehouse, "person-7@example.org")
    monkeypatch.undo()
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*) FROM raw_events").fetchall() == [(9,)]


@pytest.mark.parametrize("after", [0.0, 0.03, 0.08, 0.15])
def test_a_kill_leaves_the_old_file_or_the_new_one(warehouse, after):
    """SIGKILL at any moment of the writing: the same rows, and the next time it is done."""
    fill(warehouse, 100_000)
    forget(warehouse, "person-77@example.org")
    before = content(warehouse)
    code = (
        "from pathlib import Path; from leadpipe.events.wiping import wipe; "
        f"from leadpipe.warehouse import Warehouse; w = Warehouse(Path({str(warehouse.path)!r})); "
        "print('ready', flush=True); wipe(w)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        time.sleep(after)
        other.send_signal(signal.SIGKILL)
        other.wait()
    after_kill = content(warehouse)
    for name in before.keys() - {"deletions_to_wipe"}:
        assert after_kill[name] == before[name], name
    wipe(warehouse)
    assert b"person-77@example.org" not in bytes_of(warehouse)
    assert [path.name for path in warehouse.path.parent.glob("*rewriting*")] == []
