"""Take files of exported events in: each typed in one pass outside the lock, then merged in transactions.

What is typed waits on the disk in pieces of bounded size, compressed, with listed events and kept properties
only. A file that cannot be read to its end is found out before anything of it is merged. Small files share a
transaction, for each costs a checkpoint, and small Parquet files with the same columns are typed and merged
by one statement, whose plan costs as much as thousands of rows; the pieces of a large one have one each. A
kill between transactions leaves a valid warehouse; a file taken again changes nothing. Which files were taken
is not remembered here: `Note` does so, in the transaction of a file's last piece.
"""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import duckdb

from leadpipe.errors import DiskFull, ExportedFileError
from leadpipe.events.exported.files import ExportedFile, damaged, examine
from leadpipe.events.exported.rows import LoadedDays, counted, prepare, wire_rows
from leadpipe.events.ingest import IngestResult, ingest, ingest_together, keep_rejected
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.persons import PersonRank
from leadpipe.events.staging import Staged, copy, file_name, write_pieces, write_together
from leadpipe.warehouse import Warehouse, commit_by_one_thread, memory

_ROOMS = (("500MB", None), ("1GB", 1))
"""Memory and threads with which a file is typed: large row groups, of other writers, take the second."""
_MOST_ROWS = 245_760  # in a transaction: two row groups, which DuckDB compresses once
_MOST_BYTES = 100_000_000  # of typed rows on disk
_MOST_FILES = 250  # typed again after a kill
_SMALL_ROWS = (
    30_720  # a file that is typed with others; of a larger one the rows cost more than the plan
)
_SMALL_BYTES = 4_000_000
_TOGETHER_ROWS = 122_880  # with one thread, in the memory of two
_TOGETHER_BYTES = 32_000_000
_NO_SPACE = (
    "no space left",
    "max_temp_directory_size",
    "disk quota exceeded",
    "file too large",
)


@dataclass(frozen=True)
class TakenIn(IngestResult):
    """What a file brought. `rows` = `fetched` + `not_asked_for` + `misdated` + `history`.

    Args:
        rows: in the file.
        not_asked_for: of events that the mapping does not name.
        misdated: dated before the days that are loaded or in the future; they are in `rejected_events`.
        history: received before the days that are loaded; they stay in the file.
        is_whole: all of the file is in; else this is what some of its pieces brought.
    """

    rows: int = 0
    not_asked_for: int = 0
    misdated: int = 0
    history: int = 0
    is_whole: bool = True


Note = Callable[[duckdb.DuckDBPyConnection, TakenIn], None]
"""Called with what a file has brought, in the transaction of each of its pieces; once if it has none."""


@dataclass(frozen=True)
class StagedFile:
    """A file's typed rows as they wait to be merged.

    Args:
        folder: where they are; nobody else's but of those that were typed together.
        pieces: none where no row is wanted.
        misdated: a file with the misdated rows, if there are any, and why they are left.
        counts: of its rows.
    """

    folder: Path
    pieces: tuple[Staged, ...]
    misdated: tuple[Path, str] | None
    counts: TakenIn

    @property
    def rows(self) -> int:
        """That will be merged."""
        counts = self.counts
        return counts.rows - counts.not_asked_for - counts.misdated - counts.history

    def discard(self) -> None:
        """Remove what waits."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
        note: see `Note`.

    Raises:
        ExportedFileError: the file cannot be read; nothing of it is loaded.
        DiskFull: what waits does not fit on the disk; pieces merged before stay.
        WarehouseLocked: as `Warehouse.connect`.
    """
    days = LoadedDays(first_day, clock().astimezone(UTC).date())
    staged = stage_file(file, name=name, mapping=mapping, days=days, folder=folder)
    (taken,) = merge_files(warehouse, [(staged, note)], run_id=run_id, clock=clock)
    return taken


def stage_file(
    file: Path, *, name: str, mapping: EventMapping, days: LoadedDays, folder: Path
) -> StagedFile:
    """Type a file's rows, and let them wait in a folder within `folder`.

    Raises:
        ExportedFileError, DiskFull: as `take_in`; nothing waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(prefix="exported-", dir=folder))
    try:
        with _telling_a_full_disk(folder):
            return _typed(file, name, mapping, days, waiting)
    except BaseException:
        shutil.rmtree(waiting, ignore_errors=True)
        raise


@dataclass(frozen=True)
class SmallFile:
    """A Parquet file of few rows, to be typed with others.

    Args:
        exported: what it is.
        rows: that it has.
        bytes: of the file.
    """

    exported: ExportedFile
    rows: int
    bytes: int


def as_small(connection: duckdb.DuckDBPyConnection, file: Path, *, name: str) -> SmallFile | None:
    """A file that is worth typing with others; None for one that is typed by itself.

    Raises:
        ExportedFileError: it is damaged, or has no events in it.
    """
    size = file.stat().st_size
    if size > _SMALL_BYTES:
        return None
    exported = examine(connection, file, name=name)
    if exported.format != "parquet":
        return None
    try:
        (rows,) = connection.execute(
            f"SELECT num_rows FROM parquet_file_metadata({file_name(file)})"
        ).fetchone() or (0,)
    except duckdb.Error as error:
        raise damaged(name) from error
    return SmallFile(exported, rows, size) if rows <= _SMALL_ROWS else None


def may_be_typed_together(files: Sequence[SmallFile]) -> bool:
    """Whether they have the same columns, and are not too much at once."""
    return (
        len(files) <= _MOST_FILES
        and all(file.exported.columns == files[0].exported.columns for file in files)
        and sum(file.rows for file in files) <= _TOGETHER_ROWS
        and sum(file.bytes for file in files) <= _TOGETHER_BYTES
    )


def stage_together(
    files: Sequence[SmallFile], *, mapping: EventMapping, days: LoadedDays, folder: Path
) -> list[StagedFile]:
    """Type small files by one statement, as `stage_file` does each of them.

    Raises:
        ExportedFileError: one of them is damaged, or takes too much memory, and nothing says which; nothing
            waits.
        DiskFull: as `stage_file`.
    """
    first, *others = [file.exported for file in files]
    all_of_them = replace(first, others=tuple(file.path for file in others))
    folder.mkdir(parents=True, exist_ok=True)
    waiting = Path(tempfile.mkdtemp(prefix="exported-", dir=folder))
    limit, _ = _ROOMS[0]
    try:
        with (
            _telling_a_full_disk(folder),
            memory(spill=waiting, memory_limit=limit, threads=1) as connection,
        ):
            connection.execute("SET preserve_insertion_order = true")
            prepare(connection)
            return _type_together(connection, all_of_them, len(files), mapping, days, waiting)
    except duckdb.OutOfMemoryException as error:
        shutil.rmtree(waiting, ignore_errors=True)
        raise damaged(f"one of {len(files)} files from {first.name} on") from error
    except BaseException:
        shutil.rmtree(waiting, ignore_errors=True)
        raise


def fit_together(files: Sequence[StagedFile]) -> bool:
    """Whether files are small enough, and few enough, for one transaction."""
    pieces = {piece.file for file in files for piece in file.pieces}
    return (
        len(files) <= _MOST_FILES
        and all(len(file.pieces) <= 1 for file in files)
        and sum(file.rows for file in files) <= _MOST_ROWS
        and sum(piece.stat().st_size for piece in pieces) <= _MOST_BYTES
    )


def merge_files(
    warehouse: Warehouse,
    files: Sequence[tuple[StagedFile, Note | None]],
    *,
    run_id: str,
    clock: Callable[[], datetime],
) -> list[TakenIn]:
    """Merge files in their order, and discard what waited: in one transaction if they fit together.

    Else each piece has a transaction of its own.

    Args:
        warehouse: opened for each transaction, and closed again.
        files: each with who notes it.
        run_id: as in `take_in`.
        clock: the time (UTC).

    Returns:
        What each file brought.

    Raises:
        DiskFull: nothing of the transaction is in; pieces merged before stay.
        WarehouseLocked: as `Warehouse.connect`.
    """
    pieces: list[_Piece] = [
        (number, piece, place == max(len(file.pieces), 1))
        for number, (file, _) in enumerate(files)
        for place, piece in enumerate(file.pieces or (None,), start=1)
    ]
    totals = [replace(file.counts, is_whole=False) for file, _ in files]

    def merge(batch: Sequence[_Piece]) -> None:
        into = partial(_merge, batch=batch, files=files, before=totals, run_id=run_id, clock=clock)
        with _telling_a_full_disk(warehouse.path.parent):
            found = warehouse.write("door", into)
        for number, piece, _ in batch:
            totals[number] = found[number]
            if piece is not None and piece.places is None:
                piece.file.unlink()

    try:
        if len(files) > 1 and fit_together([file for file, _ in files]):
            with suppress(duckdb.Error):  # one of them is at fault: the others do not wait for it
                merge(pieces)
                return totals
        for piece in pieces:
            merge([piece])
    finally:
        for file, _ in files:
            file.discard()
    return totals


_Piece = tuple[int, Staged | None, bool]
"""Of which file, what, and whether it is the file's last one."""


def _merge(
    connection: duckdb.DuckDBPyConnection,
    *,
    batch: Sequence[_Piece],
    files: Sequence[tuple[StagedFile, Note | None]],
    before: Sequence[TakenIn],
    run_id: str,
    clock: Callable[[], datetime],
) -> dict[int, TakenIn]:
    """Fold pieces of files in, and note the files that are whole; what each file has brought by then."""
    found = {number: before[number] for number, _, _ in batch}
    brought = _ingest(connection, batch, run_id=run_id, now=clock())
    for number, _, is_last in batch:
        file, note = files[number]
        found[number] = _plus(found[number], brought[number], is_whole=is_last)
        if is_last and file.misdated:
            left, reason = file.misdated
            keep_rejected(
                connection,
                f"SELECT '{reason}' AS reason, content FROM read_parquet({file_name(left)})",
                run_id=run_id,
                now=clock(),
            )
        if note is not None:
            note(connection, found[number])
    commit_by_one_thread(connection)
    return found


def _ingest(
    connection: duckdb.DuckDBPyConnection, batch: Sequence[_Piece], *, run_id: str, now: datetime
) -> dict[int, IngestResult]:
    """Merge pieces of different files; those that were typed together, together."""
    found = {number: IngestResult() for number, _, _ in batch}
    of_file: dict[Path, list[tuple[int, Staged]]] = {}
    for number, piece, _ in batch:
        if piece is not None:
            of_file.setdefault(piece.file, []).append((number, piece))
    rank = PersonRank.INGESTION
    for pieces in of_file.values():
        numbers, sources = zip(*pieces, strict=True)
        results = (
            ingest_together(connection, sources, run_id=run_id, now=now, rank=rank)
            if len(sources) > 1
            else [ingest(connection, sources[0], run_id=run_id, now=now, rank=rank)]
        )
        found |= dict(zip(numbers, results, strict=True))
    return found


def _typed(
    file: Path, name: str, mapping: EventMapping, days: LoadedDays, waiting: Path
) -> StagedFile:
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
) -> StagedFile:
    with _telling_damage(exported.name):
        found = connection.execute(counted(exported, mapping, days)).fetchone()
        counts = _counts(found or (0, 0, 0, 0))
        staged = StagedFile(waiting, (), None, counts)
        if staged.rows:
            wanted = wire_rows(exported, mapping, f"{days.are_left} IS NOT TRUE")
            pieces = write_pieces(connection, wanted, mapping, waiting / "pieces")
            staged = replace(staged, pieces=tuple(pieces))
        if counts.misdated:
            misdated = _set_aside(connection, exported, mapping, days, waiting)
            staged = replace(staged, misdated=(misdated, days.reason))
    return staged


def _type_together(
    connection: duckdb.DuckDBPyConnection,
    exported: ExportedFile,
    files: int,
    mapping: EventMapping,
    days: LoadedDays,
    waiting: Path,
) -> list[StagedFile]:
    with _telling_damage(f"one of {files} files from {exported.name} on"):
        found = connection.execute(counted(exported, mapping, days)).fetchall()
        counts = {place: _counts(counted_rows) for place, *counted_rows in found}
        staged = [
            StagedFile(waiting, (), None, counts.get(place, TakenIn())) for place in range(files)
        ]
        if any(one.rows for one in staged):
            pieces = iter(
                write_together(
                    connection,
                    wire_rows(exported, mapping, f"{days.are_left} IS NOT TRUE"),
                    mapping,
                    waiting / "together.parquet",
                    [one.rows for one in staged if one.rows],
                )
            )
            staged = [replace(one, pieces=(next(pieces),)) if one.rows else one for one in staged]
        if any(one.counts.misdated for one in staged):
            # All of them with each: whatever is set aside is so once.
            left = (_set_aside(connection, exported, mapping, days, waiting), days.reason)
            staged = [replace(one, misdated=left) if one.counts.misdated else one for one in staged]
    return staged


def _counts(found: Sequence[int]) -> TakenIn:
    rows, asked_for, wrong, history = found
    return TakenIn(rows=rows, not_asked_for=rows - asked_for, misdated=wrong, history=history)


def _set_aside(
    connection: duckdb.DuckDBPyConnection,
    exported: ExportedFile,
    mapping: EventMapping,
    days: LoadedDays,
    waiting: Path,
) -> Path:
    """Write what is misdated to a file of its own."""
    left = wire_rows(
        exported,
        mapping,
        f"{days.are_left} AND {days.are_history} IS NOT TRUE",
        are_set_aside=True,
    )
    misdated = waiting / "misdated.parquet"
    copy(connection, f"SELECT to_json(fields)::VARCHAR AS content FROM {left}", misdated)
    return misdated


@contextmanager
def _telling_damage(name: str) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and _is_full(error):
            raise
        raise damaged(name) from error


def _plus(total: TakenIn, found: IngestResult, *, is_whole: bool) -> TakenIn:
    ingested = IngestResult(**{one.name: getattr(total, one.name) for one in fields(IngestResult)})
    added = ingested + found
    return replace(
        total,
        **{one.name: getattr(added, one.name) for one in fields(IngestResult)},
        is_whole=is_whole,
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
