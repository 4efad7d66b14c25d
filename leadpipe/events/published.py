"""What readers see of events: runs, days, counts, what was rejected; `raw_events` stays where it is."""

from collections.abc import Iterator
from datetime import datetime

import duckdb

from leadpipe.events.mapping import versions
from leadpipe.events.mapping.reading import built_in
from leadpipe.warehouse import Published

_QUERIES = {
    "runs": "SELECT * EXCLUDE (version, host, pid) FROM runs ORDER BY started_at, run_id",
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
_UNUSED = "unused_events"
TABLES = (*_QUERIES, _UNUSED)
ASSETS = ("raw_events",)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish."""
    del now
    for name, query in _QUERIES.items():
        yield Published(name, query)
    mapping = versions.current(connection) or built_in()
    yield Published(
        _UNUSED,
        "SELECT event, events_a_day, first_at, last_at, "
        "event IN (SELECT event FROM dismissed_events) AS is_dismissed FROM seen_events "
        "WHERE NOT list_contains($names::VARCHAR[], event) ORDER BY events DESC, event",
        parameters={"names": list(mapping.events)},
    )
