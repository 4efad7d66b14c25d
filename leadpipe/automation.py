"""What the domains' `automation.py` share: jobs in one process, tags of runs, reasons to wait."""

import logging
from collections.abc import Sequence
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
AUDIT_TAG = ("leadpipe/job", "audit")
"""The tag of what runs by night; the maintenance of a lake is not there without one."""
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
    context: dg.SensorEvaluationContext, asset: str, why: str, *, checks: Sequence[str]
) -> dg.SkipReason | dg.SensorResult:
    """Nothing starts, as there is nothing to do for an asset: it has all there is.

    Of one that never was, and of checks that were never made, the catalog is told so, once: else they are
    missing there while nobody uses them.

    Args:
        context: the look of the sensor that starts the asset's runs.
        asset: its name.
        why: there is nothing to do.
        checks: those of its checks that hold of nothing.
    """
    key = dg.AssetKey(asset)
    found: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
    if not context.instance.get_latest_materialization_event(key):
        found.append(dg.AssetMaterialization(key, metadata={"nothing to do": why}))
    history = context.instance.event_log_storage.get_asset_check_execution_history
    found += [
        dg.AssetCheckEvaluation(
            key, check_name=name, passed=True, metadata={"nothing to check": why}
        )
        for name in checks
        if not history(dg.AssetCheckKey(key, name), limit=1)
    ]
    return dg.SensorResult(skip_reason=why, asset_events=found) if found else dg.SkipReason(why)


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
