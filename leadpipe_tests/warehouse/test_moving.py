"""A warehouse moved to a lake and back, backed up and restored: every row, or nothing happened."""

import json
import shutil
import signal
import subprocess
import sys
from collections import namedtuple

import pytest

from leadpipe.domains import HasTables, parts
from leadpipe.errors import WarehouseError, WarehouseLocked
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.relocating import relocate
from leadpipe.living import living
from leadpipe.warehouse import Warehouse, back_up, copying, restore
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.warehouse.stores import make_kept
from leadpipe_tests.warehouse.test_state import file, walk

__all__ = ["file"]
pytestmark = pytest.mark.file_only("moves a file to a lake and back")


@pytest.fixture(params=[pytest.param("folder", marks=pytest.mark.long), "bucket"])
def kept(request, tmp_path):
    """Where a lake of each kind is to be."""
    return make_kept(request.param, request, tmp_path, is_made=False)


@pytest.fixture
def source(file):
    """A file with rows in nearly every table, one of somebody's own, and texts that are hard to move."""
    walk(file)
    with file.writing("door") as connection:
        connection.execute(
            "UPDATE runs SET status = 'succeeded'; UPDATE run_parts SET status = 'succeeded'"
        )
        connection.execute(
            "CREATE TABLE of_the_team AS SELECT 1 AS n, 'a''\"\\ü' AS word, [1, 2] AS list"
        )
    return file


def content(warehouse):
    """All rows of all tables, JSON and numbers as PostgreSQL has them."""
    tables = {table for _, part in parts(HasTables) for table in part.TABLES} | {"of_the_team"}
    with warehouse.connect() as connection:
        return {
            table: connection.execute(f"FROM {table} ORDER BY ALL").fetchall()
            for table in sorted(tables)
        }


def go(source, target, folder):
    """Move."""
    return relocate(source, target, landing=folder / "landing", now=NOW)


def test_a_file_moves_to_a_lake_and_back(source, kept, tmp_path):
    """Every table has the same rows there and after the way back; what is left behind says where they are."""
    before = content(source)
    with source.connect() as connection:
        connection.execute("INSERT INTO migrations VALUES ('gone/create_tables', ?)", [NOW])
    report = go(source, kept.warehouse, tmp_path)
    assert content(kept.warehouse) == before
    assert report.rows == sum(map(len, before.values()))
    assert report.tables.keys() == before.keys()
    assert (1,) in rows(
        kept.warehouse, "SELECT 1 FROM migrations WHERE name = 'gone/create_tables'"
    )
    path = source.path
    assert not path.exists()
    assert path.with_name("leadpipe.duckdb.moved").exists()
    receipt = json.loads(path.with_name("leadpipe.duckdb.moved.json").read_text())
    assert receipt["tables"]["raw_events"]["rows"] == len(before["raw_events"])
    with pytest.raises(WarehouseError, match=r"was moved; .* says where to"), source.connect():
        pass
    back = Warehouse(tmp_path / "back" / "leadpipe.duckdb")
    assert go(kept.warehouse, back, tmp_path).tables == report.tables
    assert content(back) == before
    if not kept.lake.is_shared:  # a process that has a shared one open stays
        with (
            pytest.raises(WarehouseError, match="This lake was moved to"),
            kept.warehouse.connect(),
        ):
            pass


class _Killed(BaseException):
    """What a test puts in the place of a kill."""


# What each of the names is put in the place of: the kill.
_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from leadpipe.events.relocating import relocate
from leadpipe.places import Lake
from leadpipe.warehouse import Warehouse, copying, moving
module, name, source, own, lake, landing = sys.argv[1:]
place = {"copying": copying, "moving": moving}[module]
setattr(place, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
target = Warehouse(Path(own), lake=eval(lake))
relocate(Warehouse(Path(source)), target, landing=Path(landing), now=datetime.now(UTC))
"""


@pytest.mark.parametrize(
    ("module", "function"),
    [
        pytest.param("copying", "_make", id="after the state", marks=pytest.mark.long),
        pytest.param("copying", "_keep_migrations", id="in the lake's transaction"),
        pytest.param("moving", "_write_receipt", id="before the receipt", marks=pytest.mark.long),
    ],
)
def test_a_move_that_was_killed_leaves_the_file_in_force(
    source, request, tmp_path, module, function
):
    """SIGKILL at any step: the file is as it was and opens; the next attempt finishes, with equal rows."""
    kept = make_kept("shared", request, tmp_path, is_made=False)
    before = content(source)
    killed = subprocess.run(
        [
            sys.executable,
            *("-c", _KILLED, module, function),
            *(
                str(source.path),
                str(kept.warehouse.path),
                repr(kept.lake),
                str(tmp_path / "landing"),
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert content(source) == before
    take_in(source, tmp_path, [event("lead_phone", NOW, seeker_id="late")], run_id="run-1")
    if module == "moving":  # everything was there, so it is taken for somebody's
        with pytest.raises(WarehouseError, match="The lake is not empty"):
            go(source, kept.warehouse, tmp_path)
        return
    after = content(source)
    go(source, kept.warehouse, tmp_path)
    assert content(kept.warehouse) == after


def _kill(*_, **__):
    raise _Killed


@pytest.mark.long
def test_an_attempt_that_had_only_to_be_noted_is_noted(source, request, tmp_path, monkeypatch):
    """Killed after all rows were in the lake: the next attempt finds them equal, and sets the file aside."""
    kept = make_kept("folder", request, tmp_path, is_made=False)
    before = content(source)
    with monkeypatch.context() as patch:
        patch.setattr("leadpipe.warehouse.moving._write_receipt", _kill)
        with pytest.raises(_Killed):
            go(source, kept.warehouse, tmp_path)
    go(source, kept.warehouse, tmp_path)
    assert content(kept.warehouse) == before
    assert not source.path.exists()


def test_what_a_move_refuses(source, request, tmp_path, monkeypatch):
    """A run under way, somebody at the file, no room, another of its kind: each said, and nothing moved."""
    kept = make_kept("folder", request, tmp_path, is_made=False)
    before = content(source)
    landing = tmp_path / "landing"
    with living(landing, "busy"):
        with source.writing("door") as connection:
            begin_run(connection, Run("busy", "manual"), days=[], now=NOW)
        with pytest.raises(WarehouseError, match="1 runs are under way, among them busy"):
            go(source, kept.warehouse, tmp_path)
    with source.writing("door") as connection:
        connection.execute("DELETE FROM runs WHERE run_id = 'busy'")
        connection.execute("DELETE FROM run_parts WHERE run_id = 'busy'")
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
        with pytest.raises(WarehouseError, match="Make room; nothing was moved"):
            go(source, kept.warehouse, tmp_path)
    with pytest.raises(WarehouseError, match="a move is between a file and a lake"):
        go(source, Warehouse(tmp_path / "other.duckdb"), tmp_path)
    with pytest.raises(WarehouseError, match="There is no warehouse"):
        go(Warehouse(tmp_path / "none.duckdb"), kept.warehouse, tmp_path)
    with pytest.raises(WarehouseError, match="exists; name a new file"):
        go(kept.warehouse, source, tmp_path)
    assert content(source) == before


def test_a_lake_with_rows_is_not_overwritten(source, request, tmp_path):
    """The first table that has some is named, and the lake is as it was."""
    kept = make_kept("folder", request, tmp_path, is_made=False)
    take_in(kept.warehouse, tmp_path, [event("lead_phone", NOW, seeker_id="theirs")])
    with pytest.raises(WarehouseError, match=r"The lake is not empty: .*raw_events"):
        go(source, kept.warehouse, tmp_path)
    assert rows(kept.warehouse, "SELECT seeker_id FROM raw_events") == [("theirs",)]
    assert source.path.exists()


def test_a_table_that_came_out_otherwise_is_not_believed(source, request, tmp_path, monkeypatch):
    """A row that is lost on the way is noticed before anything is final."""
    kept = make_kept("folder", request, tmp_path, is_made=False)
    prove = copying._prove

    def less(connection, table, columns, *, as_text):
        if table.name == "leads" and table.database.startswith("lake"):
            connection.execute(
                f"DELETE FROM {table.place} WHERE lead_id = (SELECT min(lead_id) FROM leads)"
            )
        return prove(connection, table, columns, as_text=as_text)

    monkeypatch.setattr(copying, "_prove", less)
    with pytest.raises(WarehouseError, match="The table leads came out as"):
        go(source, kept.warehouse, tmp_path)
    assert rows(kept.warehouse, "SELECT count(*) FROM raw_events") == [(0,)]
    assert source.path.exists()


def test_a_lake_is_backed_up_whole_and_restored_anywhere(source, kept, request, tmp_path):
    """Catalog, files and state as of one moment, in one archive: into an empty lake, or a file."""
    before = content(source)
    go(source, kept.warehouse, tmp_path)
    beside = tmp_path / "score_rules.toml"
    beside.write_text("# rules\n")
    archive = tmp_path / "backup.tar.gz"
    report = back_up(kept.warehouse, archive, kept=[beside], now=NOW)
    assert report.tables["raw_events"] == len(before["raw_events"])
    kind = "shared" if kept.lake.is_shared else "folder"
    again = make_kept(kind, request, tmp_path / "again", is_made=False)
    restore(archive, again.warehouse, folder=tmp_path / "restored")
    assert content(again.warehouse) == before
    assert (tmp_path / "restored" / "score_rules.toml").read_text() == "# rules\n"
    with pytest.raises(WarehouseError, match=r"score_rules\.toml exist already"):
        restore(archive, again.warehouse, folder=tmp_path / "restored")
    single = Warehouse(tmp_path / "single" / "leadpipe.duckdb")
    restore(archive, single, folder=single.path.parent)
    assert content(single) == before


@pytest.mark.long
def test_nobody_cleans_up_while_a_backup_is_made(source, request, tmp_path, monkeypatch):
    """Writers wait only until both databases are caught; maintenance waits until the copy is made."""
    kept = make_kept("shared", request, tmp_path, is_made=False)
    go(source, kept.warehouse, tmp_path)
    seen = []
    impatient = Warehouse(kept.warehouse.path, lock_timeout_seconds=0.2, lake=kept.lake)
    copy = copying._copy

    def beside(*arguments, **options):
        with impatient.writing("door") as connection:
            connection.execute(
                "INSERT INTO changed_days BY NAME SELECT * FROM changed_days LIMIT 0"
            )
            seen.append("written")
        with pytest.raises(WarehouseLocked, match="'maintenance' is held"):
            impatient.writing("maintenance").__enter__()
        return copy(*arguments, **options)

    monkeypatch.setattr(copying, "_copy", beside)
    back_up(kept.warehouse, tmp_path / "backup.tar.gz", kept=[], now=NOW)
    assert seen == ["written"]
