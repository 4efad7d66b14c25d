"""Publish tables as Parquet for readers: pages, the CLI, BI tools. They never touch the DuckDB file.

A publication is a folder of Parquet files that is complete before anyone can see it: the link
`current` is swapped to it in one atomic rename, and the publication before it is kept, so a reader
that has just opened a file can finish. What did not change is linked, not written again.
The warehouse keeps in `published_files` which file it wrote from which state, under a name that no other
file has: one of another warehouse, or of what was after a backup, is never taken for its own.
Tables with personal data lie in a folder beside the publications, so that a publication can be shared with
others. What is published, and from which query, is the caller's business.
"""

import glob
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from leadpipe.warehouse.transactions import fence, is_shared

CURRENT = "current"
_ONLY = ""
"""The place of the publications of a warehouse that one machine has."""


@dataclass(frozen=True)
class Published:
    """One file to publish.

    Args:
        name: the file's path inside the publication, without `.parquet` (`listings`, or
            `listing_analytics/2026-11` for a part of a larger table).
        query: the SELECT that gives its rows, in a fixed order, so that equal tables give equal files.
        version: where given, what changes whenever the rows do: a file of the same version, query and
            columns is linked from the last publication instead of written.
        parameters: the values of the query's `$parameters`.
        is_personal: it holds personal data, and is in no publication that is shared.
    """

    name: str
    query: str
    version: int | str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    is_personal: bool = False


def place_of(publication: Path, *, is_personal: bool) -> Path:
    """Where files of a publication lie: in it, or those with personal data in a folder beside all of them."""
    if not is_personal:
        return publication
    return publication.parent.with_name(f"{publication.parent.name}-personal") / publication.name


def publish(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Iterable[Published],
    *,
    is_anew: bool = False,
) -> tuple[str, int]:
    """Write a publication and make it the current one; run it inside a transaction.

    Args:
        connection: where the queries run, so that all files are of one moment.
        folder: where publications lie; made if it is not there.
        tables: what to publish.
        is_anew: write every file, also those of an unchanged version.

    Returns:
        The publication's name and how many files had to be written.

    Raises:
        WarehouseLocked: another machine may publish to the folder by now; what is there stays.
    """
    try:
        return _publish(connection, folder, tables, is_anew=is_anew)
    except (OSError, duckdb.IOException):
        fence(connection)  # another machine, which has the lock now, may have removed our files
        raise


def _publish(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Iterable[Published],
    *,
    is_anew: bool,
) -> tuple[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    place = _id_of(folder) if is_shared(connection) else _ONLY
    current = folder / CURRENT
    previous = current.resolve() if current.is_symlink() else None
    number = int(previous.name.removeprefix("v")) + 1 if previous else 1
    # A name that nobody else has, until it is whole.
    fresh = folder / f"v{number:06d}.{uuid.uuid4().hex[:12]}"
    for is_personal in (False, True):
        files = place_of(fresh, is_personal=is_personal)
        for unfinished in files.parent.glob("v[0-9]*.*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        files.mkdir(parents=True)
    files.parent.chmod(0o700)  # whatever the folder beside it is shared with
    written = 0
    before = _remembered(connection, place)
    now: dict[str, _Part] = {}
    columns: dict[str, object] = {}
    for table in tables:
        state = None if table.version is None else _state_of(connection, table, columns)
        part = before.get(table.name)
        if state and previous and not is_anew and part and part.state == state:
            kept = place_of(previous, is_personal=table.is_personal) / part.file
            if kept.exists():
                target = place_of(fresh, is_personal=table.is_personal) / part.file
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(kept, target)
                now[table.name] = part
                continue
        file_name = f"{table.name}.parquet"
        if state:
            file_name = f"{table.name}.{uuid.uuid4().hex[:12]}.parquet"
        target = place_of(fresh, is_personal=table.is_personal) / file_name
        target.parent.mkdir(parents=True, exist_ok=True)
        (rows,) = connection.execute(
            f"COPY ({table.query}) TO '{_quoted(target)}' (FORMAT parquet, CODEC zstd)",
            dict(table.parameters) or None,
        ).fetchone() or (None,)
        written += 1
        if state:
            now[table.name] = _Part(state, file_name, rows)
    fence(connection)
    fresh = _finished(fresh)
    _swap(current, fresh)
    if now != before:
        _remember(connection, place, now)
    _forget_all_but(fresh, previous)
    return fresh.name, written


def _finished(fresh: Path) -> Path:
    """Give a publication that is whole its name; gives where it is then."""
    finished = fresh.with_name(fresh.name.partition(".")[0])
    for is_personal in (True, False):
        target = place_of(finished, is_personal=is_personal)
        shutil.rmtree(target, ignore_errors=True)  # of a process killed before the link was swapped
        place_of(fresh, is_personal=is_personal).rename(target)
    return finished


@dataclass(frozen=True)
class _Part:
    """What is remembered of a file: its state, its name and, if a publication counted them, its rows."""

    state: str
    file: str
    rows: int | None


def _forget_all_but(fresh: Path, previous: Path | None) -> None:
    """Remove publications that no reader can have open any more."""
    kept = {fresh.name, previous.name if previous else fresh.name}
    for folder in (fresh.parent, place_of(fresh, is_personal=True).parent):
        for old in folder.glob("v[0-9]*"):
            if old.name not in kept:
                shutil.rmtree(old, ignore_errors=True)


def tables_in(publication: Path, *, with_personal: bool = True) -> list[str]:
    """The tables of a publication: `t.parquet`, or `t/*.parquet` for one in parts."""
    return sorted(
        path.name if path.is_dir() else path.name.partition(".")[0]
        for place in (_places(publication) if with_personal else [publication])
        for path in place.iterdir()
        if path.is_dir() or path.suffix == ".parquet"
    )


@dataclass(frozen=True)
class TableFiles:
    """What a publication has of a table: `path` is its file, or the folder of its parts."""

    path: Path
    rows: int
    bytes: int


def measure_tables(
    connection: duckdb.DuckDBPyConnection, publication: Path
) -> Mapping[str, TableFiles]:
    """How many rows and bytes each table of a publication has; no row is read.

    The rows of parts were counted when they were written; those of other files stand in their feet.
    """
    places = [(place, file) for place in _places(publication) for file in place.rglob("*.parquet")]
    known = _rows_of_parts(connection, publication.parent)
    rows_of = {
        file: known[name]
        for place, file in places
        if (name := file.relative_to(place).as_posix()) in known
    }
    rows_of |= _rows_by_feet(connection, [file for _, file in places if file not in rows_of])
    found: dict[str, TableFiles] = {}
    for place, file in sorted(places):
        path = place / file.relative_to(place).parts[0]
        name = path.name.partition(".")[0]
        before = found.get(name, TableFiles(path, 0, 0))
        size = file.stat().st_size
        found[name] = TableFiles(path, before.rows + rows_of[file], before.bytes + size)
    return found


def _rows_of_parts(connection: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, int]:
    """By name below its publication the rows of each part that this warehouse counted."""
    place = _id_of(folder) if is_shared(connection) else _ONLY
    parts = _remembered(connection, place).values()
    return {part.file: part.rows for part in parts if part.rows is not None}


def _rows_by_feet(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> dict[Path, int]:
    if not files:
        return {}
    counted = connection.execute(
        "SELECT file_name, num_rows FROM parquet_file_metadata($files)",
        {"files": [glob.escape(str(file)) for file in files]},
    ).fetchall()
    return {Path(file): rows for file, rows in counted}


def view_table(connection: duckdb.DuckDBPyConnection, publication: Path, table: str) -> None:
    """Let a connection read a published table under its name."""
    path = files_of(publication, table).replace("'", "''")
    connection.execute(f"CREATE VIEW IF NOT EXISTS {table} AS SELECT * FROM read_parquet('{path}')")


def files_of(publication: Path, table: str) -> str:
    """The Parquet files of a published table, as a pattern that `read_parquet` takes."""
    found = [place / table for place in _places(publication)]
    parts = next((p for p in found if p.is_dir() or p.with_suffix(".parquet").exists()), found[0])
    return f"{glob.escape(str(parts))}{'/*' if parts.is_dir() else ''}.parquet"


def _places(publication: Path) -> list[Path]:
    """The folders of a publication; one of an older leadpipe has none for personal data."""
    personal = place_of(publication, is_personal=True)
    return [publication, personal] if personal.is_dir() else [publication]


def _state_of(
    connection: duckdb.DuckDBPyConnection, table: Published, columns: dict[str, object]
) -> str:
    """A short text that is another one when the version, the query or its columns are.

    `columns` are those of queries so far: parts of a table have one.
    """
    if table.query not in columns:
        description = connection.execute(
            f"SELECT * FROM ({table.query}) LIMIT 0", dict(table.parameters) or None
        ).description
        columns[table.query] = [column[:2] for column in description]
    parts = (
        table.version,
        table.query,
        sorted(table.parameters.items()),
        columns[table.query],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _remembered(connection: duckdb.DuckDBPyConnection, place: str) -> dict[str, _Part]:
    """Each part by name, as it was published last; state and file mean nothing to anybody else."""
    if ("published_files",) not in connection.execute("SHOW TABLES").fetchall():
        connection.execute(
            "CREATE TABLE published_files (name VARCHAR NOT NULL, state VARCHAR NOT NULL, "
            "file VARCHAR NOT NULL, place VARCHAR, row_count BIGINT)"
        )
        return {}
    columns = [name for name, *_ in connection.execute("DESCRIBE published_files").fetchall()]
    for name, kind in (("place", "VARCHAR"), ("row_count", "BIGINT")):
        if name not in columns:
            connection.execute(f"ALTER TABLE published_files ADD COLUMN {name} {kind}")
    rows = connection.execute(
        "SELECT name, state, file, row_count FROM published_files WHERE coalesce(place, $only) = $place",
        {"only": _ONLY, "place": place},
    ).fetchall()
    return {name: _Part(*part) for name, *part in rows}


def _remember(
    connection: duckdb.DuckDBPyConnection, place: str, published: Mapping[str, _Part]
) -> None:
    connection.execute(
        "DELETE FROM published_files WHERE coalesce(place, $only) = $place",
        {"only": _ONLY, "place": place},
    )
    names = sorted(published)
    connection.execute(
        "INSERT INTO published_files BY NAME SELECT unnest($names::VARCHAR[]) AS name, "
        "unnest($states::VARCHAR[]) AS state, unnest($files::VARCHAR[]) AS file, "
        "unnest($rows::BIGINT[]) AS row_count, $place AS place",
        {
            "names": names,
            "states": [published[name].state for name in names],
            "files": [published[name].file for name in names],
            "rows": [published[name].rows for name in names],
            "place": place,
        },
    )


def _id_of(folder: Path) -> str:
    """Which folder it is, wherever it is mounted: machines of a shared warehouse have one each, or one."""
    file = folder / ".id"
    if not file.exists():
        fresh = folder / f".id.{os.getpid()}"
        fresh.write_text(uuid.uuid4().hex)
        fresh.replace(file)  # under the lock of publications, so nobody else makes one now
    return file.read_text()


def _swap(link: Path, target: Path) -> None:
    fresh_link = link.with_name(f".{link.name}.{os.getpid()}")
    fresh_link.unlink(missing_ok=True)
    fresh_link.symlink_to(target.name)
    fresh_link.replace(link)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
