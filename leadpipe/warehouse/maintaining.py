"""A lake's files kept few and without what was deleted: merged, rewritten, let go when no reader needs them.

Every commit writes files, and what it replaces stays readable until its snapshot expires: that is how one
looks back (`history.py`). Files that nothing refers to any more are removed a day later, so that who reads
them still can end. Erasure waits for nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from leadpipe.errors import WarehouseError, WarehouseUnreachable
from leadpipe.warehouse.connection import Warehouse
from leadpipe.warehouse.failures import is_lost, next_step, reason_of
from leadpipe.warehouse.history import lake_of
from leadpipe.warehouse.lake import quoted
from leadpipe.warehouse.locks import ORDER
from leadpipe.warehouse.sql import read_sql
from leadpipe.warehouse.transactions import owning, transaction, writing_files_anew

_REWRITTEN_FROM = 0.1
"""A file is written anew at night when this share of its rows is deleted."""
_READERS_END = timedelta(days=1)
_WRITERS_END = timedelta(days=2)


@dataclass(frozen=True)
class LakeSize:
    """How much there is: files of rows and of deletions, their bytes, snapshots."""

    files: int
    size: int
    snapshots: int


@dataclass(frozen=True)
class Maintenance:
    """What a lake was before and after, and what was done."""

    before: LakeSize
    after: LakeSize
    tables_tidied: tuple[str, ...]
    tables_busy: tuple[str, ...]
    snapshots_expired: int
    files_removed: int
    orphans_removed: int


def maintain(warehouse: Warehouse, *, keep: timedelta, now: datetime) -> Maintenance:
    """Merge small files, leave deleted rows out, let snapshots expire, remove what nobody needs.

    Nobody else writes while a table's files are changed, a table at a time; somebody without our locks may
    (a person's shell), and that table waits for the next time.

    Args:
        warehouse: a lake.
        keep: how long one can look back.
        now: UTC.

    Raises:
        WarehouseError: it is no lake, or its files cannot be reached.
        WarehouseLocked: somebody kept a lock.
    """
    with _lake(warehouse) as (connection, name):
        before = _size(connection, name)
        tidied: list[str] = []
        busy: list[str] = []
        for table in _untidy(connection, name):
            with owning(connection, *ORDER):
                (tidied if _tidy(connection, name, table) else busy).append(table)
        with owning(connection, "maintenance"):
            expired = _count(connection, "ducklake_expire_snapshots", name, older_than=now - keep)
            removed = _count(
                connection, "ducklake_cleanup_old_files", name, older_than=now - _READERS_END
            )
            orphans = _count(
                connection, "ducklake_delete_orphaned_files", name, older_than=now - _WRITERS_END
            )
        return Maintenance(
            before=before,
            after=_size(connection, name),
            tables_tidied=tuple(tidied),
            tables_busy=tuple(busy),
            snapshots_expired=expired,
            files_removed=removed,
            orphans_removed=orphans,
        )


def erase(warehouse: Warehouse) -> int:
    """Leave no byte of a deleted row in a lake's files and catalog; its size in bytes then.

    Nobody writes meanwhile, and nothing of before can be looked at afterwards. Who reads an older state at
    this moment has to begin anew.

    Raises:
        WarehouseError: it is no lake, or its files cannot be reached; doing it again is safe.
        WarehouseLocked: somebody kept a lock.
    """
    with _lake(warehouse) as (connection, name), owning(connection, *ORDER):
        for table in _with_deletions(connection, name):
            with writing_files_anew(connection, table):
                _call(connection, "ducklake_rewrite_data_files", name, table, delete_threshold=0)
        # The catalog remembers the least and the greatest value that a column ever had.
        connection.execute(
            read_sql("warehouse", "text_bounds.sql").replace(
                "catalog.", f"__ducklake_metadata_{name}."
            )
        )
        # Other processes read those anew with the next commit that adds a file, and write them back before.
        with transaction(connection):
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name}.erasures (erased_at TIMESTAMPTZ)"
            )
            connection.execute(
                f"INSERT INTO {name}.erasures VALUES (?)", [_last_commit(connection, name)]
            )
        _call(
            connection,
            "ducklake_expire_snapshots",
            name,
            older_than=_last_commit(connection, name) + _READERS_END,
        )
        _call(connection, "ducklake_cleanup_old_files", name, cleanup_all=True)
        _call(connection, "ducklake_delete_orphaned_files", name, cleanup_all=True)
        return _size(connection, name).size


def lake_size(warehouse: Warehouse) -> LakeSize:
    """How much a lake has.

    Raises:
        WarehouseError: it is no lake, or cannot be reached.
    """
    with _lake(warehouse) as (connection, name):
        return _size(connection, name)


@contextmanager
def _lake(warehouse: Warehouse) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A connection, and the lake's name in it."""
    if warehouse.lake is None:
        raise WarehouseError(
            f"The warehouse {warehouse.path} is a file and needs none of this: "
            "only a lake (LEADPIPE_WAREHOUSE=ducklake:…) has files to maintain."
        )
    with warehouse.connect() as connection:
        try:
            yield connection, str(lake_of(connection))
        except duckdb.Error as error:
            raise _cut_short(error) from error
        except WarehouseUnreachable as error:  # of one step, which knows nothing of those before it
            if isinstance(error.__cause__, duckdb.Error):
                raise _cut_short(error.__cause__) from error
            raise


def _cut_short(error: duckdb.Error) -> WarehouseError:
    """What is said where some steps are done, and one is not."""
    kind = WarehouseUnreachable if is_lost(error) else WarehouseError
    step = next_step(error) if is_lost(error) else "Run it again."
    return kind(
        f"The lake's files could not be maintained to the end: {reason_of(error)}. "
        f"What was done stays right, and no row is lost. {step}"
    )


def _untidy(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """Tables that have more than a file, or deletions."""
    return _tables(connection, name, "file_count > 1 OR delete_file_count > 0")


def _with_deletions(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return _tables(connection, name, "delete_file_count > 0")


def _tables(connection: duckdb.DuckDBPyConnection, name: str, are_wanted: str) -> list[str]:
    found = connection.execute(
        f"SELECT table_name FROM ducklake_table_info({quoted(name)}) "
        f"WHERE {are_wanted} ORDER BY table_name"
    ).fetchall()
    return [str(table) for (table,) in found]


def _tidy(connection: duckdb.DuckDBPyConnection, name: str, table: str) -> bool:
    """Rewrite, then merge: files with deletions are not merged. Whether nobody else wrote meanwhile."""
    try:
        with writing_files_anew(connection, table):
            _call(
                connection,
                "ducklake_rewrite_data_files",
                name,
                table,
                delete_threshold=_REWRITTEN_FROM,
            )
        with writing_files_anew(connection, table):
            _call(connection, "ducklake_merge_adjacent_files", name, table)
    except duckdb.TransactionException as error:
        if is_lost(error):
            raise
        return False
    return True


def _size(connection: duckdb.DuckDBPyConnection, name: str) -> LakeSize:
    files, size = connection.execute(
        "SELECT coalesce(sum(file_count + delete_file_count), 0), "
        "coalesce(sum(file_size_bytes + delete_file_size_bytes), 0) "
        f"FROM ducklake_table_info({quoted(name)})"
    ).fetchall()[0]
    snapshots = connection.execute(
        f"SELECT count(*) FROM ducklake_snapshots({quoted(name)})"
    ).fetchall()[0][0]
    return LakeSize(int(files), int(size), int(snapshots))


def _count(
    connection: duckdb.DuckDBPyConnection, function: str, *arguments: str, older_than: datetime
) -> int:
    return len(_call(connection, function, *arguments, older_than=older_than))


def _call(
    connection: duckdb.DuckDBPyConnection,
    function: str,
    *arguments: str,
    **options: float | datetime,
) -> list[tuple[object, ...]]:
    """Call a function of DuckLake's, whose arguments cannot be bound."""
    listed = [
        *map(quoted, arguments),
        *(f"{option} => {_literal(value)}" for option, value in options.items()),
    ]
    return connection.execute(f"CALL {function}({', '.join(listed)})").fetchall()


def _literal(value: float | datetime) -> str:
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ {quoted(value.isoformat())}"
    return str(value).lower()


def _last_commit(connection: duckdb.DuckDBPyConnection, name: str) -> datetime:
    """When the newest state was made, by the clock of whoever made it."""
    moment: datetime = connection.execute(
        f"SELECT max(snapshot_time) FROM ducklake_snapshots({quoted(name)})"
    ).fetchall()[0][0]
    return moment
