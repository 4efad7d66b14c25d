"""What readers see of visitors: weeks, their changes, syncs, and whom the live count starts from."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import duckdb

from leadpipe.visitors.weeks import LIVE_WEEKS
from leadpipe.warehouse import Published, read_sql

_QUERIES = {
    "visitor_metrics": "SELECT * FROM visitor_metrics ORDER BY week_start",
    "visitor_metric_changes": """
        SELECT * FROM visitor_metric_changes ORDER BY changed_at, week_start
    """,
    "visitor_syncs": "SELECT * FROM visitor_syncs ORDER BY started_at, run_id",
}
_BY_MONTH = ("visitor_days", "visitor_sources")
TABLES = (*_QUERIES, "week_viewers", "visitors_by_hour", *_BY_MONTH)
_WEEKS_BY_HOUR = 3  # this one, the one it is held against, and one whose clock runs ahead
ASSETS = ("raw_events",)
_WEEK = timedelta(days=7)
_MONTH = timedelta(days=31)


def published(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Iterator[Published]:
    """The files to publish; a week, or a month, whose days did not change is linked."""
    for name, query in _QUERIES.items():
        yield Published(name, query)
    yield Published(
        "week_viewers/0000-00-00",
        "SELECT NULL::DATE AS week_start, NULL::VARCHAR AS person_id, NULL::VARCHAR AS distinct_id LIMIT 0",
        version=0,
    )
    yield Published(
        "visitors_by_hour/0000-00-00",
        "SELECT NULL::DATE AS week_start, NULL::TIMESTAMPTZ AS hour_at, NULL::BIGINT AS visitors LIMIT 0",
        version=0,
    )
    weeks = connection.execute(
        "SELECT CAST(date_trunc('week', event_date) AS DATE) AS week, "
        "string_agg(event_date || ' ' || version, ',' ORDER BY event_date) "
        "FROM event_days WHERE version > 0 AND event_date <= $last "
        f"GROUP BY week ORDER BY week DESC LIMIT {LIVE_WEEKS}",
        {"last": now.date() + _WEEK},
    ).fetchall()
    for week, version in reversed(weeks):
        yield Published(
            f"week_viewers/{week}",
            read_sql("visitors", "week_viewers.sql"),
            version=version,
            parameters={"first_day": week, "last_day": week + timedelta(days=6)},
        )
    for week, version in weeks[:_WEEKS_BY_HOUR]:
        yield Published(
            f"visitors_by_hour/{week}",
            read_sql("visitors", "visitors_by_hour.sql"),
            version=version,
            parameters={"first_day": week, "last_day": week + timedelta(days=6)},
        )
    months = connection.execute("""
        SELECT CAST(date_trunc('month', event_date) AS DATE) AS month,
               md5(string_agg(event_date || ' ' || version, ',' ORDER BY event_date))
        FROM event_days WHERE version > 0 GROUP BY month ORDER BY month
    """).fetchall()
    for name in _BY_MONTH:
        query = read_sql("visitors", f"{name}.sql")
        never = {"first_day": date.max, "last_day": date.min}
        yield Published(f"{name}/0000-00", query, version=0, parameters=never)
        for month, version in months:
            days = {"first_day": month, "last_day": _end_of(month)}
            yield Published(f"{name}/{month:%Y-%m}", query, version=str(version), parameters=days)


def _end_of(month: date) -> date:
    """A month's last day, of its first."""
    return (month + _MONTH).replace(day=1) - timedelta(days=1)
