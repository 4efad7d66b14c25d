"""How Dagster learns that a run's process is gone, whatever ended it: the process alone or the machine.

A run holds a lock for as long as its process lives, and says so in a tag. Dagster's run monitoring asks
the launcher whether a run is alive; a dead one fails, its pool is free, and it is retried. Dagster's own
launcher has no answer once the code server that started the run is gone too. On one machine the lock is a
file's in the instance's folder; a cluster's launcher (`leadpipe/cluster/launcher.py`) brings other locks.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

from leadpipe import tracing
from leadpipe.living import hold, is_living, living, remove_dead
from leadpipe.settings import Settings, load_settings

# Its value is the run's id, because a retry inherits the tags of the run before.
_TAG = "leadpipe/lock"
_TRACE_TAG = "leadpipe/trace"
_SILENT_SECONDS = 60.0
_held: list[object] = []

RUNNING = CheckRunHealthResult(WorkerStatus.RUNNING)
GONE = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the process ended before the run did")


class Lives(Protocol):
    """Who works on a run."""

    def hold(self, run_id: str) -> object:
        """Be alive under a run's id, until the process ends."""

    def holding(self, run_id: str) -> AbstractContextManager[None]:
        """Be alive while the block runs."""

    def is_living(self, run_id: str) -> bool:
        """Whether some process is alive under a run's id."""

    def clear(self) -> None:
        """Remove what the dead left."""


@runtime_checkable
class HasLives(Protocol):
    """A launcher whose runs are on several machines."""

    lives: Lives


@dataclass(frozen=True)
class FolderLives:
    """The lives of runs on machines that see one folder."""

    folder: Path

    def hold(self, run_id: str) -> object:
        """Be alive under a run's id, until the process ends."""
        return hold(self.folder, run_id)

    def holding(self, run_id: str) -> AbstractContextManager[None]:
        """Be alive while the block runs."""
        return living(self.folder, run_id)

    def is_living(self, run_id: str) -> bool:
        """Whether some process is alive under a run's id."""
        return is_living(self.folder, run_id)

    def clear(self) -> None:
        """Remove the locks of the dead."""
        remove_dead(self.folder)


def lives_of(instance: dg.DagsterInstance) -> Lives:
    """Where an instance's runs say that they live."""
    launcher = instance.run_launcher
    if isinstance(launcher, HasLives):
        return launcher.lives
    return FolderLives(Path(instance.root_directory) / "living")


class LocalRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, and whether a run's process is alive. Named in `dagster.yaml`."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Gone is who says it holds its lock and does not, or began and never said another word."""
        return GONE if is_gone(self._instance, lives_of(self._instance), run) else RUNNING


def is_gone(instance: dg.DagsterInstance, lives: Lives, run: dg.DagsterRun) -> bool:
    """Whether a run says it holds its lock and does not, or began and never said another word."""
    if run.tags.get(_TAG) == run.run_id:
        return not lives.is_living(run.run_id)
    return _only_began(instance, run.run_id)


def _only_began(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run's start is its last event; each executor reports itself at once after it."""
    for record in instance.get_records_for_run(run_id, limit=1, ascending=False).records:
        last = record.event_log_entry
        return (
            last.dagster_event_type == dg.DagsterEventType.RUN_START
            and time.time() - last.timestamp > _SILENT_SECONDS
        )
    return False


def trace_tags() -> dict[str, str]:
    """The tag that leads from a run to its trace, where there is one."""
    found = tracing.trace_id()
    return {_TRACE_TAG: found} if found else {}


@contextmanager
def holding_lock(instance: dg.DagsterInstance, run_id: str) -> Iterator[dict[str, str]]:
    """Hold the lock of a run that is executed inside; gives the tags the run needs."""
    with lives_of(instance).holding(run_id):
        yield {_TAG: run_id}


class _InProcess(dg.Executor):
    """Dagster's in-process executor, in a process that holds the run's lock until it ends."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> RetryMode:
        return self._executor.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        return self._executor.step_dependency_config

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        instance, run_id = plan_context.instance, plan_context.run_id
        lives = lives_of(instance)
        lives.clear()
        # To the end of the process: the run's last events come after its steps.
        _held.append(lives.hold(run_id))
        settings = load_settings(Settings)
        tracing.begin(settings.otlp_endpoint)
        _quieten(plan_context, settings.log_level)
        try:
            with tracing.span(f"run {plan_context.job_name}", leadpipe__run_id=run_id):
                instance.add_run_tags(run_id, {_TAG: run_id, **trace_tags()})
                yield from self._executor.execute(plan_context, execution_plan)
        finally:
            tracing.flush()


def _quieten(context: PlanOrchestrationContext, level: str) -> None:
    """Let a run print nothing below a level. Dagster's default is all of it, some 30 lines a run."""
    for console in context.log._dagster_handler._loggers:  # noqa: SLF001 - only run config has it otherwise
        console.setLevel(max(console.level, logging.getLevelNamesMapping()[level]))


def _in_process(init_context: dg.InitExecutorContext) -> dg.Executor:
    return _InProcess(dg.in_process_executor.executor_creation_fn(init_context))  # type: ignore[misc]


in_process_executor = dg.ExecutorDefinition(
    name="in_process",
    config_schema=dg.in_process_executor.config_schema,  # type: ignore[arg-type]
    executor_creation_fn=_in_process,
    description="Executes all steps in the run's own process, which holds the run's lock.",
)
