"""A warehouse moved from a file to a lake, or back: everything, or nothing.

Until the last step the source is in force. Then it is kept, with a word that says where its tables are now,
so that nobody goes on with it, or begins an empty one in its place, by mistake.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from leadpipe.errors import WarehouseError, WarehouseLocked
from leadpipe.warehouse.connection import Warehouse, receipt_of
from leadpipe.warehouse.copying import Proofs, fill_file, fill_lake, leave_word
from leadpipe.warehouse.maintaining import lake_size

_ROOM_IN_A_FOLDER = 1.1
_ROOM_IN_A_FILE = 3.0
"""Times the bytes of the lake's files, which are compressed better."""


@dataclass(frozen=True)
class MoveReport:
    """What was moved, and where the source is now."""

    tables: Proofs
    kept: str

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(proof.rows for proof in self.tables.values())


def move(source: Warehouse, target: Warehouse, *, now: datetime) -> MoveReport:
    """Copy everything to a place where nothing is, prove each table equal, and set the source aside.

    Args:
        source: what is in force; nobody writes to it meanwhile.
        target: the other kind.
        now: UTC.

    Raises:
        WarehouseError: both are of one kind, there is no source, the target is not empty or has no room, or
            a table does not come out equal. The source is as it was, and in force.
        WarehouseLocked: somebody uses one of them.
    """
    if (source.lake is None) == (target.lake is None):
        raise WarehouseError(
            f"From {source} to {target}: a move is between a file and a lake. Of a file make a backup and "
            "restore it elsewhere."
        )
    return _to_lake(source, target, now) if source.lake is None else _to_file(source, target, now)


def _to_lake(source: Warehouse, target: Warehouse, now: datetime) -> MoveReport:
    path = source.path.resolve()
    kept = path.with_name(f"{path.name}.moved")
    if not path.exists():
        raise WarehouseError(f"There is no file {path}; LEADPIPE_WAREHOUSE names another?")
    if kept.exists():
        raise WarehouseError(f"{kept} is there from another move; put it elsewhere first")
    with source.connect() as connection:  # migrated, and its log worked in when it closes
        connection.execute("CHECKPOINT")
    if path.with_name(f"{path.name}.wal").exists():
        raise WarehouseLocked(f"{path} is in use. End what uses it, then try again.")
    if target.lake is not None and "://" not in target.lake.data:
        _want_room(Path(target.lake.data), path.stat().st_size * _ROOM_IN_A_FOLDER)
    tables = fill_lake(path, target)
    _write_receipt(path, str(target), tables, now)
    path.rename(kept)
    return MoveReport(tables, str(kept))


def _to_file(source: Warehouse, target: Warehouse, now: datetime) -> MoveReport:
    path = target.path.resolve()
    _want_room(path.parent, lake_size(source).size * _ROOM_IN_A_FILE)
    tables = fill_file(source, path, is_still=True)
    leave_word(source, str(path), now=now)
    receipt_of(path).unlink(missing_ok=True)
    return MoveReport(tables, str(source))


def _want_room(folder: Path, needed: float) -> None:
    there = next(one for one in (folder.resolve(), *folder.resolve().parents) if one.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise WarehouseError(
            f"The move needs {needed / 1e6:,.0f} MB in {folder}, and {free / 1e6:,.0f} MB are free. "
            "Make room; nothing was moved."
        )


def _write_receipt(path: Path, to: str, tables: Proofs, now: datetime) -> None:
    content = {
        "moved_to": to,
        "moved_at": now.isoformat(),
        "tables": {name: asdict(proof) for name, proof in sorted(tables.items())},
    }
    fresh = receipt_of(path).with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1) + "\n")
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(receipt_of(path))
