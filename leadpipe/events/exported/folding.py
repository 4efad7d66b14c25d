"""Take a file of exported events in: typed in one pass outside the lock, then merged piece by piece.

What is typed waits on the disk in pieces of bounded size, compressed, with listed events and kept properties
only. A file that cannot be read to its end is found out before anything of it is merged. A kill between
pieces leaves a valid warehouse; the file taken again changes nothing. Which files were taken is not
remembered here: `note` does so, in the transaction of the last piece.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from leadpipe.errors import DiskFull, ExportedFileError
from leadpipe.events.exported.files import ExportedFile, damaged, examine
from leadpipe.events.exported.rows import LoadedDays, counted, prepare, wire_rows
from leadpipe.events.ingest import IngestResult, ingest, keep_rejected
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.persons import PersonRank
from leadpipe.events.staging import Staged, copy, file_name, write_pieces
from leadpipe.warehouse import Warehouse, memory

_ROOMS = (("500MB", None), ("1GB", 1))
"""Memory and threads with which a file is typed: large row groups, of other writers, take the second."""
_NO_SPACE = (
    "no space left",
    "max_temp_directory_size",
    "disk quota exceeded",
    "file too large",
)
Note = Callable[[duckdb.DuckDBPyConnection, "TakenIn"], None]


@dataclass(frozen=True)
class TakenIn(IngestResult):
    """What a file brought. `rows` = `fetched` + `not_asked_for` + `misdated` + `history`.

    Args:
        rows: in the file.
        not_asked_for: of events that the mapping does not name.
        misdated: dated before the days that are loaded or in the future; they are in `rejected_events`.
        history: received before the days that are loaded; they stay in the file.
    """

    rows: int = 0
    not_asked_for: int = 0
    misdated: int = 0
    history: int = 0


@dataclass(frozen=True)
class _Typed:
    """A file's rows as they wait: the pieces, the misdated rows if there are any, and the counts."""

    pieces: list[Staged]
    misdated: Path | None
    counts: TakenIn


def take_in(
    warehouse: Warehouse,
    file: Path,
    *,
    name: str,
    run_id: str,
    mapping: EventMapping,
    first_day: date,
    folder: Path,
    clock: Callable[[], datetime],
    note: Note | None = None,
) -> TakenIn:
    """Merge a file of PostHog's events model, Parquet or JSON Lines, into `raw_events`.

    Args:
        warehouse: opened for each piece, and closed again.
        file: on this machine.
        name: by which people know it, for errors: a key of a bucket, say.
        run_id: stamped on rows that are new; the run must be in `runs`.
        mapping: what the events mean. If the warehouse has another one in use, that one counts.
        first_day: the first day that is loaded.
        folder: of the caller's own, for what waits to be merged; left as it was.
        clock: the time (UTC).
        note: called with what the whole file brought, in the transaction of its last piece, or in one of its
            own where no row is wanted.

    Raises:
        ExportedFileError: the file cannot be read; nothing of it is loaded.
        DiskFull: what waits does not fit on the disk; pieces merged before stay.
        WarehouseLocked: as `Warehouse.connect`.
    """
    waiting = folder / f"exported-{file.stat().st_ino}" if file.exists() else folder / "exported"
    try:
        with _telling_a_full_disk(folder):
            days = LoadedDays(first_day, clock().astimezone(UTC).date())
            typed = _typed(file, name, mapping, days, waiting)
            return _merge(warehouse, typed, days, run_id, clock, note)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _typed(file: Path, name: str, mapping: EventMapping, days: LoadedDays, waiting: Path) -> _Typed:
    """Type a file's rows in as little memory as will do."""
    for limit, threads in _ROOMS:
        with memory(spill=waiting, memory_limit=limit, threads=threads) as connection:
            prepare(connection)
            exported = examine(connection, file, name=name)
            try:
                return _type(connection, exported, mapping, days, waiting)
            except duckdb.OutOfMemoryException as error:
                if _is_full(error):
                    raise
                shutil.rmtree(waiting / "pieces", ignore_errors=True)
    raise ExportedFileError(
        f"{name} cannot be read in {_ROOMS[-1][0]} of memory: its row groups, or some of its events, are too "
        "large. Nothing of it was loaded. Export shorter spans, or write it anew with smaller row groups."
    )


def _type(
    connection: duckdb.DuckDBPyConnection,
    exported: ExportedFile,
    mapping: EventMapping,
    days: LoadedDays,
    waiting: Path,
) -> _Typed:
    misdated = waiting / "misdated.parquet"
    try:
        rows, asked_for, wrong, history = connection.execute(
            counted(exported, mapping, days)
        ).fetchone() or (0, 0, 0, 0)
        counts = TakenIn(rows=rows, not_asked_for=rows - asked_for, misdated=wrong, history=history)
        pieces: list[Staged] = []
        if asked_for - wrong - history:
            wanted = wire_rows(exported, mapping, f"{days.are_left} IS NOT TRUE")
            pieces = write_pieces(connection, wanted, mapping, waiting / "pieces")
        if wrong:
            left = wire_rows(
                exported, mapping, f"{days.are_left} AND {days.are_history} IS NOT TRUE"
            )
            copy(connection, f"SELECT to_json(fields)::VARCHAR AS content FROM {left}", misdated)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.IOException as error:
        if _is_full(error):
            raise
        raise damaged(exported.name) from error
    except duckdb.Error as error:
        raise damaged(exported.name) from error
    return _Typed(pieces, misdated if wrong else None, counts)


def _merge(
    warehouse: Warehouse,
    typed: _Typed,
    days: LoadedDays,
    run_id: str,
    clock: Callable[[], datetime],
    note: Note | None,
) -> TakenIn:
    total = IngestResult()
    batches: list[Staged | None] = [*typed.pieces] or [None]
    for number, piece in enumerate(batches, start=1):
        with warehouse.transaction() as connection:
            total += ingest(
                connection, piece, run_id=run_id, now=clock(), rank=PersonRank.INGESTION
            )
            if number == len(batches):
                if typed.misdated:
                    keep_rejected(
                        connection,
                        f"SELECT '{days.reason}' AS reason, content "
                        f"FROM read_parquet({file_name(typed.misdated)})",
                        run_id=run_id,
                        now=clock(),
                    )
                taken = _with(typed.counts, total)
                if note is not None:
                    note(connection, taken)
        if piece is not None:
            piece.file.unlink()
    return taken


def _with(counts: TakenIn, total: IngestResult) -> TakenIn:
    return TakenIn(
        rows=counts.rows,
        not_asked_for=counts.not_asked_for,
        misdated=counts.misdated,
        history=counts.history,
        **{one.name: getattr(total, one.name) for one in fields(IngestResult)},
    )


@contextmanager
def _telling_a_full_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        if not _is_full(error):
            raise
        raise DiskFull(
            f"The disk of {folder} is full: what is read does not fit beside the warehouse. Nothing is half "
            "loaded. Make room there, or set LEADPIPE_DATA_DIR to a larger disk, and start again."
        ) from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return True
    return any(text in str(error).lower() for text in _NO_SPACE)
