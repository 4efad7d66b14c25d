"""Run a job here and now, in this process, as the command line does.

The run is an ordinary Dagster run: it is in the UI, with its partitions, metadata and checks. When runs
start by themselves is `automation.py`'s business.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg

from leadpipe.automation import range_tags
from leadpipe.definitions import build_defs
from leadpipe.events.loading import Progress
from leadpipe.launcher import holding_lock
from leadpipe.partitions import contiguous
from leadpipe.resources import ProgressSink
from leadpipe.settings import Settings, prepare_dagster

_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True)
class RunOutcome:
    """How one run over a range of days ended; `error` is one line for people, None if it succeeded."""

    run_id: str
    first_day: date
    last_day: date
    error: str | None
    failed_checks: tuple[str, ...] = ()


def run_sync(
    settings: Settings,
    days: Sequence[date],
    *,
    is_full: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[RunOutcome]:
    """Run the sync job over the days, a run an unbroken range, and give each outcome as it ends.

    Args:
        settings: where everything is; Dagster's instance is that of `settings.dagster_home`.
        days: the days to load; each must be a partition.
        is_full: read the days whole instead of only what is new.
        progress: told how far the load of events is.
    """
    prepare_dagster()
    definitions = build_defs(settings=settings, resources={"progress": ProgressSink(progress)})
    job = definitions.resolve_job_def("sync")
    with dagster_instance(settings) as instance:
        for first, last in contiguous(days):
            result = _run(
                job,
                instance,
                (first, last),
                {"ops": {"raw_events": {"config": {"full_read": is_full}}}},
            )
            yield _outcome(result, first, last)


def run_visitors(settings: Settings, weeks: Sequence[date]) -> RunOutcome:
    """Run the visitors job over weeks (Mondays), from the first to the last.

    Args:
        settings: as for `run_sync`.
        weeks: each must be a partition.
    """
    prepare_dagster()
    job = build_defs(settings=settings).resolve_job_def("visitors")
    first, last = min(weeks), max(weeks)
    with dagster_instance(settings) as instance:
        return _outcome(_run(job, instance, (first, last), {}), first, last)


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance with the `dagster.yaml` of the configured home, else one that is forgotten."""
    home = (settings.dagster_home or Path.cwd()).resolve()
    if (home / "dagster.yaml").exists():
        return dg.DagsterInstance.from_config(str(home))
    return dg.DagsterInstance.ephemeral()


def _run(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    span: tuple[date, date],
    config: Mapping[str, object],
) -> dg.ExecuteInProcessResult:
    run_id = str(uuid.uuid4())
    with holding_lock(instance, run_id) as tags:
        return job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={**range_tags(span[0].isoformat(), span[1].isoformat(), "manual"), **tags},
            run_config={"loggers": _QUIET, **config},
            raise_on_error=False,
        )


def _outcome(result: dg.ExecuteInProcessResult, first: date, last: date) -> RunOutcome:
    failed = tuple(
        check.check_name for check in result.get_asset_check_evaluations() if not check.passed
    )
    return RunOutcome(result.run_id, first, last, _error_of(result), failed)


def _error_of(result: dg.ExecuteInProcessResult) -> str | None:
    if result.success:
        return None
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            if failure.error:
                cause = failure.error.cause or failure.error
                return f"{event.step_key}: {cause.message.strip()}"
    return "the run failed before a step began; see the Dagster UI"
