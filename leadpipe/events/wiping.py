"""What was deleted is wiped from the warehouse's file too, within a day: the audit writes the file anew.

Whoever deletes rows with personal data, of whatever domain, calls `note_deletion` in the same transaction.
"""

from datetime import datetime

import duckdb

from leadpipe.warehouse import Warehouse, rewrite


def note_deletion(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> None:
    """Remember, in the deletion's transaction, that the file holds bytes of what is no more."""
    connection.execute("DELETE FROM deletions_to_wipe")
    connection.execute("INSERT INTO deletions_to_wipe VALUES (?)", [now])


def wipe(warehouse: Warehouse) -> bool:
    """Write the file anew if something was deleted since it last was; whether it had to be.

    Of a lake the note stays: what is in its files goes with their maintenance.

    Raises:
        WarehouseError, WarehouseLocked: nothing was done, and the next call tries again.
    """
    if warehouse.lake is not None:
        return False
    with warehouse.connect() as connection:
        noted = connection.execute("SELECT noted_at FROM deletions_to_wipe").fetchall()
    if not noted:
        return False
    rewrite(warehouse)
    with warehouse.writing("door") as connection:  # what was deleted meanwhile has another time
        connection.execute("DELETE FROM deletions_to_wipe WHERE noted_at = ?", [noted[0][0]])
    return True
