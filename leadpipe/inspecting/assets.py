"""Dagster's rim: the asset `inspected_tables`, which the nightly audit makes, and its check."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from leadpipe.automation import AUDIT_TAG
from leadpipe.catalog import PUBLISHED, table_of
from leadpipe.inspecting.files import FILES, inspection_of_files
from leadpipe.inspecting.parts import Inspected, all_inspections, inspect_longest_ago, known_faults
from leadpipe.published.tables import publish_tables
from leadpipe.resources import WarehouseResource, failing_clearly, table
from leadpipe.settings import Settings

_MOST_SHOWN = 100
_NIGHTLY = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=30), fail_window=timedelta(hours=54)
)


@dg.asset(
    deps=["published_tables"],
    group_name=PUBLISHED,
    kinds={"duckdb", "parquet"},
    pool="warehouse",
    tags=dict([AUDIT_TAG]),
    metadata=table_of("inspections"),
    freshness_policy=_NIGHTLY,
)
def inspected_tables(
    warehouse: WarehouseResource, settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[None]:
    """What is promised of all history, looked at part by part: days, runs, slices, files.

    Source: the warehouse and the published files. Parts with faults come first, then those that were looked
    at longest ago, for LEADPIPE_INSPECT_MINUTES; the next night goes on where this one ended. A sync looks at
    what it changed. The tables are published before, so that files are compared with what they should be.
    """
    now = datetime.now(UTC)
    ends_at = time.monotonic() + settings.inspect_minutes * 60
    with failing_clearly(), warehouse.get_connection() as connection:
        publish_tables(connection, settings.published_dir, now=now)
        found = inspect_longest_ago(
            connection,
            [*all_inspections(), inspection_of_files(connection, now=now)],
            settings,
            now=now,
            is_over=lambda: time.monotonic() >= ends_at,
        )
    return dg.MaterializeResult(
        metadata={
            "parts looked at": sum(one.looked for one in found),
            "parts with faults": sum(len(one.faults) for one in found),
            "how far each has come": table(
                ("inspection", "parts", "looked at now", "with faults", "all looked at since"),
                (_shown(one) for one in found),
            ),
        }
    )


def _shown(one: Inspected) -> tuple[object, ...]:
    since = one.since.isoformat(timespec="minutes") if one.since else "not all yet"
    return (one.name, one.parts, one.looked, len(one.faults), since if one.parts else "no parts")


@dg.asset_check(asset=inspected_tables, pool="warehouse")
def all_that_was_inspected_holds(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No part of all history that a sync or a night has looked at has faults.

    Red until what was wrong is mended and looked at again: the next sync or night looks at it first.
    """
    with warehouse.get_connection() as connection:
        faults = known_faults(connection, [FILES, *(one.name for one in all_inspections())])
    return dg.AssetCheckResult(
        passed=not faults,
        metadata={
            "parts with faults": len(faults),
            "faults": table(("inspection", "part", "faults", "seen"), faults[:_MOST_SHOWN]),
        },
    )
