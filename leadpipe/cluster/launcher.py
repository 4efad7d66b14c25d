"""Hands runs to workers, cancels them, and notices that a worker is gone.

Named in a cluster's `dagster.yaml`. Celery does not know that a worker's machine is gone; a run's lock does.
A run whose lock is gone fails, its places are free, and Dagster starts it again.
"""

import time

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, pack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from leadpipe.cluster.broker import asked, make_app
from leadpipe.cluster.lives import PostgresLives
from leadpipe.errors import BrokerUnreachable
from leadpipe.launcher import GONE, RUNNING, is_gone
from leadpipe.places import Cluster
from leadpipe.queues import ANYWHERE, QUEUE_TAG
from leadpipe.settings import Settings, load_settings

_SURE_SECONDS = 30.0
"""A lock may be lost with its session for a moment, and is taken again."""
_RETRIES = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}


class ClusterRunLauncher(CeleryRunLauncher):
    """dagster-celery's launcher on our queues, and whether a run's process is alive."""

    def __init__(self, cluster: Cluster, *, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(default_queue=ANYWHERE, inst_data=inst_data)
        self._cluster = cluster
        self.celery = make_app(cluster.broker)
        self.lives = PostgresLives(cluster.postgres)
        self._missed_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> dict[str, object]:
        """It has no configuration: the settings have it."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: object,  # noqa: ARG003
    ) -> "ClusterRunLauncher":
        """Made from the settings.

        Raises:
            ConfigurationError: they name no cluster.
        """
        return cls(load_settings(Settings).needed_cluster(), inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Put a run into its queue.

        Raises:
            DagsterUserCodeUnreachableError: the broker does not answer; Dagster's queue tries again.
        """
        run = context.dagster_run
        if run.job_code_origin is None:
            raise dg.DagsterInvariantViolationError(
                f"run {run.run_id} does not say where its job is"
            )
        queue = run.tags.get(QUEUE_TAG, ANYWHERE)
        message = ExecuteRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        try:
            sent = asked(
                self._cluster.broker,
                lambda: self.celery.send_task(
                    TASK_EXECUTE_JOB_NAME,
                    kwargs={"execute_job_args_packed": pack_value(message)},
                    queue=queue,
                    retry=True,
                    retry_policy=_RETRIES,
                ),
            )
        except BrokerUnreachable as error:
            self._instance.report_engine_event(f"{error} The run waits.", run, cls=type(self))
            raise DagsterUserCodeUnreachableError(str(error)) from None
        self._instance.add_run_tags(run.run_id, {DAGSTER_CELERY_TASK_ID_TAG: sent.id})
        self._instance.report_engine_event(
            f"Handed to the workers of the queue {queue}.", run, cls=type(self)
        )

    def terminate(self, run_id: str) -> bool:
        """Tell the worker that has a run to end it; none may have it yet, and then none takes it."""
        run = self._instance.get_run_by_id(run_id)
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) if run else None
        if run is None or run.is_finished or task_id is None:
            return False
        self._instance.report_run_canceling(run)
        asked(
            self._cluster.broker,
            lambda: self.celery.control.revoke(task_id, terminate=True, signal="SIGTERM"),
        )
        return True

    @property
    def supports_resume_run(self) -> bool:
        """A run is started again as a new one, from its beginning: nothing is counted twice."""
        return False

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Gone is whose lock nobody has held for half a minute."""
        if not is_gone(self._instance, self.lives, run):
            self._missed_since.pop(run.run_id, None)
            return RUNNING
        since = self._missed_since.setdefault(run.run_id, time.monotonic())
        if time.monotonic() - since < _SURE_SECONDS:
            return RUNNING
        del self._missed_since[run.run_id]
        return GONE

    def get_run_worker_debug_info(
        self,
        run: dg.DagsterRun,
        include_container_logs: bool | None = True,  # noqa: ARG002, FBT001, FBT002
    ) -> str | None:
        """What to look at where a run did not start in time."""
        queue = run.tags.get(QUEUE_TAG, ANYWHERE)
        return (
            f"No worker of the queue {queue} took it, or the one that did has ended. Is there one "
            f"(`leadpipe worker --queue {queue}`), and LEADPIPE_WORKERS no more than they execute at once?"
        )
