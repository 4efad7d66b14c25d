"""When tenants' leads files are synced: every day, and soon after a contact came; their partitions."""

import json
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from leadpipe.automation import KIND_TAG, asset_job, at_most, nothing_to_do
from leadpipe.connections import open_warehouse
from leadpipe.errors import WarehouseError
from leadpipe.interactions.partitions import TENANT_PROGRAMS
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe.interactions.tenants import read_tenants
from leadpipe.interactions.waiting import fingerprints, with_others
from leadpipe.queues import EDGE, in_queue
from leadpipe.resources import failing_clearly

leads_job = asset_job(
    "sync_leads",
    selection=dg.AssetSelection.assets("interaction_syncs"),
    description="Merge a tenant's staff contacts of a program into its leads file.",
    tags=at_most(hours=1) | in_queue(EDGE),
)


_STORING = ("webhook_events", "raw_events", "exported_files")  # the assets that bring events
_PATIENCE_SECONDS = 2.0
_FROM_THE_WAREHOUSE = {"ops": {"interaction_syncs": {"config": {"source": "warehouse"}}}}


@dg.schedule(
    job=leads_job,
    cron_schedule="20 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day after the 6 o'clock sync: each tenant and program of the tenants file.",
)
def sync_leads_every_day(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[InteractionsSettings]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per tenant and program that the tenants file lists now."""
    with failing_clearly():
        listed = read_tenants(settings.tenants_path)
    if not listed:
        yield dg.SkipReason(f"{settings.tenants_path} lists no tenants")
        return
    context.instance.add_dynamic_partitions(str(TENANT_PROGRAMS.name), listed)
    for key in listed:
        yield dg.RunRequest(
            run_key=f"{context.scheduled_execution_time.isoformat()} {key}", partition_key=key
        )


@dg.sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Keeps the partitions of the leads syncs as the tenants file lists them.",
)
def follow_tenants_file(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[InteractionsSettings]
) -> dg.SensorResult | dg.SkipReason:
    """Add the tenants and programs that are new in the file, and remove those gone."""
    with failing_clearly():
        listed = set(read_tenants(settings.tenants_path))
    known = set(context.instance.get_dynamic_partitions(str(TENANT_PROGRAMS.name)))
    added, gone = sorted(listed - known), sorted(known - listed)
    if not added and not gone:
        return dg.SkipReason(f"{settings.tenants_path} lists the {len(known)} that are known")
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if added:
        changes.append(TENANT_PROGRAMS.build_add_request(added))
    if gone:
        changes.append(TENANT_PROGRAMS.build_delete_request(gone))
    return dg.SensorResult(dynamic_partitions_requests=changes)


@dg.sensor(
    job=leads_job,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
    description="Merges staff contacts soon after the webhook or a sync has brought them.",
)
def sync_leads_that_have_news(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[InteractionsSettings]
) -> dg.SensorResult | dg.SkipReason:
    """A run for each listed tenant and program whose contacts in the warehouse are others than before.

    Looks when events were stored since the last time, and takes no longer than a moment's lock.
    """
    with failing_clearly():
        listed = read_tenants(settings.tenants_path)
    if not listed:
        return nothing_to_do(
            context,
            "interaction_syncs",
            f"{settings.tenants_path} lists no tenants",
            checks=("every_contact_has_a_lead", "every_contact_is_valid"),
        )
    stored = {
        name: records[0].storage_id
        for name in _STORING
        if (records := context.instance.fetch_materializations(dg.AssetKey(name), limit=1).records)
    }
    cursor = json.loads(context.cursor or "{}")
    if not stored or (cursor.get("stored") == stored and cursor.get("listed") == listed):
        return dg.SkipReason("no events were stored since the last look")
    warehouse = replace(open_warehouse(settings), lock_timeout_seconds=_PATIENCE_SECONDS)
    try:
        with warehouse.connect() as connection:
            now = fingerprints(connection, listed)
    except WarehouseError as error:
        return dg.SkipReason(str(error))  # the next look is in seconds
    keys = with_others(cursor.get("contacts", {}), now)
    context.instance.add_dynamic_partitions(str(TENANT_PROGRAMS.name), listed)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{key} {now[key]}",
                partition_key=key,
                tags={KIND_TAG: "webhook"},
                run_config=_FROM_THE_WAREHOUSE,
            )
            for key in keys
        ],
        cursor=json.dumps({"stored": stored, "listed": listed, "contacts": {**now}}),
    )


JOBS = (leads_job,)
SCHEDULES = (sync_leads_every_day,)
SENSORS = (follow_tenants_file, sync_leads_that_have_news)
