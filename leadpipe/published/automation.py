"""When the tables are published again on the machine with the page: after a worker elsewhere has done so.

A publication is files in the data folder of whoever makes it. In a cluster that may be another machine's; on
one machine there is nothing to do, and neither job nor sensor.
"""

from datetime import UTC, datetime

import dagster as dg

from leadpipe.automation import KIND_TAG, asset_job, at_most, hindrance
from leadpipe.queues import EDGE, in_queue
from leadpipe.settings import Settings
from leadpipe.warehouse import CURRENT

_ASSET = "published_tables"

publication_job = asset_job(
    "publication",
    selection=dg.AssetSelection.assets(_ASSET),
    description="Publish the tables where the page reads them.",
    tags=at_most(hours=1) | in_queue(EDGE),
)


@dg.sensor(
    job=publication_job,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Publishes the tables for the page when a worker has done so in a folder that the page does "
    "not see.",
)
def publish_for_the_page(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
) -> dg.RunRequest | dg.SkipReason:
    """A run when this machine's publication is older than the latest one anywhere, and none is under way."""
    latest = context.instance.get_latest_materialization_event(dg.AssetKey(_ASSET))
    if latest is None:
        return dg.SkipReason("nothing was published yet")
    steps = context.instance.get_run_step_stats(latest.run_id, [_ASSET])
    began = min((step.start_time for step in steps if step.start_time), default=latest.timestamp)
    here = settings.published_dir / CURRENT
    if here.is_symlink() and here.lstat().st_mtime >= began:
        return dg.SkipReason("the publication here is as new as any")
    if context.cursor == latest.run_id:
        return dg.SkipReason(f"what run {latest.run_id} published was asked for")
    if reason := hindrance(context.instance, publication_job.name, datetime.now(UTC)):
        return dg.SkipReason(reason)
    context.update_cursor(latest.run_id)
    return dg.RunRequest(tags={KIND_TAG: "scheduled"})
