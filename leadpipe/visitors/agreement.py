"""Does `visitor_metrics` say what `raw_events` says, and if not, why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from leadpipe.inspecting import Inspection, inspect_all, inspect_changed
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings
from leadpipe.visitors.weeks import WEEK, start_of_week
from leadpipe.warehouse import read_sql

_MEANING = "PostHog counts a week as its events here do."
# Weeks that can be compared; another version whenever PostHog's count or a day's rows are others.
_WEEKS = """
    SELECT CAST(week_start AS VARCHAR) AS part,
           concat_ws(' ', min(visitors), min(pageviews),
               md5(string_agg(event_date || ' ' || version, ',' ORDER BY event_date))) AS version
    FROM visitor_metrics
    JOIN event_days ON CAST(date_trunc('week', event_date) AS DATE) = week_start
    WHERE source = 'posthog'
    GROUP BY week_start HAVING count(read_until) > 0
"""
# What the warehouse has of some weeks: pageviews, and how well their days are loaded.
_LOADED_WEEKS = """
    SELECT CAST(date_trunc('week', event_date) AS DATE) AS week_start, count(read_until) AS days_loaded,
           count(*) FILTER (
               posthog_events > warehouse_events
               OR posthog_events = warehouse_events AND posthog_checksum <> warehouse_checksum
           ) AS days_incomplete,
           coalesce(sum(pageviews), 0) AS pageviews
    FROM event_days LEFT JOIN (
        SELECT event_date, count(*) AS pageviews
        FROM raw_events
        WHERE meaning = 'pageview' AND event_date BETWEEN $first_day AND $last_day GROUP BY event_date
    ) USING (event_date)
    WHERE event_date BETWEEN $first_day AND $last_day
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
    connection: duckdb.DuckDBPyConnection, settings: Settings, *, now: datetime, is_whole: bool
) -> tuple[int, Sequence[Difference]]:
    """How many weeks were compared, and those that differ, each with its most likely reason.

    Compared are the weeks PostHog has counted and of which at least one day is loaded.

    Args:
        connection: the warehouse.
        settings: of the project.
        now: the time (UTC).
        is_whole: all weeks; else those of which a count or an event changed since they were compared, and
            those that differed then.
    """
    found: dict[date, Difference] = {}

    def differing(
        connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
    ) -> Mapping[str, int]:
        del settings
        days = (date.fromisoformat(part) + timedelta(days=n) for part in parts for n in range(7))
        for first, last in contiguous(days):
            found.update({one.week: one for one in _differences(connection, first, last, now)})
        return {week.isoformat(): 1 for week in found}

    # Not one of those of the night: PostHog merges persons, and then old weeks differ for good.
    weeks = Inspection("weeks_agree_with_events", _MEANING, _WEEKS, differing)
    inspect = inspect_all if is_whole else inspect_changed
    looked = inspect(connection, weeks, settings, now=now).looked
    return looked, tuple(found[week] for week in sorted(found))


def _differences(
    connection: duckdb.DuckDBPyConnection, first: date, last: date, now: datetime
) -> Sequence[Difference]:
    """Weeks from one Monday to a Sunday that differ."""
    days = {"first_day": first, "last_day": last}
    weeks = connection.execute(
        f"""
        SELECT week_start, visitors, visitor_metrics.pageviews, loaded.pageviews, days_loaded, days_incomplete
        FROM visitor_metrics JOIN ({_LOADED_WEEKS}) AS loaded USING (week_start)
        WHERE source = 'posthog' AND days_loaded > 0 ORDER BY week_start
        """,
        days,
    ).fetchall()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE viewers AS "
        f"SELECT *, true AS is_stored FROM ({read_sql('visitors', 'week_viewers.sql')})",
        days,
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
    return differences


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
