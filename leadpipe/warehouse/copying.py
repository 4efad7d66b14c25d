"""Every table of a warehouse into another one, between file and lake, proved by hashes that know no order.

A lake with a state of its own has two databases, and a transaction writes to one: the state comes first, the
lake second, with a mark in between by which the next attempt knows that what it finds is its own, half done.
Who decides that this is to happen, and what becomes of the source: `moving.py`, `backup.py`.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from leadpipe.errors import WarehouseError, WarehouseLocked
from leadpipe.warehouse.connection import Warehouse, lock_holder
from leadpipe.warehouse.history import lake_of
from leadpipe.warehouse.lake import quoted, state_of
from leadpipe.warehouse.locks import ORDER
from leadpipe.warehouse.sql import has_table
from leadpipe.warehouse.transactions import owning, transaction

_MARK = "copy_under_way"
_FILE = "copied_file"
MOVED = "moved_away"
"""The table of a lake that is not in force any more; it says where to."""
_OF_THE_PLACE = {"migrations", "published_files", "key_filters", "erasures", _MARK, MOVED}
"""Tables that say something of the place they are in."""


@dataclass(frozen=True)
class Proof:
    """Rows of a table, and two checksums of them that know no order: by XOR, and by sum."""

    rows: int
    mixed: int
    total: int


Proofs = Mapping[str, Proof]
"""By table."""


@dataclass(frozen=True)
class _Table:
    """Where a table is, and its columns."""

    database: str
    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def place(self) -> str:
        return f'"{self.database}"."{self.schema}"."{self.name}"'


def fill_lake(file: Path, lake: Warehouse) -> Proofs:
    """Copy a file's tables into an empty lake; what is in it afterwards.

    Done again after a kill, it goes on: what the lake has of it is replaced, or is equal already.

    Raises:
        WarehouseError: the lake is not empty, a table cannot be copied, or does not come out equal.
        WarehouseLocked: somebody has the file, or a lock.
    """
    with lake.connect() as connection, ExitStack() as stack:
        name, state = str(lake_of(connection)), state_of(connection)
        stack.enter_context(owning(connection, *ORDER))
        stack.enter_context(_attached(connection, file, "(READ_ONLY)"))
        sources = _tables(connection, [_FILE])
        targets = _tables(connection, [name, *([state] if state else [])])
        if has_table(connection, name, _MARK):
            _empty(connection, targets)
        elif full := [one.name for one in targets.values() if _has_rows(connection, one)]:
            return _equal_already(connection, sources, targets, state, full)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name}.{_MARK} (file VARCHAR)")
        found: dict[str, Proof] = {}
        if state:
            with transaction(connection):
                mine = {n: one for n, one in targets.items() if one.database == state}
                found |= _copy(connection, sources, mine, texts=mine)
        with transaction(connection):
            for missing in sources.keys() - targets.keys():
                targets[missing] = _make(connection, sources[missing], name)
            mine = {n: one for n, one in targets.items() if one.database != state}
            found |= _copy(connection, sources, mine, texts=())
            _keep_migrations(connection, name)
            connection.execute(f"DROP TABLE {name}.{_MARK}")
        return found


def fill_file(lake: Warehouse, file: Path, *, is_still: bool) -> Proofs:
    """Copy a lake's tables, and its state's, to a new file; what is in it afterwards.

    Args:
        lake: from where; nothing of it is removed meanwhile.
        file: appears when it is whole.
        is_still: whether nobody may write meanwhile; else only while the two databases are caught at one
            moment.

    Raises:
        WarehouseError: the file exists, a table cannot be copied, or does not come out equal.
        WarehouseLocked: somebody kept a lock.
    """
    if file.exists():
        raise WarehouseError(f"{file} exists; name a new file, nothing is overwritten")
    part = file.with_name(f"{file.name}.part")
    _remove(part)
    try:
        with Warehouse(part, memory_limit=lake.memory_limit).connect():
            pass
        with lake.connect() as connection, ExitStack() as still, ExitStack() as kept:
            databases = [str(lake_of(connection)), *filter(None, [state_of(connection)])]
            writers = [one for one in ORDER if one != "maintenance"]
            still.enter_context(owning(connection, *writers))
            kept.enter_context(owning(connection, "maintenance"))  # the last in the order of all
            kept.enter_context(_attached(connection, part, ""))
            with _at_one_moment(connection):
                for database in databases:
                    connection.execute(f"SELECT 1 FROM {database}.migrations LIMIT 1").fetchall()
                if not is_still:
                    still.close()
                sources = _tables(connection, databases)
                targets = _tables(connection, [_FILE])
                for missing in sources.keys() - targets.keys():
                    targets[missing] = _make(connection, sources[missing], _FILE)
                in_state = [n for n, one in sources.items() if one.database != databases[0]]
                found = _copy(connection, sources, targets, texts=in_state)
            kept.close()
            with part.open("rb") as written:
                os.fsync(written.fileno())
            os.link(part, file)  # fails if somebody has made it meanwhile
    finally:
        _remove(part)
    return found


def leave_word(lake: Warehouse, to: str, *, now: datetime) -> None:
    """Let whoever opens the lake from now on be told that it is not in force any more."""
    with lake.connect() as connection, ExitStack() as stack:
        name = str(lake_of(connection))
        stack.enter_context(transaction(connection, *ORDER))
        connection.execute(
            f"CREATE OR REPLACE TABLE {name}.{MOVED} AS SELECT ? AS moved_to, ? AS moved_at",
            [to, now],
        )


def _copy(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, _Table],
    targets: Mapping[str, _Table],
    *,
    texts: Collection[str],
) -> dict[str, Proof]:
    found = {}
    for name, target in sorted(targets.items()):
        source = sources.get(name)
        if source is None:  # the file is of a version that had it not, and was migrated: it has
            continue
        try:
            connection.execute(f"INSERT INTO {target.place} BY NAME FROM {source.place}")
        except duckdb.Error as error:
            raise WarehouseError(
                f"The table {name} cannot be copied: {str(error).splitlines()[0]}. Nothing was moved."
            ) from error
        before = _prove(connection, source, source.columns, as_text=name in texts)
        after = _prove(connection, target, source.columns, as_text=name in texts)
        if before != after:
            raise WarehouseError(
                f"The table {name} came out as {after}, not as {before}. Nothing was moved."
            )
        found[name] = after
    return found


def _equal_already(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, _Table],
    targets: Mapping[str, _Table],
    state: str | None,
    full: Sequence[str],
) -> Proofs:
    """What a copy that was killed after its last commit had done.

    Raises:
        WarehouseError: the lake has something else.
    """
    found = {}
    for name, source in sources.items():
        target = targets.get(name)
        as_text = target is not None and target.database == state
        if target is None or (
            proof := _prove(connection, target, source.columns, as_text=as_text)
        ) != _prove(connection, source, source.columns, as_text=as_text):
            raise WarehouseError(
                f"The lake is not empty: {', '.join(sorted(full)[:5])} have rows. Name a new database in "
                "LEADPIPE_LAKE_POSTGRES and LEADPIPE_LAKE_STATE and a new prefix in LEADPIPE_LAKE_DATA; "
                "nothing is overwritten."
            )
        found[name] = proof
    return found


def _prove(
    connection: duckdb.DuckDBPyConnection,
    table: _Table,
    columns: Sequence[str],
    *,
    as_text: bool,
) -> Proof:
    """Of these columns; as texts where PostgreSQL has types of its own, and a mark in place of a NUL."""
    quoted_columns = [f'"{column}"' for column in columns]
    values = (
        [f"replace({column}::VARCHAR, chr(0), '\ufffd')" for column in quoted_columns]
        if as_text
        else quoted_columns
    )
    rows, mixed, total = connection.execute(
        "SELECT count(*), coalesce(bit_xor(one), 0), coalesce(sum(one), 0) "
        f"FROM (SELECT hash({', '.join(values)}) AS one FROM {table.place})"
    ).fetchall()[0]
    return Proof(int(rows), int(mixed), int(total))


def _tables(connection: duckdb.DuckDBPyConnection, databases: Sequence[str]) -> dict[str, _Table]:
    """The tables of databases that are not about the place itself, by name."""
    rows = connection.execute(
        "SELECT database_name, schema_name, table_name, list(column_name ORDER BY column_index) "
        "FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, schema_name, table_name) "
        "WHERE database_name IN (SELECT unnest($databases::VARCHAR[])) "
        "AND schema_name IN ('main', 'public') AND NOT duckdb_tables.internal GROUP BY ALL",
        {"databases": list(databases)},
    ).fetchall()
    return {
        name: _Table(database, schema, name, tuple(columns))
        for database, schema, name, columns in rows
        if name not in _OF_THE_PLACE
    }


def _make(connection: duckdb.DuckDBPyConnection, source: _Table, database: str) -> _Table:
    """A table that no domain of ours has: somebody's own, or of a domain that is gone."""
    target = _Table(database, "main", source.name, source.columns)
    try:
        connection.execute(f"CREATE TABLE {target.place} AS FROM {source.place} WHERE false")
    except duckdb.Error as error:
        raise WarehouseError(
            f"The table {source.name}, which is none of leadpipe's, cannot be there: "
            f"{str(error).splitlines()[0]}. Drop it, or change its types; nothing was moved."
        ) from error
    return target


def _keep_migrations(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Of domains that are gone, whose tables came along."""
    connection.execute(
        f"INSERT INTO {name}.migrations SELECT * FROM {_FILE}.migrations AS old WHERE "
        f"split_part(old.name, '/', 1) NOT IN (SELECT split_part(name, '/', 1) FROM {name}.migrations) "
        "AND split_part(old.name, '/', 1) NOT IN (SELECT unnest($state::VARCHAR[]))",
        {"state": _domains_of_state(connection)},
    )


def _domains_of_state(connection: duckdb.DuckDBPyConnection) -> list[str]:
    state = state_of(connection)
    if state is None:
        return []
    found = connection.execute(
        f"SELECT DISTINCT split_part(name, '/', 1) FROM {state}.migrations"
    ).fetchall()
    return [str(domain) for (domain,) in found]


def _has_rows(connection: duckdb.DuckDBPyConnection, table: _Table) -> bool:
    return connection.execute(f"SELECT 1 FROM {table.place} LIMIT 1").fetchone() is not None


def _empty(connection: duckdb.DuckDBPyConnection, targets: Mapping[str, _Table]) -> None:
    """Take back what an attempt that was killed had done, a database after the other."""
    for database in sorted({one.database for one in targets.values()}):
        with transaction(connection):
            for one in targets.values():
                if one.database == database and _has_rows(connection, one):
                    connection.execute(f"DELETE FROM {one.place}")


@contextmanager
def _at_one_moment(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Read both databases of a lake as of one moment; what is written is a file's."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, file: Path, options: str) -> Iterator[None]:
    """A DuckDB file beside a lake, in its instance."""
    try:
        connection.execute(f"ATTACH {quoted(str(file))} AS {_FILE} {options}")
    except duckdb.Error as error:
        is_locked, pid = lock_holder(error)
        if is_locked:
            raise WarehouseLocked(
                f"{file} is in use. End what uses it (daemon, page, a shell), then try again.",
                pid=pid,
            ) from error
        raise WarehouseError(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error
    try:
        yield
    finally:
        connection.execute(f"DETACH {_FILE}")


def _remove(part: Path) -> None:
    for file in (part, part.with_name(f"{part.name}.wal")):
        file.unlink(missing_ok=True)
