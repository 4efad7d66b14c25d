"""Compare a publication with the warehouse: the same rows, whatever their order.

What is published, and from which query, is the caller's business.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import duckdb

from leadpipe.warehouse.publish import CURRENT, Published, place_of


def differing(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Iterable[Published],
    *,
    is_whole: bool,
    among: Collection[str] | None = None,
) -> list[str]:
    """The files of the current publication that do not have the rows of their queries, by name.

    Compared are the columns, how many rows there are, and a checksum of them.

    Args:
        connection: where the queries run.
        folder: where publications lie.
        tables: what should be published.
        is_whole: compare the rows of all files; else of those that were linked from the publication before,
            which were compared when they were written, only that they are there.
        among: only these, by name; files that should not be there are left out then.
    """
    current = (folder / CURRENT).resolve()
    left = {
        is_personal: _files_in(place_of(current, is_personal=is_personal))
        for is_personal in (False, True)
    }
    wrong: list[str] = []
    columns: dict[str, list[str]] = {}  # of queries so far: parts of a table have one
    for table in tables:
        files = left[table.is_personal].pop(table.name, [])
        if among is not None and table.name not in among:
            continue
        if len(files) != 1 or not _are_equal(
            connection, table, files[0], columns, is_whole=is_whole
        ):
            wrong.append(table.name)
    if among is not None:
        return wrong
    return wrong + sorted(
        str(path.relative_to(place_of(current, is_personal=is_personal)))
        for is_personal, files_of in left.items()
        for paths in files_of.values()
        for path in paths
    )


def _files_in(place: Path) -> dict[str, list[Path]]:
    """The Parquet files of a folder by what they are of: `listing_analytics/2026-11`."""
    found: dict[str, list[Path]] = {}
    for path in place.rglob("*.parquet"):
        name = path.relative_to(place).as_posix()
        found.setdefault(name.partition(".")[0], []).append(path)
    return found


def _are_equal(
    connection: duckdb.DuckDBPyConnection,
    table: Published,
    file: Path,
    columns_of: dict[str, list[str]],
    *,
    is_whole: bool,
) -> bool:
    if not is_whole and file.stat().st_nlink > 1:  # one written for this publication has one name
        return True
    path = str(file).replace("'", "''")
    stored = f"SELECT * FROM read_parquet('{path}')"
    types = connection.execute(f"DESCRIBE {stored}").fetchall()
    # Parquet has fewer types than DuckDB: both sides are compared as the file's.
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind, *_ in types)
    names = [name for name, *_ in types]
    if table.query not in columns_of:
        wanted = connection.execute(
            f"SELECT * FROM ({table.query}) LIMIT 0", dict(table.parameters) or None
        ).description
        columns_of[table.query] = [str(column[0]) for column in wanted]
    if names != columns_of[table.query]:
        return False
    what = "(count(*), sum(hash(each)))"
    return _measure(connection, what, stored, {}) == _measure(
        connection, what, f"SELECT {columns} FROM ({table.query})", table.parameters
    )


def _measure(
    connection: duckdb.DuckDBPyConnection, what: str, query: str, parameters: Mapping[str, object]
) -> object:
    return connection.execute(
        f"SELECT {what} FROM ({query}) AS each", dict(parameters) or None
    ).fetchone()
