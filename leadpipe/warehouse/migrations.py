"""Apply the domains' migrations: in order, each with its record in one transaction, forward only.

To change a table, a domain appends a function to the MIGRATIONS of its `tables.py`. No keys and no indexes
(they cost four times the load time and memory): uniqueness is the duty of `events/ingest.py` and is
proved by an asset check.
"""

from collections.abc import Callable
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
    applied = _applied(connection)
    if any("/" not in name for name in applied):
        connection.execute(_RENAME)
        applied = _applied(connection)
    domains = {_domain(name) for name in migrations}
    if unknown := {name for name in applied.difference(migrations) if _domain(name) in domains}:
        raise WarehouseTooNew(
            f"This warehouse was written by a newer leadpipe (it has {max(unknown)!r}). "
            "Upgrade leadpipe, or point LEADPIPE_WAREHOUSE at another file."
        )
    missing = [name for name in migrations if name not in applied]
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


def _applied(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}


def _domain(name: str) -> str:
    return name.partition("/")[0]
