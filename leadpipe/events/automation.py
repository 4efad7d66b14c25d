"""When events come: every 6 hours by a sync, by files when there are new ones; and clearing up."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from leadpipe.automation import (
    AUDIT_TAG,
    KIND_TAG,
    RUN_TAG,
    SYNC_TAG,
    TICK_SECONDS,
    asset_job,
    at_most,
    hindrance,
    nothing_to_do,
    part_tags,
    range_tags,
)
from leadpipe.errors import LeadpipeError, NotPublished
from leadpipe.events import ledger
from leadpipe.events.connecting import open_bucket, sync_config
from leadpipe.events.exported.bucket import LISTED_AT_ONCE, Bucket, StoredObject, Stretch
from leadpipe.events.exported.choosing import KnownFile, State, unseen
from leadpipe.events.exported.recent import recent_stretches
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.events.settings import EventsSettings
from leadpipe.living import is_living, remove_dead
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.queues import BULK, in_queue
from leadpipe.ranges import contiguous
from leadpipe.resources import PostHogConnection, WarehouseResource

_AGAIN = timedelta(minutes=10)  # the same files are not asked for more often
_WHOLE = timedelta(
    hours=1
)  # the whole bucket is listed so often; what is new at its end, at every tick
_RECENT_DAYS = 45  # an export that wrote nothing for so long is looked at with the whole
_TELL_AGAIN = timedelta(hours=6)  # nor is a run started more often that can only fail
_SOON = timedelta(minutes=5)  # time for Dagster to start what was requested, and what was killed
_TICKS = uuid.UUID("6d1c5c0e-3a53-4c0f-9b0c-4f1d5f6f2a11")  # whose names are moments of ticks

sync_job = asset_job(
    "sync",
    selection=dg.AssetSelection.tag(*SYNC_TAG),
    description="Load days of events, build leads and listing marts from them, publish the tables.",
    tags=at_most(hours=6),
)
audit_job = asset_job(
    "audit",
    selection=dg.AssetSelection.tag(*AUDIT_TAG),
    description="Compare older days with PostHog by their events, and look at parts of all tables and files; "
    "what differs is read by the next sync. Keep a lake's files in order.",
    tags=at_most(hours=1),
)


files_job = asset_job(
    "files",
    selection=dg.AssetSelection.assets("exported_files") | dg.AssetSelection.tag(*SYNC_TAG),
    description="Take new files from LEADPIPE_BUCKET, load today, build the marts, publish the tables.",
    tags=at_most(hours=6) | in_queue(BULK),
)


@dg.schedule(
    job=audit_job,
    cron_schedule="10 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: days and parts of tables that no sync looks at any more, the longest "
    "unchecked first.",
)
def audit_every_night() -> dg.RunRequest:
    """One run, within its budgets of queries and of time."""
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
    """One run per unbroken range of days, all of them parts of one sync; today is always among them."""
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
    due_at = context.scheduled_execution_time.isoformat()
    ranges = contiguous(plan.days, longest=settings.days_a_run)
    # The same when Dagster goes on with a tick that was interrupted.
    one_sync = part_tags(str(uuid.uuid5(_TICKS, due_at)), len(ranges))
    for first, last in ranges:
        yield dg.RunRequest(
            run_key=f"{due_at} {first}",
            tags={**range_tags(first.isoformat(), last.isoformat(), "scheduled"), **one_sync},
        )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Removes page files of runs that were killed, marks those runs as interrupted, and closes "
    "syncs of which Dagster has no further part.",
)
def clear_left_behind(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.SkipReason:
    """Clear up after the dead; starts no run."""
    gone = remove_dead(settings.landing_dir)
    abandoned = _abandoned(context.instance, settings, datetime.now(UTC))
    if not (gone or abandoned):
        return dg.SkipReason("nothing was left behind")
    place = warehouse.warehouse(lock_timeout_seconds=TICK_SECONDS / 6)
    try:
        with place.writing("door") as connection:
            ledger.mark_interrupted(connection, landing=settings.landing_dir, now=datetime.now(UTC))
            ledger.settle(connection, abandoned, is_given_up=True)
        with place.connect() as connection:
            publish_tables(connection, settings.published_dir)
    except LeadpipeError as error:  # the next sync, plan or drain marks them
        return dg.SkipReason(str(error))
    return dg.SkipReason(f"cleared up after {', '.join([*gone, *abandoned])}")


def _abandoned(instance: dg.DagsterInstance, settings: EventsSettings, now: datetime) -> list[str]:
    """Syncs that wait for parts of which Dagster knows nothing: cancelled in its queue, or never started.

    They are looked for in the published tables: the warehouse may be in use.
    """
    try:
        waiting = reading.query(
            settings.published_dir,
            """
            SELECT run_id FROM runs JOIN run_parts USING (run_id)
            WHERE runs.status = 'running' GROUP BY run_id
            HAVING NOT bool_or(run_parts.status = 'running') AND max(run_parts.finished_at) < $before
            """,
            {"before": now - _SOON},
        ).rows
    except NotPublished:
        return []
    return [
        run_id
        for run_id in sorted(str(run_id) for (run_id,) in waiting)
        if not is_living(settings.landing_dir, run_id)
        and not instance.get_runs(
            dg.RunsFilter(tags={RUN_TAG: run_id}, statuses=[*NOT_FINISHED_STATUSES]), limit=1
        )
    ]


@dg.sensor(
    job=files_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks into LEADPIPE_BUCKET: new files, new versions and new manifests are taken in one run.",
)
def take_exported_files(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[EventsSettings]
) -> dg.RunRequest | dg.SkipReason | dg.SensorResult:
    """A run when something is there that no run has decided on, and none is under way.

    A tick lists where new files turn up; the whole bucket once an hour, until nothing in it is new, and
    always where that is one request. The cursor remembers what was asked for: what a run does not settle is
    tried again after 10 minutes, and a bucket that cannot be listed fails a run every 6 hours, so that it is
    told.
    """
    now = datetime.now(UTC)
    bucket = open_bucket(settings, patience_seconds=TICK_SECONDS / 3)
    if bucket is None:
        return nothing_to_do(
            context,
            "exported_files",
            "LEADPIPE_BUCKET is not set",
            checks=("every_exported_file_was_taken",),
        )
    cursor = json.loads(context.cursor) if context.cursor else {}
    try:
        stretches = _stretches(bucket, settings, cursor, now)
        listing = bucket.listing(stretches) if stretches else bucket.listing()
        new = unseen(listing, _known_files(settings))
    except LeadpipeError as error:
        what, patience, nothing = f"error: {type(error).__name__}", _TELL_AGAIN, str(error)
    else:
        if not new and not stretches:
            whole = {"at": now.isoformat(), "objects": len(listing), "bucket": bucket.address}
            context.update_cursor(json.dumps({**cursor, "whole": whole}))
        if not new:
            return dg.SkipReason("nothing new in the bucket")
        what, patience = _digest(new), _AGAIN
        nothing = f"{len(new)} new files were asked for less than 10 minutes ago"
    if _was_asked(cursor, what, now - patience):
        return dg.SkipReason(nothing)
    if reason := hindrance(context.instance, files_job.name, now):
        return dg.SkipReason(reason)
    context.update_cursor(json.dumps({**cursor, "asked": what, "at": now.isoformat()}))
    today = now.date().isoformat()
    return dg.RunRequest(tags=range_tags(today, today, "bucket"))


def _stretches(
    bucket: Bucket, settings: EventsSettings, cursor: Mapping[str, Any], now: datetime
) -> tuple[Stretch, ...]:
    """Where a tick looks; nowhere in particular if it is time for the whole bucket, or that is as cheap."""
    whole = cursor.get("whole")
    if (
        whole is None
        or bucket.folder is not None
        or whole["bucket"] != bucket.address
        or whole["objects"] <= LISTED_AT_ONCE
        or datetime.fromisoformat(whole["at"]) <= now - _WHOLE
    ):
        return ()
    found = reading.query(
        settings.published_dir,
        "SELECT key FROM exported_files WHERE state <> 'superseded' AND interval_end > "
        "(SELECT max(interval_end) FROM exported_files) - to_days($days::INTEGER)",
        {"days": _RECENT_DAYS},
    ).rows
    return recent_stretches([str(key) for (key,) in found])


def _known_files(settings: EventsSettings) -> dict[str, KnownFile]:
    """What was decided on files, as published: the warehouse may be in use."""
    try:
        found = reading.query(
            settings.published_dir,
            "SELECT key, e_tag, state FROM exported_files WHERE state <> 'superseded'",
        ).rows
    except NotPublished:
        return {}
    return {
        str(key): KnownFile(str(key), str(e_tag), cast("State", state))
        for key, e_tag, state in found
    }


def _digest(files: list[StoredObject]) -> str:
    named = sorted((one.key, one.e_tag) for one in files)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _was_asked(cursor: Mapping[str, Any], what: str, since: datetime) -> bool:
    """Whether the same was asked for since then."""
    return cursor.get("asked") == what and datetime.fromisoformat(cursor["at"]) > since


JOBS = (sync_job, audit_job, files_job)
SCHEDULES = (sync_every_six_hours, audit_every_night)
SENSORS = (clear_left_behind, take_exported_files)
