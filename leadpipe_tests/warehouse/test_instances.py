"""DuckDB instances stay without their file: cheap to open again, and nobody else is kept from it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from leadpipe.warehouse import Warehouse, cursors_of, transaction

pytestmark = pytest.mark.file_only("is about instances of files")

_OPEN_ELSEWHERE = "import duckdb, sys; duckdb.connect(sys.argv[1]).close()"
_FORKED = """
import os, sys
from pathlib import Path
from leadpipe.warehouse import Warehouse

warehouse = Warehouse(Path(sys.argv[1]))
for value in (1, 2):
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO sources VALUES (?, 'before')", [str(value)])
child = os.fork()
if child == 0:
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO sources SELECT 'sum', count(*)::VARCHAR FROM sources")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
with warehouse.connect() as connection:
    print(connection.execute("SELECT count(*) FROM sources").fetchone()[0])
"""


@pytest.fixture
def made(monkeypatch):
    """The files' spill folders of the instances that were made, in order."""
    found, real = [], duckdb.connect

    def connect(*arguments, **options):
        found.append(options.get("config", {}).get("temp_directory"))
        return real(*arguments, **options)

    monkeypatch.setattr(duckdb, "connect", connect)
    return found


def stored(warehouse):
    """The rows of a small table."""
    with warehouse.connect() as connection:
        return connection.execute("FROM sources ORDER BY ALL").fetchall()


def test_an_instance_serves_many_connections(warehouse, made):
    """Made once; in between any other process may have the file."""
    for name in "abc":
        with warehouse.writing("door") as connection:
            connection.execute("INSERT INTO sources VALUES (?, 'x')", [name])
        subprocess.run([sys.executable, "-c", _OPEN_ELSEWHERE, str(warehouse.path)], check=True)
    assert stored(warehouse) == [("a", "x"), ("b", "x"), ("c", "x")]
    assert made.count(f"{warehouse.path}.tmp") == 1
    assert not warehouse.path.with_name(f"{warehouse.path.name}.wal").exists()


def test_what_a_connection_had_for_itself_is_gone(warehouse):
    """Temporary tables and settings of one are not the next one's."""
    with warehouse.connect() as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 1 AS one; SET threads = 1")
    with warehouse.connect() as connection:
        with pytest.raises(duckdb.CatalogException, match="mine"):
            connection.execute("FROM mine")
        assert connection.execute("SELECT current_setting('threads')").fetchall() != [(1,)]


def test_after_an_error_an_instance_is_new(warehouse, made):
    """An error may have made it unusable; its transaction is undone, and the file is free."""
    with (
        pytest.raises(duckdb.ConversionException),
        warehouse.connect() as connection,
    ):
        connection.execute("BEGIN TRANSACTION; INSERT INTO sources VALUES ('a', 'x')")
        connection.execute("SELECT 'no number'::INTEGER")
    subprocess.run([sys.executable, "-c", _OPEN_ELSEWHERE, str(warehouse.path)], check=True)
    assert stored(warehouse) == []
    assert made.count(f"{warehouse.path}.tmp") == 2


def test_connections_at_once_share_it(warehouse, made):
    """Threads of a process have the file together, and it is free when the last has left."""

    def insert(number: int) -> None:
        with warehouse.connect() as connection, transaction(connection):
            connection.execute("INSERT INTO sources VALUES (?, 'x')", [f"{number:02}"])

    with warehouse.connect() as connection, ThreadPoolExecutor(4) as pool:
        list(pool.map(insert, range(20)))
        assert connection.execute("SELECT count(*) FROM sources").fetchall() == [(20,)]
    subprocess.run([sys.executable, "-c", _OPEN_ELSEWHERE, str(warehouse.path)], check=True)
    assert made.count(f"{warehouse.path}.tmp") == 1


def test_few_are_kept(tmp_path, made):
    """Of many files in turn the instances of the last two stay."""
    files = [Warehouse(tmp_path / f"{number}.duckdb") for number in range(4)]
    for one in (*files, *files[2:], files[0]):
        assert stored(one) == []
    spills = [f"{one.path}.tmp" for one in files]
    assert [made.count(spill) for spill in spills] == [2, 1, 1, 1]


def test_a_forked_process_has_its_own(warehouse):
    """No thread of the parent's instance lives in it, and it waits for none."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORKED, str(warehouse.path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_a_second_connection_finds_the_same_tables(warehouse):
    """It is outside the first one's transaction."""
    with warehouse.writing("door") as connection:
        connection.execute("INSERT INTO sources VALUES ('a', 'x')")
        with cursors_of(connection)() as other:
            assert other.execute("SELECT count(*) FROM sources").fetchall() == [(0,)]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE plain AS SELECT 1 AS one")
        assert cursors_of(connection)().execute("FROM plain").fetchall() == [(1,)]
