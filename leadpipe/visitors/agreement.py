"""Does `visitor_metrics` say what `raw_events` says, and if not, why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from leadpipe.visitors.weeks import WEEK, start_of_week
from leadpipe.warehouse import read_sql

# What the warehouse has of each week: pageviews, and how well its days are loaded.
_LOADED_WEEKS = """
    SELECT CAST(date_trunc('week', event_date) AS DATE) AS week_start, count(read_until) AS days_loaded,
           count(*) FILTER (
               posthog_events > warehouse_events
               OR posthog_events = warehouse_events AND posthog_checksum <> warehouse_checksum
           ) AS days_incomplete,
           coalesce(sum(pageviews), 0) AS pageviews
    FROM event_days LEFT JOIN (
        SELECT event_date, count(*) AS pageviews
        FROM raw_events WHERE meaning = 'pageview' GROUP BY event_date
    ) USING (event_date)
    GROUP BY week_start
"""


@dataclass(frozen=True)
class Difference:
    """A week that PostHog and `raw_events` count differently."""

    week: date
    visitors: int
    visitors_here: int
    pageviews: int
    pageviews_here: int
    reason: str
    is_over: bool


def compare_with_events(
    connection: duckdb.DuckDBPyConnection, *, now: datetime
) -> tuple[int, Sequence[Difference]]:
    """How many weeks were compared, and those that differ, each with its most likely reason.

    Compared are the weeks PostHog has counted and of which at least one day is loaded.
    """
    weeks = connection.execute(f"""
        SELECT week_start, visitors, visitor_metrics.pageviews, loaded.pageviews, days_loaded, days_incomplete
        FROM visitor_metrics JOIN ({_LOADED_WEEKS}) AS loaded USING (week_start)
        WHERE source = 'posthog' AND days_loaded > 0 ORDER BY week_start
    """).fetchall()
    if not weeks:
        return 0, ()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE viewers AS "
        f"SELECT *, true AS is_stored FROM ({read_sql('visitors', 'week_viewers.sql')})",
        {"first_day": weeks[0][0], "last_day": weeks[-1][0] + timedelta(days=6)},
    )
    here = dict(
        connection.execute(
            read_sql("visitors", "visitors_by_week.sql"), {"weeks": [week for week, *_ in weeks]}
        ).fetchall()
    )
    connection.execute("DROP TABLE viewers")
    differences = []
    for week, visitors, pageviews, pageviews_here, days_loaded, days_incomplete in weeks:
        if (visitors, pageviews) == (here.get(week, 0), pageviews_here):
            continue
        is_over = start_of_week(week + WEEK) <= now
        reason = _reason(
            week,
            missing=pageviews - pageviews_here,
            days_not_loaded=7 - days_loaded,
            days_incomplete=days_incomplete,
            is_over=is_over,
        )
        differences.append(
            Difference(
                week, visitors, here.get(week, 0), pageviews, pageviews_here, reason, is_over
            )
        )
    return len(weeks), tuple(differences)


def _reason(
    week: date, *, missing: int, days_not_loaded: int, days_incomplete: int, is_over: bool
) -> str:
    if not is_over:
        return "the week is not over: the two were counted at different moments"
    if days_not_loaded:
        return f"{days_not_loaded} days of the week are not loaded; see LEADPIPE_START_DATE"
    if days_incomplete:
        return f"{days_incomplete} days differ from PostHog; see `leadpipe days --incomplete`"
    if missing > 0:
        return f"PostHog counted {missing} pageviews that came later; the next sync has them"
    if missing < 0:
        return f"{-missing} pageviews were deleted in PostHog, or came after it had counted"
    last = week + timedelta(days=6)
    return (
        "PostHog has merged or split persons since the events were read; "
        f"`leadpipe sync --from {week} --to {last} --full` reads them anew"
    )
