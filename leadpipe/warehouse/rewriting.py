"""Write the warehouse's file anew, so that no byte of what was deleted is left in it.

DuckDB marks deleted rows and reuses their blocks some day; until then a look into the file shows them.
When that has to be done is the business of those who delete.
"""

import os
import shutil
from pathlib import Path

import duckdb

from leadpipe.errors import WarehouseError, WarehouseLocked
from leadpipe.warehouse.connection import Warehouse, lock_holder
from leadpipe.warehouse.maintaining import erase

_ROOM = 1.1


def rewrite(warehouse: Warehouse) -> int:
    """Replace the file by a copy of its living rows, in their order; its size in bytes then.

    The copy takes the file's place in one rename, while nobody else can write. A kill at any moment leaves
    the one or the other. Of a lake, the files in its store and its catalog are rid of what was deleted, and
    nothing of before can be looked at any more; see `erase`.

    Raises:
        WarehouseError: the disk has no room for the copy, or it cannot be made; the file is as it was.
        WarehouseLocked: another process kept the file.
    """
    if warehouse.lake is not None:
        size = erase(warehouse)
        if not warehouse.lake.is_shared:  # its catalog is such a file
            _write_anew(Path(warehouse.lake.catalog).resolve(), memory_limit=warehouse.memory_limit)
        return size
    with warehouse.connect() as connection:  # and its log is worked in when it closes
        connection.execute("CHECKPOINT")
    path = warehouse.path.resolve()
    _write_anew(path, memory_limit=warehouse.memory_limit)
    return path.stat().st_size


def _write_anew(path: Path, *, memory_limit: str) -> None:
    """Replace a DuckDB file, whose log is worked in, by a copy of its living rows."""
    copy = path.with_name(f"{path.name}.rewriting")
    free, needed = shutil.disk_usage(path.parent).free, path.stat().st_size * _ROOM
    if free < needed:
        raise WarehouseError(
            f"Writing the warehouse {path} anew needs {needed / 1e6:,.0f} MB beside it, and "
            f"{free / 1e6:,.0f} MB are free. Make room; the next audit tries again."
        )
    _remove(copy)
    try:
        with duckdb.connect(config={"memory_limit": memory_limit}) as connection:
            # Read-only, so that closing it touches nothing at a path where the copy is by then.
            connection.execute(f"ATTACH '{_quoted(path)}' AS old (READ_ONLY)")
            if path.with_name(f"{path.name}.wal").exists():
                raise WarehouseLocked(
                    f"The warehouse {path} was written to meanwhile; the next audit tries again."
                )
            connection.execute(f"ATTACH '{_quoted(copy)}' AS fresh (STORAGE_VERSION 'v1.5.0')")
            connection.execute("COPY FROM DATABASE old TO fresh")
            connection.execute("DETACH fresh")
            shutil.copymode(path, copy)
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.replace(path)
    except duckdb.Error as error:
        is_locked, pid = lock_holder(error)
        if is_locked:
            raise WarehouseLocked(f"The warehouse {path} is in use.", pid=pid) from error
        raise WarehouseError(f"The warehouse {path} could not be written anew: {error}") from error
    finally:
        _remove(copy)


def _remove(copy: Path) -> None:
    for file in (copy, copy.with_name(f"{copy.name}.wal")):
        file.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
