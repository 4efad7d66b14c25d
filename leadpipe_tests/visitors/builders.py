"""Builders for tests of visitors: three weeks and a sync, for a page with something to see."""

from datetime import timedelta

import duckdb

from leadpipe.visitors.metrics import VisitorSyncReport, WeekCounts, record_sync, store_week
from leadpipe.visitors.weeks import week_of
from leadpipe.warehouse import transaction
from leadpipe_tests.clocks import NOW, TODAY

THIS_WEEK = week_of(TODAY)


def counts_of(weeks_ago: int) -> WeekCounts:
    """Visitors, pageviews and signups as PostHog counted a week; this one when one visitor had come."""
    if weeks_ago == 0:
        return WeekCounts(1, 1, 1)
    return WeekCounts(400 + 20 * weeks_ago, 1_200 + 35 * weeks_ago, 48 + weeks_ago)


def store_some(connection: duckdb.DuckDBPyConnection, *, run_id: str, error: str | None) -> None:
    """Three weeks, and the sync that counted them."""
    with transaction(connection):
        for weeks_ago in range(3):
            store_week(
                connection,
                THIS_WEEK - timedelta(weeks=weeks_ago),
                counts_of(weeks_ago),
                None,
                source="posthog",
                run_id=run_id,
                now=NOW,
            )
        report = VisitorSyncReport((THIS_WEEK,), (THIS_WEEK,) * 2, {})
        record_sync(connection, run_id, report, NOW, NOW, error=error)
