"""What readers see of events: runs, days, counts, what was rejected; `raw_events` stays where it is."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.warehouse import Published

_QUERIES = {
    "runs": "SELECT * EXCLUDE (version, host, pid) FROM runs ORDER BY started_at, run_id",
    "run_parts": "SELECT * FROM run_parts ORDER BY started_at, run_id, part_id, attempt",
    "event_days": """
        SELECT event_date, read_until, posthog_events, warehouse_events, checked_at,
               verdict = 'proved' AS is_complete, verdict, differs_since
        FROM (
            SELECT *, CASE
                WHEN read_until IS NULL THEN 'never read'
                WHEN posthog_checksum IS NULL THEN 'unproved'
                WHEN posthog_events = warehouse_events AND posthog_checksum = warehouse_checksum
                    THEN 'proved'
                ELSE 'differs'
            END AS verdict
            FROM event_days
        ) ORDER BY event_date
    """,
    "events_by_day": """
        SELECT event_date, event, count(*) AS events FROM raw_events GROUP BY ALL ORDER BY ALL
    """,
    "rejected_events": """
        SELECT event, rejected_reason AS reason, count(*) AS events, min(timestamp) AS first_at,
               max(timestamp) AS last_at
        FROM raw_events WHERE rejected_reason IS NOT NULL GROUP BY ALL
        UNION ALL
        SELECT NULL, reason, count(*), min(rejected_at), max(rejected_at)
        FROM rejected_events GROUP BY ALL
        ORDER BY events DESC, event, reason
    """,
}
TABLES = tuple(_QUERIES)
ASSETS = ("raw_events",)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del connection, now
    for name, query in _QUERIES.items():
        yield Published(name, query)
