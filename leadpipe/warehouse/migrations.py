"""Apply the domains' migrations: in order, each with its record in one transaction, forward only.

To change a table, a domain appends a function to the MIGRATIONS of its `tables.py`. No keys and no indexes
(they cost four times the load time and memory): uniqueness is the duty of `events/ingest.py` and is
proved by an asset check. Tables of a domain's STATE are small: where they are in PostgreSQL, they have keys.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb

from leadpipe.domains import HasTables, InState, Split, owners, parts
from leadpipe.errors import DomainMisfit, WarehouseTooNew
from leadpipe.warehouse.lake import quoted, search_path, state_first, state_of
from leadpipe.warehouse.sql import has_table

Function = Callable[[duckdb.DuckDBPyConnection], None]
Migration = Function | InState | Split

# Up to 0.2.0 one list had a number and a function a domain, each the first of its domain: 0002_leads.
_RENAME = r"""
    UPDATE migrations SET name = regexp_replace(name, '^\d{4}_(\w+)$', '\1/create_tables')
    WHERE regexp_matches(name, '^\d{4}_\w+$')
"""


def gather_migrations() -> dict[str, Migration]:
    """The domains' migrations by name (`leads/create_tables`), in order.

    Raises:
        DomainMisfit: two domains own a table of one name.
    """
    found = list(parts(HasTables))
    owners(((domain, table) for domain, part in found for table in part.TABLES), "table")
    return {f"{domain}/{_name(one)}": one for domain, part in found for one in part.MIGRATIONS}


def gather_state() -> dict[str, Sequence[str]]:
    """The tables of what people typed and what is under way, each with the columns of its key.

    Raises:
        DomainMisfit: a domain's state is no table of it.
    """
    found: dict[str, Sequence[str]] = {}
    for domain, part in parts(HasTables):
        if strange := sorted({*part.STATE} - {*part.TABLES}):
            raise DomainMisfit(
                f"leadpipe.{domain}.tables has {strange[0]!r} in STATE, but not in TABLES"
            )
        found |= part.STATE
    return found


def migrate(
    connection: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    migrations: Mapping[str, Migration] | None = None,
) -> int:
    """Apply what is missing, in order; return how many were applied.

    Where the state is a database of its own, it comes first, so that a migration of the lake may read it.
    The tables of a domain that is gone stay as they are.

    Raises:
        WarehouseTooNew: a domain's tables have a migration this version does not know.
    """
    migrations = gather_migrations() if migrations is None else migrations
    state = state_of(connection)
    if state is None:
        return _apply(connection, _whole(migrations), migrations, now)
    with state_first(connection):
        applied = _apply(connection, _state_side(migrations), migrations, now)
        _fit_postgres(connection, state)
    return applied + _apply(connection, _lake_side(migrations), migrations, now)


def is_behind(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether migrations are missing, on whichever side; writes nothing.

    Raises:
        WarehouseTooNew: as in `migrate`.
    """
    migrations = gather_migrations()
    state = state_of(connection)
    if state is None:
        return _lacks(connection, _whole(migrations), migrations)
    with state_first(connection):
        is_state_behind = _lacks(connection, _state_side(migrations), migrations)
    return (
        is_state_behind
        or _lacks(connection, _lake_side(migrations), migrations)
        or bool(_json_columns(connection, state) or _keys_missing(connection, state))
    )


def _apply(
    connection: duckdb.DuckDBPyConnection,
    functions: Mapping[str, Function],
    migrations: Iterable[str],
    now: datetime,
) -> int:
    """Apply what is missing of one side: that whose name stands first in the search path."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name VARCHAR NOT NULL, applied_at TIMESTAMPTZ)"
    )
    known = applied(connection)
    if any("/" not in name for name in known):
        connection.execute(_RENAME)
        known = applied(connection)
    refuse_newer(known, migrations)
    missing = [name for name in functions if name not in known]
    for name in missing:
        connection.execute("BEGIN TRANSACTION")
        try:
            functions[name](connection)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [name, now])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return len(missing)


def _lacks(
    connection: duckdb.DuckDBPyConnection,
    functions: Mapping[str, Function],
    migrations: Iterable[str],
) -> bool:
    database, _, schema = search_path(connection).partition(",")[0].partition(".")
    if not has_table(connection, database, schema, "migrations"):
        return True
    known = applied(connection)
    refuse_newer(known, migrations)
    return not known.issuperset(functions)


def refuse_newer(known: Collection[str], migrations: Iterable[str] | None = None) -> None:
    """Refuse a warehouse that has migrations of our domains that we do not know.

    Raises:
        WarehouseTooNew: it has.
    """
    ours = {*(gather_migrations() if migrations is None else migrations)}
    domains = {_domain(name) for name in ours}
    if unknown := {name for name in {*known} - ours if _domain(name) in domains}:
        raise WarehouseTooNew(
            f"This warehouse was written by a newer leadpipe (it has {max(unknown)!r}). "
            "Upgrade leadpipe, or point LEADPIPE_WAREHOUSE at another file."
        )


def applied(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the migrations that were applied."""
    return {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}


def _domain(name: str) -> str:
    return name.partition("/")[0]


def _name(migration: Migration) -> str:
    match migration:
        case InState(function) | Split(function, _):
            return function.__name__
    return migration.__name__


def _whole(migrations: Mapping[str, Migration]) -> dict[str, Function]:
    """Both sides of each, where they are one database."""
    return {name: _both(one) for name, one in migrations.items()}


def _both(migration: Migration) -> Function:
    match migration:
        case InState(function):
            return function
        case Split(lake, state):

            def apply(connection: duckdb.DuckDBPyConnection) -> None:
                lake(connection)
                state(connection)

            return apply
    return migration


def _lake_side(migrations: Mapping[str, Migration]) -> dict[str, Function]:
    return {
        name: one.lake if isinstance(one, Split) else one
        for name, one in migrations.items()
        if not isinstance(one, InState)
    }


def _state_side(migrations: Mapping[str, Migration]) -> dict[str, Function]:
    return {
        name: one.state if isinstance(one, Split) else one.function
        for name, one in migrations.items()
        if isinstance(one, InState | Split)
    }


def _fit_postgres(connection: duckdb.DuckDBPyConnection, state: str) -> None:
    """Make JSON a text, since PostgreSQL's takes no text of DuckDB's, and see that the keys are there."""
    for table, column in _json_columns(connection, state):
        _in_postgres(connection, state, f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text")
    for table, key in _keys_missing(connection, state).items():
        columns = ", ".join(key)
        _in_postgres(connection, state, f"CREATE UNIQUE INDEX {table}_key ON {table} ({columns})")
    connection.execute("CALL pg_clear_cache()")


def _json_columns(connection: duckdb.DuckDBPyConnection, state: str) -> list[tuple[str, str]]:
    """Table and column of what is JSON there; DuckDB's own list of columns says VARCHAR of some."""
    return _of_postgres(
        connection,
        state,
        "SELECT table_name::text, column_name::text FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type IN ('json', 'jsonb')",
    )


def _keys_missing(connection: duckdb.DuckDBPyConnection, state: str) -> dict[str, Sequence[str]]:
    found = _of_postgres(
        connection,
        state,
        "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'",
    )
    there = {name for (name,) in found}
    return {
        table: key for table, key in gather_state().items() if key and f"{table}_key" not in there
    }


def _of_postgres(
    connection: duckdb.DuckDBPyConnection, state: str, query: str
) -> list[tuple[Any, ...]]:
    found = connection.execute(f"FROM postgres_query({quoted(state)}, {quoted(query)})")
    return found.fetchall()


def _in_postgres(connection: duckdb.DuckDBPyConnection, state: str, statement: str) -> None:
    connection.execute(f"CALL postgres_execute({quoted(state)}, {quoted(statement)})")
