"""How many runs are handed out at once, and to which workers. Named in a cluster's `dagster.yaml`.

As many as the workers have processes for: a run that waits in Redis would look as if it did not start.
"""

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._serdes import ConfigurableClassData

from leadpipe.queues import ANYWHERE, BACKFILL_TAG, BULK, EDGE, QUEUE_TAG, QUEUES
from leadpipe.settings import Settings, load_settings

EDGE_AT_ONCE = 2
"""Runs that the worker beside the page executes at once: one of the warehouse, one delivery."""
_AGAIN_SECONDS = 30
_MOST_AGAIN = 240  # two hours without a broker; the run fails then, and says so


class ClusterQueue(QueuedRunCoordinator):
    """Dagster's queue with as many places as the settings say there are, and a queue for each run."""

    @classmethod
    def config_type(cls) -> dict[str, object]:
        """It has no configuration: the settings have it."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: object,  # noqa: ARG003
    ) -> "ClusterQueue":
        """Made from the settings; one place is left free by what takes long.

        Raises:
            ConfigurationError: they name no cluster.
        """
        workers = load_settings(Settings).needed_cluster().workers
        return cls(
            max_concurrent_runs=workers + EDGE_AT_ONCE,
            tag_concurrency_limits=[
                {"key": QUEUE_TAG, "value": EDGE, "limit": EDGE_AT_ONCE},
                {"key": QUEUE_TAG, "value": ANYWHERE, "limit": workers},
                {"key": QUEUE_TAG, "value": BULK, "limit": max(1, workers - 1)},
            ],
            max_user_code_failure_retries=_MOST_AGAIN,
            user_code_failure_retry_delay=_AGAIN_SECONDS,
            inst_data=inst_data,
        )

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Tag a run with its queue, and let it wait for its turn."""
        run = context.dagster_run
        if run.tags.get(QUEUE_TAG) not in QUEUES:
            self._instance.add_run_tags(run.run_id, {QUEUE_TAG: _queue_of(context)})
        return super().submit_run(context)


def _queue_of(context: SubmitRunContext) -> str:
    """The queue of a run whose job names none: its assets may, and a backfill can wait."""
    run = context.dagster_run
    if run.asset_selection:
        graph = context.workspace.asset_graph
        named = {
            graph.get(key).tags.get(QUEUE_TAG) for key in run.asset_selection if graph.has(key)
        }
        if EDGE in named:
            return EDGE
        if BULK in named:
            return BULK
    return BULK if BACKFILL_TAG in run.tags else ANYWHERE
