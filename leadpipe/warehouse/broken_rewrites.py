"""Files of a table written anew, of which nobody knows whether the catalog took them.

As `broken_commits.py`, for what maintenance does: it replaces what the catalog says of a table's files, the
old ones with it, so that its commit cannot be undone by its snapshot. What the catalog said is set aside
before, in tables beside it, and put back where files are gone that the catalog names since. Those of before
are there still: maintenance removes none until a day later, and erasure not before all tables are written.
"""

from typing import TYPE_CHECKING

import duckdb

from leadpipe.warehouse.broken_commits import FILES, is_there

if TYPE_CHECKING:
    import psycopg

_ASIDE = "leadpipe_before_"
_OF_A_TABLE = (
    "ducklake_data_file",
    "ducklake_delete_file",
    "ducklake_file_column_stats",
    "ducklake_file_partition_value",
    "ducklake_file_variant_stats",
    "ducklake_table_column_stats",
    "ducklake_table_stats",
)
_SCHEDULED = "ducklake_files_scheduled_for_deletion"
_ITS_ID = f"(SELECT table_id FROM {_ASIDE}ducklake_table_stats)"
_IS_ASIDE = f"SELECT to_regclass('{_ASIDE}{_SCHEDULED}') IS NOT NULL"
_ONE_AT_A_TIME = f"SELECT pg_advisory_xact_lock(hashtext('{_ASIDE}'))"


def set_aside(catalog: "psycopg.Connection", table: str) -> None:
    """Keep what the catalog says of a table's files, before they are written anew.

    Args:
        catalog: has all locks; nothing is set aside yet.
        table: its name.
    """
    (table_id,) = catalog.execute(
        "SELECT table_id FROM ducklake_table WHERE table_name = %s AND end_snapshot IS NULL",
        [table],
    ).fetchall()[0]
    with catalog.transaction():
        for name in _OF_A_TABLE:
            catalog.execute(
                f"CREATE TABLE {_ASIDE}{name} AS SELECT * FROM {name} WHERE table_id = {table_id}"
            )
        catalog.execute(f"CREATE TABLE {_ASIDE}{_SCHEDULED} AS TABLE {_SCHEDULED}")


def forget(catalog: "psycopg.Connection") -> None:
    """Let go of what was set aside: the files are written, or certainly not."""
    with catalog.transaction():
        _forget(catalog)


def put_back(catalog: "psycopg.Connection", connection: duckdb.DuckDBPyConnection) -> bool:
    """Look at what was set aside and not let go: put it back where files are gone. Whether that was so.

    Args:
        catalog: has a lock; whoever else has one has looked before.
        connection: looks for files, in a bucket or a folder.
    """
    if catalog.execute(_IS_ASIDE).fetchone() != (True,):
        return False
    with catalog.transaction():
        catalog.execute(_ONE_AT_A_TIME)
        if catalog.execute(_IS_ASIDE).fetchone() != (True,):
            return False
        is_broken = not all(is_there(connection, path) for path in _new_files(catalog))
        if is_broken:
            for name in _OF_A_TABLE:
                catalog.execute(f"DELETE FROM {name} WHERE table_id IN {_ITS_ID}")
                catalog.execute(f"INSERT INTO {name} TABLE {_ASIDE}{name}")
            catalog.execute(
                f"DELETE FROM {_SCHEDULED} WHERE path NOT IN (SELECT path FROM {_ASIDE}{_SCHEDULED})"
            )
        _forget(catalog)
    return is_broken


def _new_files(catalog: "psycopg.Connection") -> list[str]:
    """Where the files are that the catalog names since."""
    found = catalog.execute(
        f"{FILES} WHERE table_id IN {_ITS_ID} AND file.path NOT IN (SELECT path FROM "
        f"{_ASIDE}ducklake_data_file UNION ALL SELECT path FROM {_ASIDE}ducklake_delete_file)"
    ).fetchall()
    return [str(path) for (path,) in found]


def _forget(catalog: "psycopg.Connection") -> None:
    for name in (*_OF_A_TABLE, _SCHEDULED):
        catalog.execute(f"DROP TABLE {_ASIDE}{name}")
