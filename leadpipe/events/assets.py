"""Dagster's rim around the events domain: the asset `raw_events`.

A window, one call into the core, a result with metadata. No logic of loading lives here.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from pydantic import Field

from leadpipe.automation import KIND_TAG, SYNC_TAG
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.days import DayState, rejected_on
from leadpipe.events.ledger import Run, RunKind
from leadpipe.events.loading import LoadReport, load_days
from leadpipe.events.project.unused import look_if_due
from leadpipe.events.settings import EventsSettings
from leadpipe.partitions import DAILY, days_of
from leadpipe.resources import (
    PostHogConnection,
    ProgressSink,
    WarehouseResource,
    column_schema,
    failing_clearly,
    preview,
    retried_later,
    table,
)

_MOST_VERDICTS = 31


class RawEventsConfig(dg.Config):
    """What a person can choose when materialising by hand."""

    full_read: bool = Field(
        default=False,
        description="Read the days whole again instead of only what PostHog received since the last "
        "read. Costs as many requests as the first load; changes nothing that is already right.",
    )


def run_of(context: dg.AssetExecutionContext) -> Run:
    """The run as the ledger names it, from Dagster's tags."""
    tags = context.run.tags
    kind: RunKind = "manual"
    if tags.get(KIND_TAG) == "scheduled":
        kind = "scheduled"
    elif "dagster/backfill" in tags or tags.get(KIND_TAG) == "backfill":
        kind = "backfill"
    return Run(context.run.run_id, kind)


@dg.asset(
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="events",
    kinds={"posthog", "duckdb"},
    owners=["team:data"],
    pool="warehouse",
    tags=dict([SYNC_TAG]),
    freshness_policy=dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=7), fail_window=timedelta(hours=13)
    ),
)
def raw_events(
    context: dg.AssetExecutionContext,
    config: RawEventsConfig,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
    progress: dg.ResourceParam[ProgressSink],
) -> dg.MaterializeResult[None]:
    """Events as PostHog has them, each uuid once, a partition a UTC day of their timestamp.

    Source: PostHog's query API. The first time a day is read whole, later only what PostHog received
    since; then its count is compared with PostHog's own, and a day that differs is read whole once more.
    Running it again changes nothing that is already right; an interrupted backfill goes on where it was.
    """
    first, last = days_of(context)
    run = run_of(context)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    with (
        failing_clearly(),
        retried_later(context, is_manual=run.kind == "manual"),
        posthog.client() as client,
    ):
        report = load_days(
            client,
            warehouse.warehouse(),
            days,
            run=run,
            config=sync_config(settings),
            is_full=config.full_read,
            clock=lambda: datetime.now(UTC),
            progress=progress.report,
        )
        look_if_due(client, warehouse.warehouse(), now=datetime.now(UTC))
    context.log.info(
        "%s new events, %s seen before, %s API calls",
        report.ingested.new,
        report.ingested.duplicate,
        report.calls.api_calls,
    )
    for day, state in report.days.items():
        context.add_asset_metadata(_verdict(state), partition_key=day.isoformat())
    with warehouse.get_connection() as connection:
        # What concerns the whole run is told once, with its last day: a year has 365 copies otherwise.
        context.add_asset_metadata(
            {
                **_counts(report, days),
                "verdict per day": _verdict_table(report),
                "preview": preview(
                    connection,
                    "SELECT timestamp, event, listing_id, lead_type, rejected_reason FROM raw_events "
                    f"WHERE event_date = DATE '{last}' ORDER BY timestamp DESC, uuid",
                ),
                "rejected on these days": dg.MetadataValue.json(
                    rejected_on(connection, days[0], days[-1])
                ),
                "dagster/column_schema": column_schema(connection, "raw_events"),
            },
            partition_key=last.isoformat(),
        )
    return dg.MaterializeResult()


@dg.asset(
    deps=[dg.AssetDep("raw_events", partition_mapping=dg.AllPartitionMapping())],
    group_name="events",
    kinds={"posthog", "duckdb"},
    owners=["team:data"],
    pool="warehouse",
)
def audited_days(
    context: dg.AssetExecutionContext,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.MaterializeResult[None]:
    """Days older than 35 days compared with PostHog by their events, the longest unchecked first.

    Source: PostHog's fingerprints of days, some 20 queries; the verdicts are in `event_days`. What differs is
    read by the next sync. Running it again goes on with the days that have waited longest.
    """
    now = datetime.now(UTC)
    with failing_clearly(), posthog.client() as client:
        report = audit_days(
            client,
            warehouse.warehouse(),
            config=sync_config(settings),
            first_day=settings.first_day(now),
            now=now,
        )
    context.log.info("%s days compared, %s differ", report.compared, len(report.differing))
    return dg.MaterializeResult(
        metadata={
            "days compared": report.compared,
            "days that differ": dg.MetadataValue.json(
                [day.isoformat() for day in report.differing]
            ),
            "days left for the next audit": report.left,
        }
    )


def _verdict(state: DayState) -> dict[str, int | str]:
    return {
        "events": state.warehouse_events or 0,
        "events in PostHog": state.posthog_events or 0,
        "verdict": "complete" if state.is_complete else "INCOMPLETE",
    }


def _counts(report: LoadReport, days: Sequence[date]) -> dict[str, dg.MetadataValue]:
    return {
        "window": dg.MetadataValue.text(
            f"{days[0]} to {days[-1]} (UTC), {len(days)} day{'s' if len(days) > 1 else ''}"
        ),
        "events fetched": dg.MetadataValue.int(report.ingested.fetched),
        "events new": dg.MetadataValue.int(report.ingested.new),
        "events duplicate": dg.MetadataValue.int(report.ingested.duplicate),
        "events rejected": dg.MetadataValue.json(report.ingested.rejected),
        "mapping": dg.MetadataValue.text(report.mapping),
        "events typed again": dg.MetadataValue.int(report.retyped.changed),
        "days changed": dg.MetadataValue.int(len(report.ingested.changed_days)),
        "days incomplete": dg.MetadataValue.int(len(report.incomplete_days)),
        "days read again": dg.MetadataValue.int(len(report.reread_days)),
        "windows": dg.MetadataValue.int(report.windows),
        "API calls": dg.MetadataValue.int(report.calls.api_calls),
        "API retries": dg.MetadataValue.int(report.calls.retries),
        "rate limits met": dg.MetadataValue.int(report.calls.rate_limits),
    }


def _verdict_table(report: LoadReport) -> dg.TableMetadataValue:
    """Days that are wrong first, then the latest; a year of rows would only slow the UI."""
    worst = sorted(
        report.days.items(), key=lambda item: (item[1].is_complete, -item[0].toordinal())
    )
    return table(
        ("day", "events", "events in PostHog", "verdict"),
        ((day.isoformat(), *_verdict(state).values()) for day, state in worst[:_MOST_VERDICTS]),
    )
