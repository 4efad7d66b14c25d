"""When the morning message goes: at 8 where the team is, once a day."""

from datetime import UTC, datetime

import dagster as dg

from leadpipe.alerting import alert_receivers
from leadpipe.automation import at_most
from leadpipe.launcher import in_process_executor
from leadpipe.settings import Settings
from leadpipe.today.telling import tell_morning
from leadpipe.zones import day_in

NAME = "morning_message"
_AT = "0 8 * * *"
_RETRIES = dg.RetryPolicy(max_retries=2, delay=60)


@dg.op(
    name="tell_morning",
    retry_policy=_RETRIES,
    description="Tells what is new to everyone LEADPIPE_ALERT_TO names, once a day to each.",
)
def _tell(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    morning = tell_morning(settings, now=datetime.now(UTC))
    if morning.text is None:
        context.log.info("Nothing can be said yet: nobody is told.")
        return
    context.log.info("%s", morning.text)
    for problem in morning.sent.problems:
        context.log.error("%s", problem)
    context.log.info("told %d now, %d before", morning.sent.told, morning.sent.before)
    if not morning.sent.is_over:
        raise dg.Failure(
            f"{len(morning.sent.problems)} receivers did not take the morning message: "
            + "; ".join(morning.sent.problems)
        )


@dg.job(
    name=NAME,
    description="What is new since yesterday, told to everyone LEADPIPE_ALERT_TO names: counts, no "
    "personal data. Whoever was told today is not told again, however often it runs.",
    executor_def=in_process_executor,
    tags={name: str(value) for name, value in at_most(hours=1).items()},
)
def morning_job() -> None:
    """Say good morning."""
    _tell()


def morning_schedule(zone: str) -> dg.ScheduleDefinition:
    """At 8 every morning in a zone (IANA)."""

    @dg.schedule(
        name=NAME,
        job=morning_job,
        cron_schedule=_AT,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning at 8 where the team is (LEADPIPE_ALERT_TIMEZONE): tell what is new.",
    )
    def at_eight(
        context: dg.ScheduleEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        if not alert_receivers(settings):
            return dg.SkipReason("nobody is to be told: LEADPIPE_ALERT_TO is not set")
        day = day_in(settings.alert_timezone, context.scheduled_execution_time)
        return dg.RunRequest(run_key=day.isoformat())

    return at_eight
