"""When weeks are compared with PostHog's own count: every 6 hours, after the sync."""

from datetime import UTC, datetime

import dagster as dg

from leadpipe.automation import asset_job, at_most, range_tags
from leadpipe.settings import Settings
from leadpipe.visitors.weeks import weeks_between

visitors_job = asset_job(
    "visitors",
    selection=dg.AssetSelection.assets("visitor_metrics"),
    description="Compare every week's visitors with PostHog's own count, store and publish what changed.",
    tags=at_most(hours=1),
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


JOBS = (visitors_job,)
SCHEDULES = (visitors_every_six_hours,)
SENSORS = ()
