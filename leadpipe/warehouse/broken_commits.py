"""Commits of which nobody knows whether they arrived, on a lake whose catalog is in PostgreSQL.

When the connection to the catalog breaks within a commit, DuckLake takes it for failed and removes the files
that were written; PostgreSQL may have committed all the same, and the catalog names files that are gone. So
who commits leaves a note of it beside the catalog, and takes it back afterwards. Who owns the locks next and
finds a note looks whether files are missing, and undoes such a commit: nothing of it could be read, and
whoever made it was told to do it again.
"""

import glob
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import psycopg

_TABLE = "CREATE TABLE IF NOT EXISTS leadpipe_commits (token TEXT, lock TEXT, after BIGINT)"
FILES = """
    SELECT
        CASE WHEN file.path_is_relative THEN
            CASE WHEN t.path_is_relative THEN
                CASE WHEN s.path_is_relative THEN
                    (SELECT value FROM ducklake_metadata WHERE key = 'data_path' AND scope IS NULL)
                ELSE '' END || coalesce(s.path, '')
            ELSE '' END || coalesce(t.path, '')
        ELSE '' END || file.path
    FROM (
        SELECT path, path_is_relative, table_id, begin_snapshot FROM ducklake_data_file
        UNION ALL
        SELECT path, path_is_relative, table_id, begin_snapshot FROM ducklake_delete_file
    ) AS file
    JOIN ducklake_table AS t USING (table_id)
    JOIN ducklake_schema AS s USING (schema_id)
"""
"""Where files are: of rows, and of deletions. A WHERE says which (`file`)."""
# What maintenance has rewritten cannot be undone like this: see `broken_rewrites.py`.
_UNDOABLE = """
    SELECT snapshot_id FROM ducklake_snapshot_changes
    WHERE snapshot_id > %s AND NOT coalesce(changes_made, '') ~ '(compact|merge|rewrite|flush)'
    ORDER BY snapshot_id DESC
"""


def note_commit(catalog: "psycopg.Connection", locks: Collection[str]) -> str:
    """Say that a commit under these locks is about to begin; gives its token."""
    token = os.urandom(16).hex()
    catalog.execute(
        "INSERT INTO leadpipe_commits SELECT %s, unnest(%s::TEXT[]), max(snapshot_id) FROM ducklake_snapshot",
        [token, list(locks)],
    )
    return token


def forget_commit(catalog: "psycopg.Connection", token: str) -> None:
    """Say that a commit is over; a note that stays costs the next owner a look."""
    from psycopg import Error  # noqa: PLC0415 - only a shared warehouse has it

    with suppress(Error):
        catalog.execute("DELETE FROM leadpipe_commits WHERE token = %s", [token])


def mend(
    catalog: "psycopg.Connection", connection: duckdb.DuckDBPyConnection, locks: Collection[str]
) -> int:
    """Undo commits under locks that we own whose files are missing; how many.

    Args:
        catalog: has the locks.
        connection: looks for files, in a bucket or a folder.
        locks: those we own.
    """
    catalog.execute(_TABLE)
    notes = catalog.execute(
        "SELECT token, min(after) FROM leadpipe_commits WHERE lock = ANY(%s) GROUP BY token",
        [list(locks)],
    ).fetchall()
    undone = 0
    for token, after in notes:
        snapshots = catalog.execute(_UNDOABLE, [after]).fetchall()
        for (snapshot,) in snapshots:
            files = [
                path
                for (path,) in catalog.execute(
                    f"{FILES} WHERE file.begin_snapshot = %s", [snapshot]
                ).fetchall()
            ]
            if not all(is_there(connection, path) for path in files):
                with catalog.transaction():
                    _undo(catalog, snapshot)
                undone += 1
        forget_commit(catalog, token)
    return undone


def is_there(connection: duckdb.DuckDBPyConnection, path: str) -> bool:
    """Whether a file is where the catalog says, in a bucket or a folder.

    Raises:
        duckdb.Error: the store does not say.
    """
    if "://" not in path:
        return Path(path).exists()
    # DuckDB asks the store for patterns only, and takes any other path for a file.
    pattern = f"{glob.escape(path[:-1])}[{path[-1]}]"
    found = connection.execute("SELECT file FROM glob(?)", [pattern]).fetchall()
    return (path,) in found


def _undo(catalog: "psycopg.Connection", snapshot: int) -> None:
    """Let the catalog be as if a snapshot had changed nothing."""
    catalog.execute(
        "UPDATE ducklake_table_stats AS stats SET record_count = stats.record_count - gone.rows FROM ("
        "SELECT table_id, sum(record_count) AS rows FROM ducklake_data_file WHERE begin_snapshot = %s "
        "GROUP BY table_id) AS gone WHERE stats.table_id = gone.table_id",
        [snapshot],
    )
    gone = "(SELECT data_file_id FROM ducklake_data_file WHERE begin_snapshot = %s)"
    for table, column in _columns(catalog):
        name = f'"{table}"'
        if column == "data_file_id" and table.startswith("ducklake_file_"):
            catalog.execute(f"DELETE FROM {name} WHERE data_file_id IN {gone}", [snapshot])
    for table, column in _columns(catalog):
        name = f'"{table}"'
        if column == "begin_snapshot":
            catalog.execute(f"DELETE FROM {name} WHERE begin_snapshot = %s", [snapshot])
        elif column == "end_snapshot":
            catalog.execute(
                f"UPDATE {name} SET end_snapshot = NULL WHERE end_snapshot = %s", [snapshot]
            )


def _columns(catalog: "psycopg.Connection") -> list[tuple[str, str]]:
    """The tables of DuckLake's own, with the columns by which rows belong to snapshots and files."""
    rows = catalog.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name LIKE 'ducklake\\_%' "
        "AND column_name IN ('begin_snapshot', 'end_snapshot', 'data_file_id') "
        "ORDER BY table_name, column_name"
    ).fetchall()
    return [(str(table), str(column)) for table, column in rows]
