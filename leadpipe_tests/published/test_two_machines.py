"""Two machines that share a warehouse publish at once: no publication is of two, the last one wins whole."""

import json
import subprocess
import sys

import duckdb
import psycopg
import pytest

from leadpipe.errors import WarehouseLocked
from leadpipe.warehouse import publish, transaction
from leadpipe_tests.published.publishing import TABLES, count_up, files

_ROUNDS = 4


@pytest.fixture
def counted(machine):
    """Gives the shared warehouse of a machine; it has two tables with one number."""
    with machine("one").writing("maintenance") as connection:
        for table in TABLES:
            connection.execute(f"CREATE TABLE {table} AS SELECT 0 AS n")
    return machine


def published(folder):
    """What the current publication has of each table."""
    current = (folder / "current").resolve()
    with duckdb.connect() as connection:
        return [
            connection.execute(f"SELECT n FROM '{current}/{table}*.parquet'").fetchall()
            for table in TABLES
        ]


@pytest.mark.parametrize("are_apart", [True, False], ids=["folders", "one-folder"])
def test_two_processes(counted, lake, tmp_path, machine_clock, are_apart):
    """Each publication is of one moment, whoever reads it when; the last has all that was written."""
    folders = [tmp_path / name for name in (("a", "b") if are_apart else ("a", "a"))]
    processes = []
    for number, folder in enumerate(folders):
        (tmp_path / f"home-{number}").mkdir()
        asked = {
            "home": str(tmp_path / f"home-{number}"),
            "catalog": lake.catalog,
            "data": lake.data,
            "folder": str(folder),
            "rounds": _ROUNDS,
        }
        command = [sys.executable, "-m", "leadpipe_tests.published.publishing", json.dumps(asked)]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    reads = 0
    try:
        while any(process.poll() is None for process in processes):
            for folder in {*folders}:
                if not (folder / "current").exists():
                    continue
                try:
                    one, other = published(folder)
                except (
                    duckdb.IOException
                ):  # two publications later it is gone: a reader looks again
                    continue
                assert one == other
                reads += 1
        said = [process.communicate()[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
    assert [process.returncode for process in processes] == [0, 0], said
    assert reads
    found = [published(folder) for folder in folders]
    assert all(one == other for one, other in found)
    assert max(one for one, _ in found) == [(2 * _ROUNDS,)]
    for folder in {*folders}:
        for place in (folder, folder.with_name(f"{folder.name}-personal")):
            assert len([*place.glob("v[0-9]*")]) == 2  # nothing unfinished is left
    numbers = [int((folder / "current").resolve().name.removeprefix("v")) for folder in folders]
    assert numbers == ([_ROUNDS] * 2 if are_apart else [2 * _ROUNDS] * 2)


def test_who_loses_the_lock_publishes_nothing(counted, lake, tmp_path):
    """Another machine publishes to the same folder meanwhile: its publication stays, and is whole."""
    folder = tmp_path / "published"
    one, two = counted("one"), counted("two")
    with one.connect() as connection, transaction(connection, "publication"):
        publish(connection, folder, files(connection))

    def tables(connection):
        first, second = files(connection)
        yield first
        with psycopg.connect(str(lake.postgres), autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
                "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        count_up(two)
        with two.connect() as theirs, transaction(theirs, "publication"):
            publish(theirs, folder, files(theirs))
        yield second

    with (
        pytest.raises(WarehouseLocked, match="nothing was written"),
        one.connect() as connection,
        transaction(connection, "publication"),
    ):
        publish(connection, folder, tables(connection))
    assert published(folder) == [[(1,)], [(1,)]]
    count_up(two)
    with one.connect() as connection, transaction(connection, "publication"):
        publish(connection, folder, files(connection))
    assert published(folder) == [[(2,)], [(2,)]]
    assert len([*folder.glob("v[0-9]*")]) == 2
