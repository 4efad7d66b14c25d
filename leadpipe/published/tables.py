"""Which tables are published, in which order their rows lie, and how large ones are cut."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from leadpipe.warehouse import Published, publish, read_sql
from leadpipe.weeks import LIVE_WEEKS

# Whole tables: small, or rewritten anyway. `events` alone stays in the warehouse: it is the source.
_WHOLE = {
    "leads": "SELECT * FROM leads ORDER BY run_id, first_action_at, lead_id",
    "listings": "SELECT * FROM listings ORDER BY listing_id",
    "runs": "SELECT * EXCLUDE (version, host, pid) FROM runs ORDER BY started_at, run_id",
    "event_days": """
        SELECT event_date, read_until, posthog_events, warehouse_events, checked_at,
               posthog_events = warehouse_events AS is_complete
        FROM event_days ORDER BY event_date
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
    "interaction_syncs": "SELECT * FROM interaction_syncs ORDER BY synced_at, sync_id",
    "draw_lists": "SELECT * FROM draw_participant_builds ORDER BY draw_date",
    "draw_rejections": "SELECT * FROM draw_rejections ORDER BY draw_date, reason",
    "draws": "SELECT * EXCLUDE (evidence) FROM draws ORDER BY draw_date, attempt",
    "events_by_day": """
        SELECT event_date, event, count(*) AS events FROM raw_events GROUP BY ALL ORDER BY ALL
    """,
    "visitor_metrics": "SELECT * FROM visitor_metrics ORDER BY week_start",
    "visitor_metric_changes": """
        SELECT * FROM visitor_metric_changes ORDER BY changed_at, week_start
    """,
    "visitor_syncs": "SELECT * FROM visitor_syncs ORDER BY started_at, run_id",
    # The lead itself is in succeeded_leads and failed_leads.
    "lead_deliveries": "SELECT * EXCLUDE (lead_data, event_uuid) FROM lead_deliveries ORDER BY id",
    "delivery_attempts": "SELECT * FROM delivery_attempts ORDER BY id, happened_at, attempt",
    "succeeded_leads": "SELECT * FROM succeeded_leads ORDER BY id",
    "failed_leads": "SELECT * FROM failed_leads ORDER BY id",
    "breaker_changes": "SELECT * FROM breaker_changes ORDER BY changed_at",
    "partner_events": "SELECT * FROM partner_events ORDER BY received_at, event_id",
    "reconciliations": "SELECT * FROM reconciliations ORDER BY made_at",
    "reconciliation_findings": """
        SELECT * FROM reconciliation_findings ORDER BY made_at, report_id, kind, id, npa_lead_id
    """,
    "delivery_alerts": "SELECT * FROM delivery_alerts ORDER BY told_at, rule",
}


def publish_tables(
    connection: duckdb.DuckDBPyConnection, folder: Path, *, is_anew: bool = False
) -> tuple[str, int]:
    """Publish every table; months and weeks of large ones that did not change are linked.

    After a rebuild all are written anew: an upgrade may have changed what the same events become.

    Returns:
        The publication's name and how many files were written.
    """
    return publish(connection, folder, list(_tables(connection)), is_anew=is_anew)


def _tables(connection: duckdb.DuckDBPyConnection) -> Iterator[Published]:
    for name, query in _WHOLE.items():
        yield Published(name, query)
    yield Published("grouped_leads", read_sql("leads", "grouped_leads.sql"))
    yield Published("draw_winners", read_sql("draws", "published_winners.sql"))
    yield Published(
        "listing_analytics/0000-00", "SELECT * FROM listing_analytics LIMIT 0", version=0
    )
    months = connection.execute("""
        SELECT strftime(date, '%Y-%m') AS month, sum(version)
        FROM (SELECT DISTINCT date FROM listing_analytics)
        LEFT JOIN listing_analytics_builds ON event_date = date
        GROUP BY month ORDER BY month
    """).fetchall()
    for month, version in months:
        yield Published(
            f"listing_analytics/{month}",
            f"SELECT * FROM listing_analytics WHERE strftime(date, '%Y-%m') = '{month}' "
            "ORDER BY date, hour, listing_id",
            version=int(version or 0),
        )
    yield from _week_viewers(connection)


def _week_viewers(connection: duckdb.DuckDBPyConnection) -> Iterator[Published]:
    """Who viewed a page in the latest weeks with events: what the live count starts from."""
    yield Published(
        "week_viewers/0000-00-00",
        "SELECT NULL::DATE AS week_start, NULL::VARCHAR AS person_id, NULL::VARCHAR AS distinct_id LIMIT 0",
        version=0,
    )
    weeks = connection.execute(
        "SELECT CAST(date_trunc('week', event_date) AS DATE) AS week, sum(version)::BIGINT "
        "FROM event_days WHERE version > 0 AND event_date <= $last_day "
        f"GROUP BY week ORDER BY week DESC LIMIT {LIVE_WEEKS}",
        {"last_day": datetime.now(UTC).date() + timedelta(days=7)},
    ).fetchall()
    for week, version in reversed(weeks):
        yield Published(
            f"week_viewers/{week}",
            read_sql("visitors", "week_viewers.sql"),
            version=version,
            parameters={"first_day": week, "last_day": week + timedelta(days=6)},
        )
