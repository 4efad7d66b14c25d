"""Apply the domains' migrations: in order, each with its record in one transaction, forward only.

To change a table, a domain appends a function to the MIGRATIONS of its `tables.py`. No keys and no indexes
(they cost four times the load time and memory): uniqueness is the duty of `events/ingest.py` and is
proved by an asset check.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import duckdb

from leadpipe.domains import HasTables, owners, parts
from leadpipe.errors import WarehouseTooNew

Migration = Callable[[duckdb.DuckDBPyConnection], None]

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
    return {f"{domain}/{one.__name__}": one for domain, part in found for one in part.MIGRATIONS}


def migrate(
    connection: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    migrations: dict[str, Migration] | None = None,
) -> int:
    """Apply what is missing, in order; return how many were applied.

    The tables of a domain that is gone stay as they are.

    Raises:
        WarehouseTooNew: a domain's tables have a migration this version does not know.
    """
    migrations = gather_migrations() if migrations is None else migrations
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name VARCHAR NOT NULL, applied_at TIMESTAMPTZ)"
    )
    known = applied(connection)
    if any("/" not in name for name in known):
        connection.execute(_RENAME)
        known = applied(connection)
    refuse_newer(known, migrations)
    missing = [name for name in migrations if name not in known]
    for name in missing:
        connection.execute("BEGIN TRANSACTION")
        try:
            migrations[name](connection)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [name, now])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return len(missing)


def is_behind(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether migrations are missing; writes nothing.

    Raises:
        WarehouseTooNew: as in `migrate`.
    """
    if ("migrations",) not in connection.execute("SHOW TABLES").fetchall():
        return True
    known = applied(connection)
    refuse_newer(known)
    return any(name not in known for name in gather_migrations())


def refuse_newer(known: Collection[str], migrations: Mapping[str, Migration] | None = None) -> None:
    """Refuse a warehouse that has migrations of our domains that we do not know.

    Raises:
        WarehouseTooNew: it has.
    """
    migrations = gather_migrations() if migrations is None else migrations
    domains = {_domain(name) for name in migrations}
    if unknown := {n for n in known if n not in migrations and _domain(n) in domains}:
        raise WarehouseTooNew(
            f"This warehouse was written by a newer leadpipe (it has {max(unknown)!r}). "
            "Upgrade leadpipe, or point LEADPIPE_WAREHOUSE at another file."
        )


def applied(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The names of the migrations that were applied."""
    return {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}


def _domain(name: str) -> str:
    return name.partition("/")[0]
