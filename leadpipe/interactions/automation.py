"""When tenants' leads files are synced: every day; and their partitions follow the tenants file."""

from collections.abc import Iterator

import dagster as dg

from leadpipe.automation import asset_job, at_most
from leadpipe.interactions.partitions import TENANT_PROGRAMS
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe.interactions.tenants import read_tenants
from leadpipe.resources import failing_clearly

leads_job = asset_job(
    "sync_leads",
    selection=dg.AssetSelection.groups("interactions"),
    description="Merge a tenant's staff contacts of a program into its leads file.",
    tags=at_most(hours=1),
)


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


JOBS = (leads_job,)
SCHEDULES = (sync_leads_every_day,)
SENSORS = (follow_tenants_file,)
