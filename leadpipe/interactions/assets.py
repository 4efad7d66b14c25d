"""Dagster's rim around the leads syncs: the asset `interaction_syncs` and its checks."""

from datetime import UTC, datetime
from typing import cast

import dagster as dg
from pydantic import Field

from leadpipe.catalog import SENT
from leadpipe.interactions.history import enter_if_free
from leadpipe.interactions.partitions import TENANT_PROGRAMS
from leadpipe.interactions.reading import Source
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe.interactions.syncing import SyncReport
from leadpipe.interactions.tenant_sync import sync_leads
from leadpipe.interactions.tenants import SEPARATOR, read_tenants
from leadpipe.queues import EDGE, in_queue
from leadpipe.resources import (
    PostHogConnection,
    WarehouseResource,
    about,
    failing_clearly,
    retried_later,
    table,
)
from leadpipe.warehouse import read_sql

_MOST_PROBLEMS = 100
_SCHEDULE_TAG = "dagster/schedule_name"
_SENSOR_TAG = "dagster/sensor_name"


class LeadsSyncConfig(dg.Config):
    """What a person can choose when syncing by hand."""

    days: int = Field(default=30, ge=1, le=3_650, description="How many days back events are read.")
    source: str = Field(
        default="auto",
        pattern=r"^(auto|warehouse|posthog)$",
        description="Where events are read; auto takes the warehouse when it is fresh. After a webhook the "
        "warehouse as it is, which has what PostHog's queries may not show yet.",
    )


@dg.asset(
    partitions_def=TENANT_PROGRAMS,
    deps=[dg.AssetDep("raw_events", partition_mapping=dg.AllPartitionMapping())],
    group_name=SENT,
    kinds={"posthog", "json"},
    pool="warehouse",
    tags=in_queue(EDGE),
)
def interaction_syncs(
    context: dg.AssetExecutionContext,
    config: LeadsSyncConfig,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[InteractionsSettings],
) -> dg.MaterializeResult[None]:
    """Staff contacts merged into the tenants' leads files; a row a sync, a partition a tenant and program.

    Source: `LeadUpdated` events of the last 30 days, from the warehouse when it is fresh, else from
    PostHog. Running it again adds nothing that is there; nothing else in a file changes.
    """
    tenant, _, program_id = context.partition_key.partition(SEPARATOR)
    is_manual = not {_SCHEDULE_TAG, _SENSOR_TAG} & {*context.run.tags}
    with failing_clearly(), retried_later(context, is_manual=is_manual):
        report = sync_leads(
            settings,
            tenant,
            program_id,
            now=datetime.now(UTC),
            days=config.days,
            source=cast("Source", config.source),
            run_id=context.run.run_id,
            connect=posthog.client,
        )
    for note in (
        report.note,
        enter_if_free(settings.sync_records_dir, warehouse.warehouse(), settings.published_dir),
    ):
        if note:
            context.log.info("%s", note)
    with failing_clearly(), warehouse.get_connection() as connection:
        shown = about(connection, "interaction_syncs")
    return dg.MaterializeResult(
        metadata={**_told(report), **shown},
    )


def _told(report: SyncReport) -> dict[str, dg.MetadataValue]:
    """The report without ids of leads and without notes: the UI is not where personal data belongs."""
    return {
        "events": dg.MetadataValue.int(report.events),
        "added": dg.MetadataValue.int(report.counts["added"]),
        "already there": dg.MetadataValue.int(report.counts["already_there"]),
        "unmatched": dg.MetadataValue.int(report.counts["unmatched"]),
        "rejected": dg.MetadataValue.int(report.counts["rejected"]),
        "source": dg.MetadataValue.text(report.source),
        "read until": dg.MetadataValue.text(f"{report.read_until:%Y-%m-%d %H:%M} UTC"),
        "file": dg.MetadataValue.path(str(report.file)),
        "not merged": table(
            ("event", "result", "reason"),
            ((one.uuid, one.result, one.reason) for one in report.problems[:_MOST_PROBLEMS]),
        ),
    }


@dg.asset_check(asset=interaction_syncs, pool="warehouse")
def every_contact_has_a_lead(
    warehouse: WarehouseResource, settings: dg.ResourceParam[InteractionsSettings]
) -> dg.AssetCheckResult:
    """In the last sync of each listed tenant and program, every contact's lead was in the file."""
    return _none_of("unmatched", warehouse, settings, dg.AssetCheckSeverity.ERROR)


@dg.asset_check(asset=interaction_syncs, pool="warehouse")
def every_contact_is_valid(
    warehouse: WarehouseResource, settings: dg.ResourceParam[InteractionsSettings]
) -> dg.AssetCheckResult:
    """In the last sync of each listed tenant and program, every contact followed the schema."""
    return _none_of("rejected", warehouse, settings, dg.AssetCheckSeverity.WARN)


def _none_of(
    result: str,
    warehouse: WarehouseResource,
    settings: InteractionsSettings,
    severity: dg.AssetCheckSeverity,
) -> dg.AssetCheckResult:
    with failing_clearly():
        listed = set(read_tenants(settings.tenants_path))
        with warehouse.get_connection() as connection:
            last = connection.execute(
                f"SELECT tenant || '{SEPARATOR}' || program_id, {result} "
                f"FROM ({read_sql('interactions', 'last_syncs.sql')})"
            ).fetchall()
    found = {partition: count for partition, count in last if partition in listed and count}
    return dg.AssetCheckResult(
        passed=not found,
        severity=severity,
        metadata={
            "tenants and programs": len(listed),
            result: dg.MetadataValue.json(found),
        },
    )
