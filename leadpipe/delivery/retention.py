"""How long the personal data of delivered leads is kept."""

from datetime import datetime, timedelta

import duckdb

from leadpipe.events.wiping import note_deletion
from leadpipe.warehouse import between_databases, has_own_state


def forget_old(connection: duckdb.DuckDBPyConnection, *, days: int | None, now: datetime) -> int:
    """Remove the lead's data of deliveries older than `days`; how many. None keeps everything.

    The outbox keeps number and key, so that an event that comes again is not sent again.
    """
    if days is None:
        return 0
    old = [
        id_
        for (id_,) in connection.execute(
            "SELECT id FROM succeeded_leads WHERE submitted_at < $before",
            {"before": now - timedelta(days=days)},
        ).fetchall()
    ]
    if old:
        if has_own_state(connection):
            # Noted before and after: a kill in between leaves nothing unnoted.
            between_databases(connection)
            note_deletion(connection, now=now)
            between_databases(connection)
        connection.execute(
            "UPDATE lead_deliveries SET lead_data = '{}' WHERE list_contains(CAST($ids AS BIGINT[]), id)",
            {"ids": old},
        )
        for table in ("succeeded_leads", "failed_leads"):
            connection.execute(
                f"DELETE FROM {table} WHERE list_contains(CAST($ids AS BIGINT[]), id)", {"ids": old}
            )
        between_databases(connection)
        note_deletion(connection, now=now)
    return len(old)
