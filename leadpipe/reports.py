"""Tell people of failed runs and red checks, of whatever domain: in the log, and where the settings say."""

import logging
from typing import Any

import dagster as dg
import httpx

from leadpipe.settings import Settings

_REPORT_TIMEOUT_SECONDS = 10.0


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
