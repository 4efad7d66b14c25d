"""When events are synced: the job with all that is built from them, every 6 hours; and clearing up."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from leadpipe.automation import KIND_TAG, SYNC_TAG, TICK_SECONDS, asset_job, at_most, range_tags
from leadpipe.errors import LeadpipeError
from leadpipe.events import ledger
from leadpipe.events.connecting import sync_config
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.events.settings import EventsSettings
from leadpipe.living import remove_dead
from leadpipe.ranges import contiguous
from leadpipe.resources import PostHogConnection, WarehouseResource

sync_job = asset_job(
    "sync",
    selection=dg.AssetSelection.tag(*SYNC_TAG),
    description="Load days of events, build leads and listing marts from them, publish the tables.",
    tags=at_most(hours=6),
)
audit_job = asset_job(
    "audit",
    selection=dg.AssetSelection.assets("audited_days"),
    description="Compare older days with PostHog by their events; what differs is read by the next sync.",
    tags=at_most(hours=1),
)


@dg.schedule(
    job=audit_job,
    cron_schedule="10 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: days that no sync compares any more, the longest unchecked first.",
)
def audit_every_night() -> dg.RunRequest:
    """One run, within its budget of queries."""
    return dg.RunRequest(tags={KIND_TAG: "scheduled"})


@dg.schedule(
    job=sync_job,
    cron_schedule="0 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 6 hours: ask PostHog which days have new events, and sync exactly those.",
)
def sync_every_six_hours(
    context: dg.ScheduleEvaluationContext,
    posthog: dg.ResourceParam[PostHogConnection],
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per unbroken range of days; today is always among them."""
    now = datetime.now(UTC)
    try:
        with posthog.client(deadline_seconds=TICK_SECONDS / 3) as client:
            plan = plan_sync(
                client,
                warehouse.warehouse(lock_timeout_seconds=TICK_SECONDS / 6),
                config=sync_config(settings),
                first_day=settings.first_day(now),
                now=now,
            )
    except LeadpipeError as error:  # today's run will meet it too, and is retried or reported
        context.log.warning("%s; syncing today only", error)
        plan = SyncPlan({now.date(): "today"})
    for first, last in contiguous(plan.days):
        yield dg.RunRequest(
            run_key=f"{context.scheduled_execution_time.isoformat()} {first}",
            tags=range_tags(first.isoformat(), last.isoformat(), "scheduled"),
        )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Removes page files of runs that were killed, and marks those runs as interrupted.",
)
def clear_left_behind(
    warehouse: WarehouseResource, settings: dg.ResourceParam[EventsSettings]
) -> dg.SkipReason:
    """Clear up after the dead; starts no run."""
    gone = remove_dead(settings.landing_dir)
    if not gone:
        return dg.SkipReason("nothing was left behind")
    place = warehouse.warehouse(lock_timeout_seconds=TICK_SECONDS / 6)
    try:
        with place.transaction() as connection:
            ledger.mark_interrupted(connection, landing=settings.landing_dir, now=datetime.now(UTC))
    except LeadpipeError as error:  # the next sync, plan or drain marks them
        return dg.SkipReason(str(error))
    return dg.SkipReason(f"cleared up after {', '.join(gone)}")


JOBS = (sync_job, audit_job)
SCHEDULES = (sync_every_six_hours, audit_every_night)
SENSORS = (clear_left_behind,)
