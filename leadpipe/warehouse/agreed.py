"""Facts on which all machines of a shared warehouse agree, kept beside its catalog in PostgreSQL.

For what has to be known before the warehouse can be opened. The first to say a fact decides it.
"""

from functools import cache

from leadpipe.warehouse.locks import session

_TABLE = "CREATE TABLE IF NOT EXISTS leadpipe_agreed (name TEXT PRIMARY KEY, value TEXT NOT NULL)"


@cache
def agreed(postgres: str, name: str, proposed: str) -> str:
    """The value of a fact: the proposed one where nobody has said another.

    Args:
        postgres: how libpq connects to the catalog.
        name: of the fact.
        proposed: what it is if it is not known yet.

    Raises:
        WarehouseUnreachable: PostgreSQL does not answer.
    """
    with session(postgres) as connection:
        # Two that make the table at one moment would clash in PostgreSQL's own tables.
        connection.execute("SELECT pg_advisory_lock(hashtext('leadpipe_agreed'))")
        connection.execute(_TABLE)
        connection.execute(
            "INSERT INTO leadpipe_agreed VALUES (%s, %s) ON CONFLICT DO NOTHING", [name, proposed]
        )
        found = connection.execute(
            "SELECT value FROM leadpipe_agreed WHERE name = %s", [name]
        ).fetchone()
    return str(found[0]) if found else proposed
