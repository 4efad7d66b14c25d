"""When leads are delivered, retried and compared with the partner's list, and when somebody is told."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import dagster as dg

from leadpipe.alerting import alert_receivers
from leadpipe.automation import TICK_SECONDS, asset_job, at_most, hindrance, nothing_to_do
from leadpipe.delivery.alerts import AlertRules, due_alerts, keep_told, tell
from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.lists import due_leads
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.errors import LeadpipeError
from leadpipe.published.tables import publish_tables
from leadpipe.queues import EDGE, in_queue
from leadpipe.resources import WarehouseResource

delivery_job = asset_job(
    "delivery",
    selection=dg.AssetSelection.assets("lead_deliveries"),
    description="Deliver captured leads to the partner; ask about what is unknown, retry what is due.",
    tags=at_most(hours=1) | in_queue(EDGE),
)
reconciliation_job = asset_job(
    "reconcile",
    selection=dg.AssetSelection.assets("reconciliation"),
    description="Compare delivered leads with the partner's own list, in both directions.",
    tags=at_most(hours=1),
)


@dg.sensor(
    job=delivery_job,
    minimum_interval_seconds=20,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Delivers leads when events came in, when leads arrived over HTTP, or when a retry is due.",
)
def deliver_captured_leads(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[DeliverySettings]
) -> dg.RunRequest | dg.SkipReason | dg.SensorResult:
    """A run when there may be something to deliver, and none is under way."""
    if settings.npa_api_url is None:
        return nothing_to_do(
            context,
            "lead_deliveries",
            "NPA_API_URL is not set; leads wait in the outbox",
            checks=("each_lead_succeeded_once",),
        )
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
    if reason := hindrance(context.instance, delivery_job.name, now):
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
def retry_leads(settings: dg.ResourceParam[DeliverySettings]) -> dg.RunRequest | dg.SkipReason:
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
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[DeliverySettings]
) -> dg.RunRequest | dg.SkipReason:
    """Yesterday's partition, if there is a partner with a list."""
    if settings.npa_api_url is None or settings.npa_list_path == "none":
        return dg.SkipReason("there is no partner with a list to compare with")
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells when deliveries fail, once when it begins and once when it ends.",
)
def alert_about_deliveries(
    context: dg.SensorEvaluationContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DeliverySettings],
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
    try:
        place = warehouse.warehouse(lock_timeout_seconds=TICK_SECONDS / 6)
        # Kept before it is told: a message that fails is in the log, and does not come every minute.
        with place.writing("delivery") as connection:
            alerts = due_alerts(connection, rules, now=now)
            keep_told(connection, alerts, now=now)
    except LeadpipeError as error:
        return dg.SkipReason(str(error))
    for problem in tell(alerts, alert_receivers(settings), log=context.log.warning):
        context.log.error("%s", problem)
    if alerts:
        with suppress(LeadpipeError), place.connect() as connection:
            publish_tables(connection, settings.published_dir)
    return dg.SkipReason(f"{len(alerts)} alerts told")


JOBS = (delivery_job, reconciliation_job)
SCHEDULES = (retry_leads, reconcile_yesterday)
SENSORS = (deliver_captured_leads, alert_about_deliveries)
