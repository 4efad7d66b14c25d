"""What was deleted is wiped from the warehouse's file too, within a day: the audit writes the file anew.

Whoever deletes rows with personal data, of whatever domain, calls `note_deletion` in the same transaction.
"""

from datetime import datetime

import duckdb

from leadpipe import postgres
from leadpipe.errors import WarehouseError
from leadpipe.warehouse import Warehouse, rewrite
from leadpipe.warehouse.migrations import gather_state


def note_deletion(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> None:
    """Remember, in the deletion's transaction, that the file holds bytes of what is no more.

    A row is added and none removed: deletions of two domains may be under way at the same time.
    """
    connection.execute("INSERT INTO deletions_to_wipe VALUES (?)", [now])


def wipe(warehouse: Warehouse) -> bool:
    """Write the file anew if something was deleted since it last was; whether it had to be.

    Of a lake those of its files that hold something deleted: see `warehouse.rewrite`; and the tables of its
    state.

    Raises:
        WarehouseError, WarehouseLocked: nothing was done, and the next call tries again.
    """
    with warehouse.connect() as connection:
        noted = connection.execute("SELECT noted_at FROM deletions_to_wipe").fetchall()
    if not noted:
        return False
    wipe_now(warehouse)
    return True


def wipe_now(warehouse: Warehouse) -> int:
    """Write the file anew whether or not something is noted; its size in bytes then, of a lake its files'.

    Raises:
        WarehouseError, WarehouseLocked: nothing was done, and the next call tries again.
    """
    with warehouse.connect() as connection:
        noted = connection.execute("SELECT DISTINCT noted_at FROM deletions_to_wipe").fetchall()
    size = rewrite(warehouse)
    if warehouse.lake is not None and warehouse.lake.state is not None:
        _write_state_anew(warehouse.lake.state)
    if noted:
        with warehouse.writing("door") as connection:  # what was deleted meanwhile has another time
            connection.executemany("DELETE FROM deletions_to_wipe WHERE noted_at = ?", noted)
    return size


def _write_state_anew(state: str) -> None:
    try:
        postgres.write_anew(state, sorted(gather_state()))
    except postgres.driver().Error as error:
        raise WarehouseError(
            f"The tables in PostgreSQL could not be written anew: {str(error).partition(chr(10))[0]}. "
            "What was deleted may still be in their files; the next audit tries again."
        ) from error
