"""Tell people of failed runs and red checks, of whatever domain: in the log, and where the settings say."""

import logging
from typing import Any

import dagster as dg

from leadpipe.notices import Receiver, receivers, send, text_webhook
from leadpipe.settings import Settings


@dg.run_failure_sensor(
    name="report_failed_run",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Logs every failed run, and sends it to whom LEADPIPE_ALERT_TO names.",
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
    _report(context.log, settings, text, subject="failed run")


@dg.run_status_sensor(
    name="report_red_checks",
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Logs every red check of a run that succeeded, and sends it as a failed run is sent.",
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
        _report(context.log, settings, text + "\n".join(sorted(red)), subject="red checks")


def _report(log: logging.Logger, settings: Settings, text: str, *, subject: str) -> None:
    """Log a text, and send it where the settings say."""
    log.error("%s", text)
    for problem in send(text, failure_receivers(settings), subject=f"leadpipe: {subject}"):
        log.error("%s", problem)


def failure_receivers(settings: Settings) -> list[Receiver]:
    """Who is told of failed runs and red checks, beside the log."""
    told = receivers("LEADPIPE_ALERT_TO", settings.alert_to)
    if settings.failure_webhook_url is not None:
        told.append(text_webhook("LEADPIPE_FAILURE_WEBHOOK_URL", settings.failure_webhook_url))
    return told


def _reasons(context: dg.RunFailureSensorContext) -> str:
    reasons: list[str] = []
    for event in context.get_step_failure_events():
        data: Any = event.step_failure_data
        failure = data.user_failure_data
        message = failure.description if failure else data.error and data.error.message
        reasons.append(f"{event.step_key}: {(message or 'no message').strip()}")
    return "\n".join(reasons)
