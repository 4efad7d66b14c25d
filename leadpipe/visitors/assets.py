"""Dagster's rim around the visitors domain: the asset `visitor_metrics` and its checks."""

from contextlib import suppress
from datetime import UTC, datetime

import dagster as dg
import duckdb

from leadpipe.catalog import MARTS, SYNCED
from leadpipe.charts import bar_chart, markdown_image
from leadpipe.errors import LeadpipeError
from leadpipe.events.assets import run_of
from leadpipe.events.connecting import event_mapping
from leadpipe.events.settings import EventsSettings
from leadpipe.published.tables import publish_tables
from leadpipe.resources import (
    PostHogConnection,
    WarehouseResource,
    about,
    failing_clearly,
    is_after,
    preview,
    retried_later,
    table,
)
from leadpipe.settings import Settings
from leadpipe.visitors.agreement import compare_with_events
from leadpipe.visitors.metrics import sync_visitors
from leadpipe.visitors.partitions import WEEKLY, weeks_of
from leadpipe.visitors.weeks import week_dates

_CHART_WEEKS = 26


@dg.asset(
    deps=["raw_events", "posthog"],
    partitions_def=WEEKLY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=MARTS,
    kinds={"posthog", "duckdb"},
    pool="warehouse",
    freshness_policy=SYNCED,
)
def visitor_metrics(
    context: dg.AssetExecutionContext,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.MaterializeResult[None]:
    """Visitors, pageviews, signups and conversion of each ISO week (Monday to Sunday, UTC).

    Source: PostHog's own exact count, asked anew each time: late events and merged persons change past
    weeks. What changed is stored, kept in `visitor_metric_changes` and published; weeks counted by hand
    stay as they are.
    """
    weeks = weeks_of(context)
    is_manual = run_of(context).kind == "manual"
    with failing_clearly(), retried_later(context, is_manual=is_manual):
        try:
            with posthog.client() as client:
                report = sync_visitors(
                    client,
                    warehouse.warehouse(),
                    weeks,
                    run_id=context.run.run_id,
                    mapping=event_mapping(settings),
                    clock=lambda: datetime.now(UTC),
                    note=context.log.info,
                )
        except LeadpipeError:
            with suppress(LeadpipeError), warehouse.get_connection() as connection:
                publish_tables(connection, settings.published_dir)  # the page shows that it failed
            raise
        with warehouse.get_connection() as connection:
            publish_tables(connection, settings.published_dir)
            context.log.info("published")
            for week in {*report.updated, *report.skipped}:
                context.add_asset_metadata(
                    {"week": week_dates(week), "changed": week in report.updated},
                    partition_key=week.isoformat(),
                )
            context.add_asset_metadata(
                {
                    "updated": len(report.updated),
                    "skipped": len(report.skipped),
                    "failed": len(report.failed),
                    "frozen by retention": len(report.frozen),
                    "total": report.total,
                    "visitors per week": dg.MetadataValue.md(_plot(connection)),
                    "preview": preview(
                        connection, "SELECT * FROM visitor_metrics ORDER BY week_start DESC"
                    ),
                    **about(connection, "visitor_metrics"),
                },
                partition_key=weeks[-1].isoformat(),
            )
    if report.failed:
        names = ", ".join(week_dates(week) for week in sorted(report.failed))
        raise dg.Failure(
            f"PostHog could not count {names}: {report.failed[min(report.failed)]} "
            "The other weeks are stored.",
            allow_retries=False,
        )
    return dg.MaterializeResult()


def _plot(connection: duckdb.DuckDBPyConnection) -> str:
    rows = connection.execute(
        "SELECT week_start, visitors, signups FROM visitor_metrics "
        f"ORDER BY week_start DESC LIMIT {_CHART_WEEKS}"
    ).fetchall()[::-1]
    chart = bar_chart(
        [week_dates(week) for week, _, _ in rows],
        {
            "visitors": [visitors for _, visitors, _ in rows],
            "signups": [signups for _, _, signups in rows],
        },
        title="visitors and signups per week",
    )
    return markdown_image(chart, title="visitors and signups per week")


@dg.asset_check(asset=visitor_metrics, pool="warehouse")
def weeks_agree_with_events(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """PostHog's count of each week that is over equals what `raw_events` has; a difference is explained.

    After weeks were counted it compares those whose count or events changed, and those that differed before;
    run by itself all weeks.
    """
    is_whole = not is_after(context, visitor_metrics)
    with warehouse.get_connection() as connection:
        compared, differences = compare_with_events(
            connection, settings, now=datetime.now(UTC), is_whole=is_whole
        )
    return dg.AssetCheckResult(
        passed=not any(difference.is_over for difference in differences),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "weeks compared": compared,
            "differences": table(
                (
                    "week",
                    "visitors in PostHog",
                    "visitors here",
                    "pageviews in PostHog",
                    "pageviews here",
                    "reason",
                ),
                (
                    (
                        week_dates(one.week),
                        one.visitors,
                        one.visitors_here,
                        one.pageviews,
                        one.pageviews_here,
                        one.reason,
                    )
                    for one in differences
                ),
            ),
        },
    )


@dg.asset_check(asset=visitor_metrics, pool="warehouse")
def weeks_are_possible(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Each week is there once and starts on a Monday; no count is negative, the rate follows from them."""
    with warehouse.get_connection() as connection:
        wrong = preview(
            connection,
            """
            SELECT week_start, week_end, visitors, pageviews, signups, conversion_rate, source
            FROM visitor_metrics
            WHERE isodow(week_start) <> 1 OR week_end <> week_start + 6 OR least(visitors, signups) < 0
               OR visitors > coalesce(pageviews, visitors)
               OR (conversion_rate IS NULL) <> (visitors = 0)
               OR abs(conversion_rate - signups * 100 / nullif(visitors, 0)) > 1e-6
               OR week_start IN (
                   SELECT week_start FROM visitor_metrics GROUP BY week_start HAVING count(*) > 1
               )
            ORDER BY week_start
            """,
        )
    return dg.AssetCheckResult(passed=not wrong.records, metadata={"impossible weeks": wrong})
