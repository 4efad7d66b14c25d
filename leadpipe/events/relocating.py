"""The whole warehouse moved to another place, when no run is under way."""

from datetime import datetime
from pathlib import Path

from leadpipe.errors import WarehouseError
from leadpipe.events import ledger
from leadpipe.warehouse import MoveReport, Warehouse, move


def relocate(source: Warehouse, target: Warehouse, *, landing: Path, now: datetime) -> MoveReport:
    """Move everything from a file to a lake or back, proved table by table; see `warehouse.move`.

    Args:
        source: the warehouse in force.
        target: a place where nothing is.
        landing: where runs of this machine say that they live.
        now: UTC.

    Raises:
        WarehouseError: a run is under way, or as `move` says; nothing was moved.
        WarehouseLocked: somebody uses the source.
    """
    if source.lake is None and not source.path.exists():
        raise WarehouseError(f"There is no warehouse {source.path} to move.")
    with source.writing("door") as connection:
        ledger.mark_interrupted(connection, landing=landing, now=now)
        running = connection.execute(
            "SELECT run_id FROM runs WHERE status = 'running' ORDER BY started_at"
        ).fetchall()
    if running:
        raise WarehouseError(
            f"{len(running)} runs are under way, among them {running[0][0]}. Stop the schedules, wait until "
            "`leadpipe runs` shows them as ended, then move."
        )
    return move(source, target, now=now)
