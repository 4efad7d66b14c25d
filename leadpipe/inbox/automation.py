"""When the inbox is moved into the warehouse: soon after something arrived."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from leadpipe.automation import KIND_TAG, asset_job, at_most, hindrance, nothing_to_do
from leadpipe.errors import LeadpipeError
from leadpipe.events.connecting import event_mapping
from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.settings import InboxSettings
from leadpipe.queues import EDGE, in_queue

_MANY_WAITING = 20_000

inbox_job = asset_job(
    "inbox",
    selection=dg.AssetSelection.assets("webhook_events"),
    description="Move what the webhook brought from the inbox into the warehouse, and publish it.",
    tags=at_most(hours=1) | in_queue(EDGE),
)


@dg.sensor(
    job=inbox_job,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Stores webhook events: views after LEADPIPE_INBOX_SECONDS, anything else at once.",
)
def store_webhook_events(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[InboxSettings]
) -> dg.RunRequest | dg.SkipReason | dg.SensorResult:
    """A run when something has waited long enough, and none is under way."""
    inbox = open_inbox(settings)
    now = datetime.now(UTC)
    try:
        state = inbox.state()
        holds = () if inbox.dead_letters(limit=1) else ("no_dead_letters",)
        is_urgent = bool(inbox.waiting_events() - {*event_mapping(settings).narrow_events})
    except LeadpipeError as error:
        return dg.SkipReason(str(error))
    if state.oldest_at is None:
        return nothing_to_do(
            context,
            "webhook_events",
            "the inbox is empty",
            checks=holds,
        )
    waited = now - state.oldest_at
    is_due = is_urgent or state.waiting >= _MANY_WAITING
    if not is_due and waited < timedelta(seconds=settings.inbox_seconds):
        return nothing_to_do(
            context,
            "webhook_events",
            f"{state.waiting} page and listing views wait for company",
            checks=holds,
        )
    if reason := hindrance(context.instance, inbox_job.name, now):
        return dg.SkipReason(reason)
    return dg.RunRequest(tags={KIND_TAG: "webhook"})


JOBS = (inbox_job,)
SCHEDULES = ()
SENSORS = (store_webhook_events,)
