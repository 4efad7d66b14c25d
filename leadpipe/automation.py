"""What runs when: every job, schedule and sensor, on one page.

How a day is loaded or a mart is built is the domains' business.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
import httpx

from leadpipe.connections import open_inbox, sync_config
from leadpipe.delivery.alerts import AlertRules, Channels, due_alerts, keep_told, tell
from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.lists import due_leads
from leadpipe.errors import LeadpipeError
from leadpipe.events.assets import KIND_TAG
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.events.vocabulary import BULKY_EVENTS
from leadpipe.interactions.tenants import read_tenants
from leadpipe.launcher import in_process_executor
from leadpipe.partitions import TENANT_PROGRAMS, contiguous
from leadpipe.resources import PostHogConnection, WarehouseResource, failing_clearly
from leadpipe.settings import Settings
from leadpipe.weeks import weeks_between

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
_REPORT_TIMEOUT_SECONDS = 10.0
_MANY_WAITING = 20_000
_AFTER_A_FAILURE = timedelta(minutes=10)
_TICK_SECONDS = 60.0  # Dagster gives a tick that long, and starts nothing if it is over
logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs addresses, tokens and all


# A job in one process; Dagster ends it when it takes longer than its `max_runtime`.
_asset_job = partial(dg.define_asset_job, executor_def=in_process_executor)


def _at_most(hours: int) -> dict[str, object]:
    return {"dagster/max_runtime": hours * 3_600}


sync_job = _asset_job(
    "sync",
    selection=dg.AssetSelection.groups("events", "leads", "listings", "published"),
    description="Load days of events, build leads and listing marts from them, publish the tables.",
    tags=_at_most(hours=6),
)
visitors_job = _asset_job(
    "visitors",
    selection=dg.AssetSelection.groups("visitors"),
    description="Compare every week's visitors with PostHog's own count, store and publish what changed.",
    tags=_at_most(hours=1),
)
inbox_job = _asset_job(
    "inbox",
    selection=dg.AssetSelection.groups("inbox"),
    description="Move what the webhook brought from the inbox into the warehouse, and publish it.",
    tags=_at_most(hours=1),
)
leads_job = _asset_job(
    "sync_leads",
    selection=dg.AssetSelection.groups("interactions"),
    description="Merge a tenant's staff contacts of a program into its leads file.",
    tags=_at_most(hours=1),
)
draws_job = _asset_job(
    "draws",
    selection=dg.AssetSelection.groups("draws") | dg.AssetSelection.assets("published_tables"),
    description="Who takes part on a date, its cohort in PostHog, its draw, the results as events.",
    tags=_at_most(hours=2),
)
delivery_job = _asset_job(
    "delivery",
    selection=dg.AssetSelection.groups("delivery"),
    description="Deliver captured leads to the partner; ask about what is unknown, retry what is due.",
    tags=_at_most(hours=1),
)
reconciliation_job = _asset_job(
    "reconcile",
    selection=dg.AssetSelection.groups("reconciliation"),
    description="Compare delivered leads with the partner's own list, in both directions.",
    tags=_at_most(hours=1),
)


def range_tags(first: str, last: str, kind: str) -> dict[str, str]:
    """The tags of a run over a range of days."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last, KIND_TAG: kind}


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
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per unbroken range of days; today is always among them."""
    now = datetime.now(UTC)
    try:
        with posthog.client(deadline_seconds=_TICK_SECONDS / 3) as client:
            plan = plan_sync(
                client,
                warehouse.warehouse(lock_timeout_seconds=_TICK_SECONDS / 6),
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


@dg.schedule(
    job=visitors_job,
    cron_schedule="20 */6 * * *",  # after the sync, so that both have seen the same events
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 6 hours: compare all weeks with PostHog's own count.",
)
def visitors_every_six_hours(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest:
    """One run over all weeks, from the first day's to the current one."""
    now = datetime.now(UTC)
    weeks = weeks_between(settings.first_day(now), now.date())
    return dg.RunRequest(
        run_key=context.scheduled_execution_time.isoformat(),
        tags=range_tags(weeks[0].isoformat(), weeks[-1].isoformat(), "scheduled"),
    )


@dg.sensor(
    job=inbox_job,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Stores webhook events: views after LEADPIPE_INBOX_SECONDS, anything else at once.",
)
def store_webhook_events(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """A run when something has waited long enough, and none is under way."""
    inbox = open_inbox(settings)
    now = datetime.now(UTC)
    try:
        state = inbox.state()
        is_urgent = bool(inbox.waiting_events() - set(BULKY_EVENTS))
    except LeadpipeError as error:
        return dg.SkipReason(str(error))
    if state.oldest_at is None:
        return dg.SkipReason("the inbox is empty")
    waited = now - state.oldest_at
    is_due = is_urgent or state.waiting >= _MANY_WAITING
    if not is_due and waited < timedelta(seconds=settings.inbox_seconds):
        return dg.SkipReason(f"{state.waiting} page and listing views wait for company")
    if reason := _hindrance(context.instance, inbox_job.name, now):
        return dg.SkipReason(reason)
    return dg.RunRequest(tags={KIND_TAG: "webhook"})


def _hindrance(instance: dg.DagsterInstance, job: str, now: datetime) -> str | None:
    """Why no run of a job should start now: one is under way, or the last one has just failed."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
    if not records:
        return None
    last = records[0]
    if not last.dagster_run.is_finished:
        return f"run {last.dagster_run.run_id} is under way"
    ended = datetime.fromtimestamp(last.end_time, UTC) if last.end_time else now
    if not last.dagster_run.is_success and now - ended < _AFTER_A_FAILURE:
        return f"run {last.dagster_run.run_id} failed; trying again 10 minutes after it"
    return None


@dg.schedule(
    job=leads_job,
    cron_schedule="20 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day after the 6 o'clock sync: each tenant and program of the tenants file.",
)
def sync_leads_every_day(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
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
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
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


@dg.schedule(
    job=draws_job,
    cron_schedule="30 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Daily, after the sync of 06:00: who takes part today, and the cohort; with "
    "LEADPIPE_PRIZES_FILE also the draw. Does nothing before LEADPIPE_PROMOTION_START is set.",
)
def draw_every_day(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """One run for today; events received before midnight were read by then."""
    start, today = settings.promotion_start, context.scheduled_execution_time.date()
    if start is None or today <= start:
        return dg.SkipReason(
            f"LEADPIPE_PROMOTION_START is {start or 'not set'}: nobody to draw yet"
        )
    assets = ["draw_participants", "draw_cohort"]
    if settings.prizes_file is not None:
        assets += ["draw", "draw_events", "published_tables"]
    return dg.RunRequest(
        run_key=f"draws {today}",
        partition_key=today.isoformat(),
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={KIND_TAG: "scheduled"},
    )


@dg.run_failure_sensor(
    name="report_failed_run",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Logs every failed run, and posts it to LEADPIPE_FAILURE_WEBHOOK_URL if that is set.",
)
def report_failed_run(
    context: dg.RunFailureSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Say which run failed and why, with the next step."""
    run = context.dagster_run
    text = (
        f"leadpipe: run {run.run_id} of {run.job_name} failed: {context.failure_event.message}\n"
        f"{_reasons(context)}"
    ).strip()
    _report(context.log, settings, text)


@dg.run_status_sensor(
    name="report_red_checks",
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Logs every red check of a run that succeeded, and posts it as a failed run is posted.",
)
def report_red_checks(
    context: dg.RunStatusSensorContext, settings: dg.ResourceParam[Settings]
) -> None:
    """Say which checks are red: a day that is incomplete fails no run."""
    run = context.dagster_run
    records = context.instance.get_records_for_run(
        run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    checks = [event.asset_check_evaluation_data for event in events if event]
    red = [
        f"{check.asset_key.to_user_string()}: {check.check_name}"
        for check in checks
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]
    if red:
        text = f"leadpipe: run {run.run_id} of {run.job_name} succeeded, but checks are red:\n"
        _report(context.log, settings, text + "\n".join(sorted(red)))


def _report(log: logging.Logger, settings: Settings, text: str) -> None:
    """Log a text, and post it where the settings say."""
    log.error("%s", text)
    url = settings.failure_webhook_url
    if url is None:
        return
    try:
        answer = httpx.post(
            url.get_secret_value(), json={"text": text}, timeout=_REPORT_TIMEOUT_SECONDS
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        log.error(  # noqa: TRY400 - the traceback has the address, and that may hold a token
            "LEADPIPE_FAILURE_WEBHOOK_URL did not take the report: %s", type(error).__name__
        )


def _reasons(context: dg.RunFailureSensorContext) -> str:
    reasons: list[str] = []
    for event in context.get_step_failure_events():
        data: Any = event.step_failure_data
        failure = data.user_failure_data
        message = failure.description if failure else data.error and data.error.message
        reasons.append(f"{event.step_key}: {(message or 'no message').strip()}")
    return "\n".join(reasons)


@dg.sensor(
    job=delivery_job,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Delivers leads when events came in, when leads arrived over HTTP, or when a retry is due.",
)
def deliver_captured_leads(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """A run when there may be something to deliver, and none is under way."""
    if settings.npa_api_url is None:
        return dg.SkipReason("NPA_API_URL is not set; leads wait in the outbox")
    latest = {
        name: str(event.timestamp) if event else ""
        for name in ("raw_events", "webhook_events")
        for event in [context.instance.get_latest_materialization_event(dg.AssetKey(name))]
    }
    cursor = json.dumps(latest, sort_keys=True)
    try:
        waiting = bool(HandOvers(settings.hand_overs_path).waiting())
    except LeadpipeError as error:
        return dg.SkipReason(str(error))
    is_new = cursor != context.cursor and any(latest.values())
    now = datetime.now(UTC)
    if not (is_new or waiting or due_leads(settings.published_dir, now=now)):
        return dg.SkipReason("nothing came in and no retry is due")
    if reason := _hindrance(context.instance, delivery_job.name, now):
        return dg.SkipReason(reason)
    context.update_cursor(cursor)
    return dg.RunRequest()


@dg.schedule(
    job=delivery_job,
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 10 minutes: send again what is due, whatever the sensor has seen.",
)
def retry_leads(settings: dg.ResourceParam[Settings]) -> dg.RunRequest | dg.SkipReason:
    """A run when a retry is due."""
    if settings.npa_api_url is None or not due_leads(settings.published_dir, now=datetime.now(UTC)):
        return dg.SkipReason("no retry is due")
    return dg.RunRequest()


@dg.schedule(
    job=reconciliation_job,
    cron_schedule="40 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: compare yesterday's leads with the partner's list.",
)
def reconcile_yesterday(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """Yesterday's partition, if there is a partner with a list."""
    if settings.npa_api_url is None or settings.npa_list_path == "none":
        return dg.SkipReason("there is no partner with a list to compare with")
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells when deliveries fail, once when it begins and once when it ends; a summary a day.",
)
def alert_about_deliveries(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.SkipReason:
    """Judge the rules and tell what is news; starts no run."""
    if settings.npa_api_url is None:
        return dg.SkipReason("NPA_API_URL is not set")
    now = datetime.now(UTC)
    rules = AlertRules(
        settings.alert_failed,
        settings.alert_success_rate,
        timedelta(hours=settings.alert_oldest_hours),
    )
    channels = Channels(
        settings.alert_webhook_url,
        settings.alert_smtp_url,
        settings.alert_mail_from,
        tuple(filter(None, (a.strip() for a in (settings.alert_mail_to or "").split(",")))),
    )
    try:
        place = warehouse.warehouse(lock_timeout_seconds=_TICK_SECONDS / 6)
        # Kept before it is told: a message that fails is in the log, and does not come every minute.
        with place.transaction() as connection:
            alerts = due_alerts(connection, rules, now=now)
            keep_told(connection, alerts, now=now)
    except LeadpipeError as error:
        return dg.SkipReason(str(error))
    for problem in tell(alerts, channels, log=context.log.warning):
        context.log.error("%s", problem)
    return dg.SkipReason(f"{len(alerts)} alerts told")
