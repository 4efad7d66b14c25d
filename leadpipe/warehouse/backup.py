"""Copy the whole data folder's state to one archive, and back; consistent while syncs run."""

import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from leadpipe.errors import WarehouseError
from leadpipe.warehouse.connection import Warehouse
from leadpipe.warehouse.copying import fill_file, fill_lake

_WAREHOUSE = "leadpipe.duckdb"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class BackupReport:
    """What is in an archive: rows of each table, kept files, size in bytes."""

    path: Path
    tables: dict[str, int]
    files: tuple[str, ...]
    size: int


def back_up(
    warehouse: Warehouse, archive: Path, *, kept: Sequence[Path], now: datetime
) -> BackupReport:
    """Write an archive of the warehouse and the files beside it.

    Args:
        warehouse: waited for, then copied by DuckDB itself within one snapshot; of a lake its state, too, as
            both were at one moment. The copy is a file, whichever it is made of.
        archive: a new `.tar.gz`; appears only when it is whole.
        kept: files that go with it; SQLite ones are copied by SQLite.
        now: when (UTC).

    Raises:
        WarehouseError: the archive exists, cannot be written, or DuckDB can have no file there.
        WarehouseLocked: the warehouse stayed in use.
    """
    if archive.exists():
        raise WarehouseError(f"{archive} exists; name a new file, nothing is overwritten")
    if "?" in str(archive.resolve()):
        raise WarehouseError(
            f"{archive} has a question mark in its path, which DuckDB takes for a web address; name another"
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".backup-") as name:
        folder = Path(name)
        copy = folder / _WAREHOUSE
        if warehouse.lake is not None:
            fill_file(warehouse, copy, is_still=False)
        else:
            _copy_database(warehouse, copy)
        tables = _counted(copy)
        files = [file for file in kept if file.is_file()]
        for file in files:
            _copy(file, folder / file.name)
        names = tuple(file.name for file in files)
        manifest = {"made_at": now.isoformat(), "tables": tables, "files": names}
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1))
        whole = folder / "archive"
        with tarfile.open(whole, "w:gz", compresslevel=3) as tar:
            for member in (_MANIFEST, _WAREHOUSE, *names):
                tar.add(folder / member, arcname=member)
        with whole.open("rb+") as written:
            os.fsync(written.fileno())
        whole.chmod(0o600)  # it holds personal data
        os.link(whole, archive)  # fails if somebody has made the file meanwhile
    return BackupReport(archive, tables, names, archive.stat().st_size)


def restore(archive: Path, warehouse: Warehouse, *, folder: Path) -> BackupReport:
    """Bring an archive back to a place where nothing is, verified before it is put there.

    Args:
        archive: of a file or a lake.
        warehouse: a file that is not there, or a lake that is empty; whichever the archive was made of.
        folder: for the files that lie beside a warehouse.

    Raises:
        WarehouseError: something is there, or the archive is not whole.
    """
    try:
        with tempfile.TemporaryDirectory(dir=_made(folder), prefix=".restore-") as name:
            unpacked = Path(name)
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(unpacked, filter="data")
            manifest = json.loads((unpacked / _MANIFEST).read_text())
            if _counted(unpacked / _WAREHOUSE) != manifest["tables"]:
                raise WarehouseError(f"{archive} is damaged: its tables are not those of its list")
            targets = {
                unpacked / Path(file).name: folder / Path(file).name for file in manifest["files"]
            }
            if warehouse.lake is None:
                targets = {unpacked / _WAREHOUSE: warehouse.path} | targets
            taken = [str(target) for target in targets.values() if target.exists()]
            if taken:
                raise WarehouseError(
                    f"{', '.join(taken)} exist already; move them aside first, nothing is overwritten"
                )
            if warehouse.lake is not None:
                with Warehouse(unpacked / _WAREHOUSE).connect():  # it may be of an older leadpipe
                    pass
                fill_lake(unpacked / _WAREHOUSE, warehouse)
            for source, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
    except (OSError, tarfile.TarError, KeyError, ValueError, duckdb.Error) as error:
        raise WarehouseError(f"{archive} cannot be restored: {error}") from error
    return BackupReport(
        archive, manifest["tables"], tuple(manifest["files"]), archive.stat().st_size
    )


def _copy_database(warehouse: Warehouse, copy: Path) -> None:
    with warehouse.connect() as connection:
        current = str(connection.execute("SELECT current_database()").fetchall()[0][0])
        path = str(copy).replace("'", "''")
        connection.execute(f"ATTACH '{path}' AS backup (STORAGE_VERSION 'v1.5.0')")
        connection.execute(f'COPY FROM DATABASE "{current}" TO backup')
        connection.execute("DETACH backup")


def _counted(file: Path) -> dict[str, int]:
    with closing(duckdb.connect(str(file), read_only=True)) as connection:
        names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        return {
            name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchall()[0][0])
            for name in names
        }


def _copy(file: Path, target: Path) -> None:
    if file.suffix != ".sqlite":
        target.write_bytes(file.read_bytes())
        return
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
