"""Dagster's rim around events: `exported_files`, `raw_events`, `audited_days`, `lake_maintenance`.

A window, one call into the core, a result with metadata. No logic of loading lives here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
from pydantic import Field

from leadpipe.automation import AUDIT_TAG, KIND_TAG, PARTS_TAG, RUN_TAG, SYNC_TAG
from leadpipe.catalog import ARRIVALS, EVENTS, SYNCED, table_of
from leadpipe.errors import ConfigurationError, LeadpipeError
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import event_mapping, open_bucket, sync_config
from leadpipe.events.days import rejected_on
from leadpipe.events.exported.taking import TakeReport, take_files
from leadpipe.events.lanes import LANES
from leadpipe.events.ledger import Run, RunKind
from leadpipe.events.loading import LoadReport, load_days
from leadpipe.events.project.unused import look_if_due
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import SyncConfig
from leadpipe.events.verdicts import DayFacts, Verdict, facts_of_days, unsent_text, verdict_of
from leadpipe.events.wiping import wipe
from leadpipe.partitions import BY_RANGE, DAILY, days_of
from leadpipe.published.tables import publish_tables
from leadpipe.queues import BULK, in_queue
from leadpipe.resources import (
    PostHogConnection,
    ProgressSink,
    WarehouseResource,
    about,
    failing_clearly,
    preview,
    retried_later,
    table,
)
from leadpipe.warehouse import maintain

_MOST_VERDICTS = 31
_MOST_FILES = 100
_MOST_GAPS = 20
LONGEST_TEXT = 600
"""Of a file's key, which is needed whole to take it by hand, and of why it was not taken."""
_BACKFILL_TAG = "dagster/backfill"
_PARENT_TAG = "dagster/parent_run_id"


class RawEventsConfig(dg.Config):
    """What a person can choose when materialising by hand."""

    full_read: bool = Field(
        default=False,
        description="Read the days whole again instead of only what PostHog received since the last "
        "read. Costs as many requests as the first load; changes nothing that is already right.",
    )
    lane: str = Field(
        default="auto",
        description="How events come: `query`, `download` (PostHog's file exports), or `auto`, which is as "
        "LEADPIPE_LANE says and where that says nothing as is better.",
    )


def run_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Run:
    """The run as the ledger names it, from Dagster's tags.

    All runs of one tick, click, command or backfill are parts of one. A run that is started again because
    it failed is another attempt at the same part; one that had succeeded is a run of its own.
    """
    first, is_again = _first_attempt(context.instance, context.run)
    tags = {} if is_again else first.tags
    kind: RunKind = "manual"
    if tags.get(KIND_TAG) == "scheduled":
        kind = "scheduled"
    elif tags.get(KIND_TAG) == "bucket":
        kind = "bucket"
    elif _BACKFILL_TAG in tags or tags.get(KIND_TAG) == "backfill":
        kind = "backfill"
    parts = tags.get(PARTS_TAG, "1")
    return Run(
        tags.get(RUN_TAG) or tags.get(_BACKFILL_TAG) or first.run_id,
        kind,
        part_id=first.run_id,
        attempt_id=context.run.run_id,
        parts=int(parts) if re.fullmatch(r"[0-9]{1,4}", parts) else 1,
    )


def _first_attempt(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[dg.DagsterRun, bool]:
    """The run that a run goes on with, and whether that one was the repetition of one that had succeeded."""
    parent_id = run.tags.get(_PARENT_TAG)
    parent = instance.get_run_by_id(parent_id) if parent_id else None
    if parent is None:
        return run, False
    return (run, True) if parent.is_success else _first_attempt(instance, parent)


class ExportedFilesConfig(dg.Config):
    """What a person can choose when materialising by hand."""

    keys: list[str] = Field(
        default=[],
        description="Take these files again, whatever was decided on them. Default: all that are new. Costs "
        "no request to PostHog but the comparison of the days they change; an event counts once.",
    )


posthog_project = dg.AssetSpec(
    "posthog",
    description="The team's PostHog project, where all events are. leadpipe reads there, and writes but the "
    "cohorts and events of draws.",
    group_name=ARRIVALS,
    kinds={"posthog"},
)
query_lane = dg.AssetSpec(
    "query_lane",
    deps=[posthog_project],
    description="Events as PostHog's query API gives them, window by window: the lane of what is new since "
    "the last sync, and of the comparison of days.",
    group_name=ARRIVALS,
    kinds={"posthog"},
)
download_lane = dg.AssetSpec(
    "download_lane",
    deps=[posthog_project],
    description="Files that PostHog writes for one load, downloaded: the lane of many days at once.",
    group_name=ARRIVALS,
    kinds={"posthog", "parquet"},
)


@dg.asset(
    deps=[posthog_project],
    group_name=ARRIVALS,
    kinds={"posthog", "duckdb"},
    pool="warehouse",
    tags=in_queue(BULK),
)
def exported_files(
    context: dg.AssetExecutionContext,
    config: ExportedFilesConfig,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.MaterializeResult[None]:
    """Files of PostHog's batch exports in LEADPIPE_BUCKET, taken into `raw_events`, each version once.

    Source: the bucket, or a folder. Parts wait for their manifest; what cannot be read is told, and the other
    files are taken. The days that they changed are compared with PostHog. Running it again takes what is new.
    """
    bucket = open_bucket(settings)
    if bucket is None:
        return dg.MaterializeResult(metadata={"bucket": "LEADPIPE_BUCKET is not set"})
    run = run_of(context)
    with (
        failing_clearly(),
        retried_later(context, is_manual=run.kind == "manual"),
        posthog.client() as client,
    ):
        try:
            report = take_files(
                bucket,
                client,
                warehouse.warehouse(),
                run=run,
                config=sync_config(settings),
                first_day=settings.first_day(datetime.now(UTC)),
                clock=lambda: datetime.now(UTC),
                by_hand=config.keys,
            )
        except LeadpipeError:
            with suppress(LeadpipeError), warehouse.get_connection() as connection:
                publish_tables(connection, settings.published_dir)  # readers see that it failed
            raise
    for outcome in report.outcomes:
        if outcome.state in {"unreadable", "incomplete", "postponed", "foreign"}:
            context.log.warning("%s: %s, %s", outcome.key, outcome.state, outcome.reason)
    with warehouse.get_connection() as connection:
        return dg.MaterializeResult(
            metadata={
                **_taken(report),
                "bucket": bucket.address,
                **about(connection, "exported_files"),
            }
        )


def _taken(report: TakeReport) -> dict[str, dg.MetadataValue]:
    taken = [outcome for outcome in report.outcomes if outcome.state == "taken"]
    gaps = report.choice.gaps
    return {
        "objects listed": dg.MetadataValue.int(report.listed),
        "objects that are no exports": dg.MetadataValue.int(report.choice.others),
        "files taken": dg.MetadataValue.int(len(taken)),
        "files": table(
            ("file", "state", "model", "rows", "events new", "reason"),
            (
                (one.key, one.state, one.model, one.rows, one.events_new, one.reason)
                for one in sorted(report.outcomes, key=lambda one: one.state == "taken")[
                    :_MOST_FILES
                ]
            ),
            longest=LONGEST_TEXT,
        ),
        "events fetched": dg.MetadataValue.int(report.ingested.fetched),
        "events new": dg.MetadataValue.int(report.ingested.new),
        "events duplicate": dg.MetadataValue.int(report.ingested.duplicate),
        "events rejected": dg.MetadataValue.json(report.ingested.rejected),
        "days proved": dg.MetadataValue.int(len(report.proof.equal)),
        "days read by query": dg.MetadataValue.json([day.isoformat() for day in report.read]),
        "days that differ": dg.MetadataValue.json(
            [day.isoformat() for day in report.proof.differing]
        ),
        "intervals without a file": table(
            ("export", "from", "until"),
            ((export, since, until) for export, since, until in gaps[-_MOST_GAPS:]),
        ),
        "API calls": dg.MetadataValue.int(report.calls.api_calls),
    }


@dg.asset(
    deps=[query_lane, download_lane, "exported_files", "webhook_events"],
    partitions_def=DAILY,
    backfill_policy=BY_RANGE,
    group_name=EVENTS,
    kinds={"posthog", "duckdb"},
    pool="warehouse",
    tags=dict([SYNC_TAG]),
    freshness_policy=SYNCED,
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

    Source: PostHog's query API. The first time a day is read whole, later only what PostHog received since;
    then its events are compared with PostHog's by a fingerprint, and of a day that differs the hours that
    differ are read whole. What exported files brought of a day is not read again. Running it again changes
    nothing that is already right; an interrupted backfill goes on where it was.
    """
    first, last = days_of(context)
    run = run_of(context)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    with (
        failing_clearly(),
        retried_later(context, is_manual=run.kind == "manual"),
        posthog.client() as client,
    ):
        try:
            report = load_days(
                client,
                warehouse.warehouse(),
                days,
                run=run,
                config=_sync_config(settings, config.lane),
                is_full=config.full_read,
                clock=lambda: datetime.now(UTC),
                progress=progress.report,
            )
        except LeadpipeError:
            with suppress(LeadpipeError), warehouse.get_connection() as connection:
                publish_tables(connection, settings.published_dir)  # readers see that it failed
            raise
        looked = look_if_due(
            client, warehouse.warehouse(), run_id=run.run_id, now=datetime.now(UTC)
        )
        report = replace(report, calls=report.calls + looked)
    context.log.info(
        "%s new events, %s seen before, %s API calls",
        report.ingested.new,
        report.ingested.duplicate,
        report.calls.api_calls,
    )
    for told in _told(report, settings):
        context.log_event(told)
    for failure in report.brought.failed:
        context.log.warning("Read by query instead: %s", failure)
    for day, fewer in report.unsent.items():
        context.log.warning("%s", unsent_text(day, fewer))
    with warehouse.get_connection() as connection:
        names = event_mapping(settings).names
        judged = [
            (facts, verdict_of(facts, names=names))
            for facts in facts_of_days(connection, now=datetime.now(UTC), days=days)
        ]
        for facts, verdict in judged:
            context.add_asset_metadata(
                _shown(facts, verdict), partition_key=facts.event_date.isoformat()
            )
        # What concerns the whole run is told once, with its last day: a year has 365 copies otherwise.
        context.add_asset_metadata(
            {
                **_counts(report, days),
                "verdict per day": _verdict_table(judged),
                "preview": preview(
                    connection,
                    "SELECT timestamp, event, listing_id, lead_type, rejected_reason FROM raw_events "
                    f"WHERE event_date = DATE '{last}' ORDER BY timestamp DESC, uuid",
                ),
                "rejected on these days": dg.MetadataValue.json(
                    rejected_on(connection, days[0], days[-1])
                ),
                **about(connection, "raw_events"),
            },
            partition_key=last.isoformat(),
        )
    return dg.MaterializeResult()


@dg.asset(
    deps=[dg.AssetDep("raw_events", partition_mapping=dg.AllPartitionMapping())],
    group_name=EVENTS,
    kinds={"posthog", "duckdb"},
    pool="warehouse",
    tags=dict([AUDIT_TAG]),
    metadata=table_of("event_days"),
)
def audited_days(
    context: dg.AssetExecutionContext,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.MaterializeResult[None]:
    """Days older than 35 days compared with PostHog by their events, the longest unchecked first.

    Source: PostHog's fingerprints of days, some 20 queries; the verdicts are in `event_days`. What differs is
    read by the next sync. Running it again goes on with the days that have waited longest. If rows were
    deleted since the last audit, the warehouse's file is written anew, so that no byte of them is left.
    """
    now = datetime.now(UTC)
    with failing_clearly(), posthog.client() as client:
        was_written_anew = wipe(warehouse.warehouse())
        report = audit_days(
            client,
            warehouse.warehouse(),
            config=sync_config(settings),
            first_day=settings.first_day(now),
            now=now,
        )
        with warehouse.get_connection() as connection:
            publish_tables(connection, settings.published_dir)
    context.log.info("%s days compared, %s differ", report.compared, len(report.differing))
    return dg.MaterializeResult(
        metadata={
            "days compared": report.compared,
            "days that differ": dg.MetadataValue.json(
                [day.isoformat() for day in report.differing]
            ),
            "days left for the next audit": report.left,
            "file written anew after deletions": was_written_anew,
        }
    )


@dg.asset(
    deps=["raw_events"],
    group_name=EVENTS,
    kinds={"duckdb"},
    pool="warehouse",
    tags=dict([AUDIT_TAG]),
)
def lake_maintenance(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.MaterializeResult[None]:
    """A lake's files in order: small ones merged, those with deleted rows written anew, old states expired.

    Runs with the nightly audit. States older than LEADPIPE_LAKE_KEEP_DAYS cannot be looked at afterwards;
    files that nobody needs go a day later, those of killed runs after two. Others write between two tables.
    Running it again does what is left.
    """
    with failing_clearly(), retried_later(context, is_manual=run_of(context).kind == "manual"):
        done = maintain(
            warehouse.warehouse(),
            keep=timedelta(days=settings.lake_keep_days),
            now=datetime.now(UTC),
        )
    for busy in done.tables_busy:
        context.log.warning("%s was written by others meanwhile; it waits for the next night", busy)
    return dg.MaterializeResult(
        metadata={
            "files before": done.before.files,
            "files": done.after.files,
            "bytes before": done.before.size,
            "bytes": done.after.size,
            "states before": done.before.snapshots,
            "states": done.after.snapshots,
            "tables tidied": dg.MetadataValue.json(list(done.tables_tidied)),
            "tables busy": dg.MetadataValue.json(list(done.tables_busy)),
            "files removed": done.files_removed,
            "orphans removed": done.orphans_removed,
        }
    )


def _sync_config(settings: EventsSettings, lane: str) -> SyncConfig:
    """How to read, by the lane that a person chose for this run."""
    config = replace(sync_config(settings), first_day=settings.first_day(datetime.now(UTC)))
    if lane == "auto":
        return config
    if lane not in LANES:
        raise ConfigurationError(f"The lane {lane!r} is none of {', '.join(LANES)}.")
    return replace(config, lane=lane)


def _told(report: LoadReport, settings: EventsSettings) -> Iterator[dg.AssetMaterialization]:
    """What a load had of PostHog and of the lanes, for the catalog.

    Their data version never changes: that PostHog was asked again makes nothing that came of it outdated.
    """
    found: Mapping[str, Mapping[str, int | str | float]] = {
        "posthog": {
            "project": settings.posthog_project_id or "",
            "address": settings.posthog_base_url,
            "API calls": report.calls.api_calls,
            "seconds of API calls": round(report.calls.seconds, 3),
        },
        "query_lane": {"windows": report.windows, "days": len(report.days)},
        "download_lane": {
            "exports": report.brought.spans,
            "files": report.brought.files,
            "exports that failed": len(report.brought.failed),
        },
    }
    for asset, metadata in found.items():
        yield dg.AssetMaterialization(
            asset, metadata=metadata, tags={"dagster/data_version": "as PostHog has it"}
        )


def _shown(facts: DayFacts, verdict: Verdict) -> dict[str, int | str]:
    return {
        "events": facts.warehouse_events or 0,
        "events in PostHog": facts.posthog_events or 0,
        "verdict": str(verdict),
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
        "events set aside as unconfirmed": dg.MetadataValue.int(report.unconfirmed),
        "mapping": dg.MetadataValue.text(report.mapping),
        "events typed again": dg.MetadataValue.int(report.retyped.changed),
        "days changed": dg.MetadataValue.int(len(report.ingested.changed_days)),
        "days incomplete": dg.MetadataValue.int(len(report.incomplete_days)),
        "days frozen by retention": dg.MetadataValue.int(len({*days} - {*report.days})),
        "days read again": dg.MetadataValue.int(len(report.reread_days)),
        "lane": dg.MetadataValue.text(
            f"{report.lane.lane}: {report.lane.why}" if report.lane else "nothing to bring"
        ),
        "exports": dg.MetadataValue.int(report.brought.spans),
        "files": dg.MetadataValue.int(report.brought.files),
        "exports that failed": dg.MetadataValue.json([*report.brought.failed]),
        "windows": dg.MetadataValue.int(report.windows),
        "API calls": dg.MetadataValue.int(report.calls.api_calls),
        "seconds of API calls": dg.MetadataValue.float(round(report.calls.seconds, 3)),
        "API retries": dg.MetadataValue.int(report.calls.retries),
        "rate limits met": dg.MetadataValue.int(report.calls.rate_limits),
    }


def _verdict_table(judged: Sequence[tuple[DayFacts, Verdict]]) -> dg.TableMetadataValue:
    """Days that are wrong first, then the latest; a year of rows would only slow the UI."""
    worst = sorted(judged, key=lambda item: (not item[1].is_wrong, -item[0].event_date.toordinal()))
    return table(
        ("day", "events", "events in PostHog", "verdict"),
        (
            (facts.event_date.isoformat(), *_shown(facts, verdict).values())
            for facts, verdict in worst[:_MOST_VERDICTS]
        ),
    )
