"""The table `interaction_syncs`: a row a sync that was no dry run.

The leads file is written first; its record follows. A warehouse that is in use must neither hold up nor
undo a change to the file, so the record is first put into a file of its own, and entered into the warehouse
now or with a later sync. A record is entered once: by its id.
"""

import json
import os
from datetime import datetime
from pathlib import Path

from leadpipe.errors import ConfigurationError, LeadpipeError
from leadpipe.interactions.syncing import SyncReport
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse, transaction

_MOST_PROBLEMS = 1_000
_COLUMNS = (
    "sync_id",
    "synced_at",
    "run_id",
    "tenant",
    "program_id",
    "source",
    "window_start",
    "read_until",
    "events",
    "added",
    "already_there",
    "unmatched",
    "rejected",
    "problems",
    "content_hash",
)
_TIMES = ("synced_at", "window_start", "read_until")


def record_of(report: SyncReport, run_id: str | None) -> dict[str, object]:
    """A report as a row; problems as uuid, result and reason, without ids of leads."""
    problems = [
        {"uuid": problem.uuid, "result": problem.result, "reason": problem.reason}
        for problem in report.problems[:_MOST_PROBLEMS]
    ]
    return {
        "sync_id": report.sync_id,
        "synced_at": report.synced_at.isoformat(),
        "run_id": run_id,
        "tenant": report.tenant,
        "program_id": report.program_id,
        "source": report.source,
        "window_start": report.window_start.isoformat(),
        "read_until": report.read_until.isoformat(),
        "events": report.events,
        **report.counts,
        "problems": json.dumps(problems),
        "content_hash": report.content_hash,
    }


def keep_record(folder: Path, report: SyncReport, *, run_id: str | None = None) -> Path:
    """Put a sync's record into a file, from which `enter_records` takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.sync_id}.json"
    temporary = path.with_suffix(".writing")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(record_of(report, run_id), file)
        file.flush()
        os.fsync(file.fileno())
    return temporary.replace(path)


def enter_records(folder: Path, warehouse: Warehouse) -> int:
    """Enter all records that wait into `interaction_syncs`; return how many were new.

    Raises:
        WarehouseLocked: they wait on.
        ConfigurationError: a file among them is no record.
    """
    if not any(folder.glob("*.json")):
        return 0
    with warehouse.connect() as connection:  # only who has the warehouse takes files away
        waiting = sorted(folder.glob("*.json"))
        rows = [_row(path) for path in waiting]
        with transaction(connection, "interactions"):
            found = connection.execute("SELECT sync_id FROM interaction_syncs").fetchall()
            known = {sync_id for (sync_id,) in found}
            new = [row for row in rows if row[0] not in known]
            if new:
                places = ", ".join("?" * len(_COLUMNS))
                connection.executemany(
                    f"INSERT INTO interaction_syncs ({', '.join(_COLUMNS)}) VALUES ({places})", new
                )
        for path in waiting:
            path.unlink(missing_ok=True)
    return len(new)


def enter_if_free(folder: Path, warehouse: Warehouse, published: Path) -> str | None:
    """Enter all records that wait, and publish them; a line says if that cannot be: the file is written."""
    try:
        if enter_records(folder, warehouse):
            with warehouse.connect() as connection:
                publish_tables(connection, published)
    except LeadpipeError as error:
        return f"The record of this sync waits in {folder} for a later one to enter it. {error}"
    return None


def _row(path: Path) -> list[object]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [
            datetime.fromisoformat(record[name]) if name in _TIMES else record[name]
            for name in _COLUMNS
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is not the record of a leads sync; move it out of that folder"
        ) from error
