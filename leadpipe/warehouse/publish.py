"""Publish tables as Parquet for readers: pages, the CLI, BI tools. They never touch the DuckDB file.

A publication is a folder of Parquet files that is complete before anyone can see it: the link
`current` is swapped to it in one atomic rename, and the publication before it is kept, so a reader
that has just opened a file can finish. What did not change is linked, not written again.
What is published, and from which query, is the caller's business.
"""

import glob
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

CURRENT = "current"


@dataclass(frozen=True)
class Published:
    """One file to publish.

    Args:
        name: the file's path inside the publication, without `.parquet` (`listings`, or
            `listing_analytics/2026-11` for a part of a larger table).
        query: the SELECT that gives its rows, in a fixed order, so that equal tables give equal files.
        version: where given, a number that changes whenever the rows do: a file of the same version
            is linked from the last publication instead of written.
        parameters: the values of the query's `$parameters`.
    """

    name: str
    query: str
    version: int | None = None
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The path below the publication's folder."""
        return (
            f"{self.name}.parquet"
            if self.version is None
            else f"{self.name}.{self.version}.parquet"
        )


def publish(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Iterable[Published],
    *,
    is_anew: bool = False,
) -> tuple[str, int]:
    """Write a publication and make it the current one.

    Args:
        connection: where the queries run.
        folder: where publications lie; made if it is not there.
        tables: what to publish.
        is_anew: write every file, also those of an unchanged version.

    Returns:
        The publication's name and how many files had to be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / CURRENT
    previous = current.resolve() if current.is_symlink() else None
    number = int(previous.name.removeprefix("v")) + 1 if previous else 1
    fresh = folder / f"v{number:06d}"
    shutil.rmtree(fresh, ignore_errors=True)
    written = 0
    for table in tables:
        target = fresh / table.file_name
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = (
            previous / table.file_name
            if previous and table.version is not None and not is_anew
            else None
        )
        if kept is not None and kept.exists():
            os.link(kept, target)
            continue
        connection.execute(
            f"COPY ({table.query}) TO '{_quoted(target)}' (FORMAT parquet, CODEC zstd)",
            dict(table.parameters) or None,
        )
        written += 1
    _swap(current, fresh)
    for old in folder.glob("v[0-9]*"):
        if old.resolve() not in (fresh.resolve(), previous):
            shutil.rmtree(old, ignore_errors=True)
    return fresh.name, written


def tables_in(publication: Path) -> list[str]:
    """The tables of a publication: `t.parquet`, or `t/*.parquet` for one in parts."""
    return sorted(
        path.name if path.is_dir() else path.name.partition(".")[0]
        for path in publication.iterdir()
        if path.is_dir() or path.suffix == ".parquet"
    )


def view_table(connection: duckdb.DuckDBPyConnection, publication: Path, table: str) -> None:
    """Let a connection read a published table under its name."""
    parts = publication / table
    files = f"{glob.escape(str(parts))}{'/*' if parts.is_dir() else ''}.parquet"
    path = files.replace("'", "''")
    connection.execute(f"CREATE VIEW IF NOT EXISTS {table} AS SELECT * FROM read_parquet('{path}')")


def _swap(link: Path, target: Path) -> None:
    fresh_link = link.with_name(f".{link.name}.{os.getpid()}")
    fresh_link.unlink(missing_ok=True)
    fresh_link.symlink_to(target.name)
    fresh_link.replace(link)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
