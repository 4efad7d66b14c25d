"""Runs of a job that a command hands to the workers, and follows until the last one has ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg
from dagster._cli.job import _create_run
from dagster._core.instance import DagsterInstance
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from dagster._core.workspace.context import BaseWorkspaceRequestContext, WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget

from leadpipe.automation import part_tags, range_tags
from leadpipe.errors import ConfigurationError
from leadpipe.execution import RunOutcome, dagster_instance, error_in
from leadpipe.progress import Progress
from leadpipe.queues import BULK, QUEUE_TAG
from leadpipe.settings import Settings, prepare_dagster

_LOOK_SECONDS = 1.0
_HANDS_OUT = "QUEUED_RUN_COORDINATOR"


def run_on_workers(
    settings: Settings,
    job: str,
    ranges: Sequence[tuple[date, date]],
    *,
    config: Mapping[str, object],
    progress: Callable[[Progress], None],
    run_id: str,
) -> list[RunOutcome]:
    """Run a job over several ranges of days, as many at once as there are places.

    Should this process be stopped, the runs go on.

    Args:
        settings: where everything is, all sections.
        job: its name.
        ranges: the first and last day of each run; all are parts of one sync.
        config: of each run.
        progress: told how many days are done.
        run_id: of the first run, and of the sync.

    Returns:
        How each range ended, in their order; of one whose worker died, how it ended when it was run again.

    Raises:
        ConfigurationError: Dagster's daemon, which hands runs out, is not there.
    """
    prepare_dagster()
    with dagster_instance(settings) as instance:
        _need_daemon(instance)
        with WorkspaceProcessContext(
            instance,
            ModuleTarget("leadpipe.definitions", None, None, None),
            code_server_log_level="ERROR",  # it says things on stdout, which has our result alone
        ) as process:
            workspace = process.create_request_context()
            started = [
                _submitted(
                    instance,
                    workspace,
                    job,
                    run_id=None if number else run_id,
                    config=config,
                    tags={
                        **range_tags(first.isoformat(), last.isoformat(), "manual"),
                        **part_tags(run_id, len(ranges)),
                        QUEUE_TAG: BULK,
                    },
                )
                for number, (first, last) in enumerate(ranges)
            ]
        return _followed(instance, started, ranges, progress)


def _need_daemon(instance: DagsterInstance) -> None:
    if not instance.get_daemon_statuses([_HANDS_OUT])[_HANDS_OUT].healthy:
        raise ConfigurationError(
            "Dagster's daemon is not running, and it hands runs to the workers. Start it (`leadpipe up`, or "
            "the service leadpipe-daemon), then try again."
        )


def _submitted(
    instance: DagsterInstance,
    workspace: BaseWorkspaceRequestContext,
    job: str,
    *,
    run_id: str | None,
    config: Mapping[str, object],
    tags: Mapping[str, str],
) -> str:
    """The id of a run that waits for its turn."""
    (location,) = workspace.code_locations
    (repository,) = location.get_repositories().values()
    run = _create_run(
        instance,
        location,
        repository,
        repository.get_full_job(job),
        run_config=config,
        tags=tags,
        op_selection=None,
        run_id=run_id,
    )
    instance.submit_run(run.run_id, workspace)
    return str(run.run_id)


def _followed(
    instance: DagsterInstance,
    started: Sequence[str],
    ranges: Sequence[tuple[date, date]],
    progress: Callable[[Progress], None],
) -> list[RunOutcome]:
    now = dict(enumerate(started))
    ended: dict[int, RunOutcome] = {}
    days = [(last - first).days + 1 for first, last in ranges]
    while len(ended) < len(started):
        for number in now.keys() - ended.keys():
            run = instance.get_run_by_id(now[number])
            if run is None:
                ended[number] = RunOutcome(now[number], "the run was deleted")
            elif run.tags.get(WILL_RETRY_TAG) == "true":
                now[number] = run.tags.get(AUTO_RETRY_RUN_ID_TAG, now[number])
            elif run.is_finished:
                ended[number] = _outcome(instance, run)
        done = sum(days[number] for number in ended)
        progress(
            Progress(done, sum(days), done, sum(days), f"runs: {len(ended)} of {len(started)}")
        )
        if len(ended) < len(started):
            time.sleep(_LOOK_SECONDS)
    return [ended[number] for number in range(len(started))]


def _outcome(instance: DagsterInstance, run: dg.DagsterRun) -> RunOutcome:
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    failed = tuple(
        check.check_name
        for event in events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not (check := event.asset_check_evaluation_data).passed
    )
    if run.is_success:
        return RunOutcome(run.run_id, None, failed)
    return RunOutcome(run.run_id, error_in(events), failed)
