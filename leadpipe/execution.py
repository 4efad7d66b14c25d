"""Run a job here and now, in this process, as the command line does.

The run is an ordinary Dagster run: it is in the UI, with its partitions, metadata and checks. When runs
start by themselves is the business of the domains' `automation.py`.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from leadpipe import tracing
from leadpipe.automation import part_tags, range_tags
from leadpipe.dagster_home import ensure_dagster_home
from leadpipe.definitions import build_defs
from leadpipe.launcher import holding_lock, trace_tags
from leadpipe.progress import Progress
from leadpipe.resources import ProgressSink
from leadpipe.settings import Settings, prepare_dagster

WAREHOUSE_POOL = "warehouse"
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; `error` is one line for people, None if it succeeded."""

    run_id: str
    error: str | None
    failed_checks: tuple[str, ...] = ()


def run_job(
    settings: Settings,
    job: str,
    first: date,
    last: date,
    *,
    config: Mapping[str, object] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    run_id: str | None = None,
    part_of: tuple[str, int] | None = None,
) -> RunOutcome:
    """Run a job over an unbroken range of partitions.

    Args:
        settings: where everything is, all sections; Dagster's instance is that of `settings.dagster_home`.
        job: its name.
        first: the first partition's day.
        last: the last one's.
        config: the run's configuration.
        progress: told how far the work is.
        run_id: a new uuid for the run; by default one is made.
        part_of: the id of the sync that the run is a part of, and how many parts that has.
    """
    prepare_dagster()
    definitions = build_defs(settings=settings, resources={"progress": ProgressSink(progress)})
    run_id = run_id or str(uuid.uuid4())
    tracing.begin(settings.otlp_endpoint)
    with (
        tracing.span(f"run {job}", leadpipe__run_id=run_id),
        dagster_instance(settings) as instance,
        holding_lock(instance, run_id) as lock,
    ):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_id=run_id,
            tags={
                **range_tags(first.isoformat(), last.isoformat(), "manual"),
                **(part_tags(*part_of) if part_of else {}),
                **lock,
                **trace_tags(),
            },
            run_config={"loggers": _QUIET, **(config or {})},
            raise_on_error=False,
        )
        failed = [one.check_name for one in result.get_asset_check_evaluations() if not one.passed]
        error = None if result.success else error_in(result.all_events)
        return RunOutcome(result.run_id, error, tuple(failed))


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of the configured home, where the UI finds the run later."""
    return dg.DagsterInstance.from_config(str(ensure_dagster_home(settings)))


def set_places(settings: Settings) -> None:
    """Give the pool of the warehouse as many places as a cluster's workers have.

    Raises:
        ConfigurationError: the settings name no cluster.
    """
    workers = settings.needed_cluster().workers
    with dagster_instance(settings) as instance:
        instance.event_log_storage.set_concurrency_slots(WAREHOUSE_POOL, workers)


def error_in(events: Iterable[dg.DagsterEvent]) -> str:
    """What went wrong in a failed run, in one line for people."""
    for event in events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            if failure.error:
                cause = failure.error.cause or failure.error
                return f"{event.step_key}: {cause.message.strip()}"
    return "the run failed before a step began; see the Dagster UI"
