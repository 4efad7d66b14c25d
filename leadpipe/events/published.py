"""What readers see of events: runs, days, counts, what was rejected; `raw_events` stays where it is."""

from collections.abc import Iterator
from datetime import date, datetime

import duckdb

from leadpipe.events.counting import count_days
from leadpipe.events.mapping import versions
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.retention import floor_of
from leadpipe.events.verdicts import facts_of_days, names_read, verdict_of
from leadpipe.warehouse import Published, read_sql

_QUERIES = {
    "runs": "SELECT * EXCLUDE (version, host, pid) FROM runs ORDER BY started_at, run_id",
    "run_parts": "SELECT * FROM run_parts ORDER BY started_at, run_id, part_id, attempt",
    "exported_files": "SELECT * FROM exported_files ORDER BY first_seen_at, key, e_tag",
    "exported_days": "SELECT event_date FROM exported_days ORDER BY event_date",
    "file_downloads": "SELECT * FROM file_downloads ORDER BY asked_at, export_id",
    "unconfirmed_events": """
        SELECT uuid, event, event_date, run_id, arrived_at, set_aside_at, seen_at
        FROM unconfirmed_events ORDER BY set_aside_at, uuid
    """,
    "rejected_events": """
        SELECT event, rejected_reason AS reason, CAST(sum(events) AS BIGINT) AS events,
               min(first_at) AS first_at, max(last_at) AS last_at
        FROM day_counts WHERE rejected_reason IS NOT NULL GROUP BY ALL
        UNION ALL
        SELECT NULL, reason, count(*), min(rejected_at), max(rejected_at)
        FROM rejected_events GROUP BY ALL
        ORDER BY events DESC, event, reason
    """,
}
_DAYS = """
    SELECT event_date, read_until, posthog_events, warehouse_events, checked_at, is_complete, verdict,
           detail, differs_since, event_names, has_same_events, has_same_copies, shared_uuids, hidden_events,
           is_questioned, is_frozen
    FROM ({facts}) JOIN (
        SELECT unnest($days::DATE[]) AS event_date, unnest($verdicts::VARCHAR[]) AS verdict,
               unnest($details::VARCHAR[]) AS detail, unnest($complete::BOOLEAN[]) AS is_complete,
               unnest($frozen::BOOLEAN[]) AS is_frozen
    ) USING (event_date) ORDER BY event_date
"""
_RETENTION = """
    SELECT asked_at, months, is_enforced, problem, $frozen_before::DATE AS frozen_before
    FROM (SELECT 1) LEFT JOIN posthog_retention ON true
    WHERE asked_at IS NOT NULL OR $frozen_before::DATE IS NOT NULL
"""
_BY_DAY = """
    SELECT event_date, event, CAST(sum(events) AS BIGINT) AS events FROM day_counts
    WHERE event_date BETWEEN $month AND last_day($month::DATE) GROUP BY ALL ORDER BY ALL
"""
_MONTHS = """
    SELECT CAST(date_trunc('month', event_date) AS DATE) AS month,
           md5(string_agg(event_date || ' ' || version, ',' ORDER BY event_date))
    FROM day_count_builds GROUP BY month ORDER BY month
"""
_NO_MONTH = date(1, 1, 1)
_UNUSED = "unused_events"
TABLES = (*_QUERIES, "events_by_day", "event_days", "retention", _UNUSED)
ASSETS = ("raw_events",)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish; of counts by day a month whose days did not change is linked."""
    count_days(connection)
    for name, query in _QUERIES.items():
        yield Published(name, query)
    months = connection.execute(_MONTHS).fetchall()
    for month, version in [(_NO_MONTH, "0"), *months]:
        name = "0000-00" if month == _NO_MONTH else f"{month:%Y-%m}"
        yield Published(
            f"events_by_day/{name}", _BY_DAY, version=version, parameters={"month": month}
        )
    names = names_read(connection)
    facts = facts_of_days(connection, now=now)
    verdicts = [verdict_of(one, names=names) for one in facts]
    yield Published(
        "event_days",
        _DAYS.format(facts=read_sql("events", "day_facts.sql")),
        parameters={
            "days": [one.event_date for one in facts],
            "verdicts": [verdict.word for verdict in verdicts],
            "details": [verdict.detail for verdict in verdicts],
            "complete": [verdict.is_complete for verdict in verdicts],
            "frozen": [one.is_frozen for one in facts],
        },
    )
    yield Published(
        "retention",
        _RETENTION,
        parameters={"frozen_before": floor_of(connection, now=now).frozen_before},
    )
    mapping = versions.current(connection) or built_in()
    yield Published(
        _UNUSED,
        "SELECT event, events_a_day, first_at, last_at, "
        "event IN (SELECT event FROM dismissed_events) AS is_dismissed FROM seen_events "
        "WHERE NOT list_contains($names::VARCHAR[], event) ORDER BY events DESC, event",
        parameters={"names": list(mapping.events)},
    )
