"""When draws run: once a day, if there is a promotion."""

import dagster as dg

from leadpipe.automation import KIND_TAG, asset_job, at_most
from leadpipe.draws.settings import DrawsSettings
from leadpipe.zones import day_in

_ASSETS = ("draw_participants", "draw_cohort", "draw", "draw_events")

draws_job = asset_job(
    "draws",
    selection=dg.AssetSelection.assets(*_ASSETS),
    description="Who takes part on a date, its cohort in PostHog, its draw, the results as events.",
    tags=at_most(hours=2),
)


@dg.schedule(
    job=draws_job,
    cron_schedule="30 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Daily, after the sync of 06:00: who takes part today, and the cohort; with "
    "LEADPIPE_PRIZES_FILE also the draw. Does nothing before LEADPIPE_PROMOTION_START is set.",
)
def draw_every_day(
    context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[DrawsSettings]
) -> dg.RunRequest | dg.SkipReason:
    """One run for the date it is in the draws' zone; events received before it began were read by then."""
    start = settings.promotion_start
    today = day_in(settings.draw_timezone, context.scheduled_execution_time)
    if start is None or today <= start:
        return dg.SkipReason(
            f"LEADPIPE_PROMOTION_START is {start or 'not set'}: nobody to draw yet"
        )
    assets = _ASSETS if settings.prizes_file is not None else _ASSETS[:2]
    return dg.RunRequest(
        run_key=f"draws {today}",
        partition_key=today.isoformat(),
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={KIND_TAG: "scheduled"},
    )


JOBS = (draws_job,)
SCHEDULES = (draw_every_day,)
SENSORS = ()
