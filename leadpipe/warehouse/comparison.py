"""Compare a publication with the warehouse: the same rows, whatever their order.

What is published, and from which query, is the caller's business.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from leadpipe.warehouse.publish import CURRENT, Published, place_of


def differing(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    tables: Iterable[Published],
    *,
    is_whole: bool,
) -> list[str]:
    """The files of the current publication that do not have the rows of their queries, by name.

    Compared are the columns, how many rows there are, and a checksum of them.

    Args:
        connection: where the queries run.
        folder: where publications lie.
        tables: what should be published.
        is_whole: compare the rows of all files; else, of those that were linked from the publication
            before, only how many there are.
    """
    current = (folder / CURRENT).resolve()
    places = [place_of(current, is_personal=is_personal) for is_personal in (False, True)]
    left = {path: place for place in places for path in place.rglob("*.parquet")}
    wrong: list[str] = []
    columns: dict[str, list[str]] = {}  # of queries so far: parts of a table have one
    for table in tables:
        files = sorted(places[table.is_personal].glob(f"{table.name}.*parquet"))
        for file in files:
            del left[file]
        if len(files) != 1 or not _are_equal(
            connection, table, files[0], columns, is_whole=is_whole
        ):
            wrong.append(table.name)
    return wrong + sorted(str(path.relative_to(place)) for path, place in left.items())


def _are_equal(
    connection: duckdb.DuckDBPyConnection,
    table: Published,
    file: Path,
    columns_of: dict[str, list[str]],
    *,
    is_whole: bool,
) -> bool:
    is_linked = file.stat().st_nlink > 1  # a file written for this publication has one name
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
    if is_linked and not is_whole:
        there = table.counted_by or f"SELECT count(*) FROM ({table.query})"
        parameters = dict(table.parameters) or None
        return (
            connection.execute(there, parameters).fetchone()
            == connection.execute(f"SELECT count(*) FROM ({stored})").fetchone()
        )
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
