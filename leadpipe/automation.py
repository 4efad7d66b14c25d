"""What the domains' `automation.py` share: jobs in one process, tags of runs, reasons to wait."""

import logging
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from leadpipe.launcher import in_process_executor

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
KIND_TAG = "leadpipe/kind"
"""Why a run exists: scheduled, manual, backfill, bucket, webhook or edits."""
RUN_TAG = "leadpipe/sync"
"""The id of the sync that a run is a part of: one for all runs that one tick, click or command starts."""
PARTS_TAG = "leadpipe/sync_parts"
"""How many parts that sync has."""
SYNC_TAG = ("leadpipe/job", "sync")
"""The tag of assets that every sync builds anew, after the events and before the publication."""
TICK_SECONDS = 60.0
"""Dagster gives a tick that long, and starts nothing if it is over."""
_AFTER_A_FAILURE = timedelta(minutes=10)
logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs addresses, tokens and all

# A job in one process; Dagster ends it when it takes longer than its `max_runtime`.
asset_job = partial(dg.define_asset_job, executor_def=in_process_executor)


def at_most(hours: int) -> dict[str, object]:
    """The tag of a job that takes no longer."""
    return {"dagster/max_runtime": hours * 3_600}


def range_tags(first: str, last: str, kind: str) -> dict[str, str]:
    """The tags of a run over a range of days."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last, KIND_TAG: kind}


def part_tags(run_id: str, parts: int) -> dict[str, str]:
    """The tags of a run that is a part of a sync."""
    return {RUN_TAG: run_id, PARTS_TAG: str(parts)}


def nothing_to_do(
    context: dg.SensorEvaluationContext, asset: str, why: str
) -> dg.SkipReason | dg.SensorResult:
    """Nothing starts, as there is nothing to do for an asset: it has all there is.

    Of one that never was, the catalog is told so, once: else it is missing there while nobody uses it.
    """
    key = dg.AssetKey(asset)
    if context.instance.get_latest_materialization_event(key):
        return dg.SkipReason(why)
    told = dg.AssetMaterialization(key, metadata={"nothing to do": why})
    return dg.SensorResult(skip_reason=why, asset_events=[told])


def hindrance(instance: dg.DagsterInstance, job: str, now: datetime) -> str | None:
    """Why no run of a job should start now: one is under way, or the last one has just failed."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
    if not records:
        return None
    last = records[0]
    if not last.dagster_run.is_finished:
        return f"run {last.dagster_run.run_id} is under way"
    ended = datetime.fromtimestamp(last.end_time, UTC) if last.end_time else now
    if not last.dagster_run.is_success and now - ended < _AFTER_A_FAILURE:
        return f"run {last.dagster_run.run_id} failed; trying again 10 minutes after it"
    return None
