"""Dagster's rim around the leads domain: the asset `leads` and its check."""

from datetime import UTC, datetime

import dagster as dg
import duckdb

from leadpipe.automation import SYNC_TAG
from leadpipe.catalog import MARTS, SYNCED
from leadpipe.charts import bar_chart, markdown_image
from leadpipe.inspecting import inspect_changed
from leadpipe.leads.edits import kept_edits
from leadpipe.leads.folding import update_leads
from leadpipe.leads.inspections import RECORDS
from leadpipe.leads.scores import load_rules
from leadpipe.leads.settings import LeadsSettings
from leadpipe.resources import WarehouseResource, about, failing_clearly, is_after, preview
from leadpipe.settings import Settings

_MOST_STEPS = 15


@dg.asset(
    deps=["raw_events"],
    group_name=MARTS,
    kinds={"duckdb"},
    pool="warehouse",
    tags=dict([SYNC_TAG]),
    freshness_policy=SYNCED,
)
def leads(
    warehouse: WarehouseResource, settings: dg.ResourceParam[LeadsSettings]
) -> dg.MaterializeResult[None]:
    """Lead records with scores: one row per run, listing (or profile) and seeker.

    Source: the events each run was the first to load, so every lead event is in exactly one record.
    Running it again builds only the records of runs whose events or edits changed. Status and notes are
    kept apart, in `data/lead_edits.sqlite`, come in here, each once, and survive everything but the erasure
    of their person.
    """
    with failing_clearly(), warehouse.get_connection() as connection:
        rules = load_rules(settings.scores_path)
        update = update_leads(connection, kept_edits(settings), rules=rules, now=datetime.now(UTC))
        report = update.built
        return dg.MaterializeResult(
            metadata={
                "runs built": report.runs,
                "records built": report.records,
                "actions in them": report.actions,
                "edits taken in": update.folded,
                "notes erased with their person": update.erased,
                "score rules": rules.version,
                "records by score": dg.MetadataValue.md(_plot(connection)),
                "preview": preview(
                    connection,
                    "SELECT lead_id, listing_id, seeker_id, lead_score, total_actions, status, "
                    "last_action_type, last_action_at FROM leads ORDER BY last_action_at DESC, lead_id",
                ),
                **about(connection, "leads"),
            }
        )


def _plot(connection: duckdb.DuckDBPyConnection) -> str:
    """How many records have which score, in steps of ten; sales starts at the right end."""
    rows = connection.execute(
        "SELECT least(lead_score // 10, $most) AS step, count(*) FROM leads GROUP BY step ORDER BY step",
        {"most": _MOST_STEPS},
    ).fetchall()
    records = dict(rows)
    steps = range(max(records, default=0) + 1)
    names = [f"{10 * step}{'+' if step == _MOST_STEPS else ''}" for step in steps]
    chart = bar_chart(
        names, {"records": [records.get(step, 0) for step in steps]}, title="lead records by score"
    )
    return markdown_image(chart, title="lead records by score")


@dg.asset_check(asset=leads, pool="warehouse")
def every_lead_event_is_in_one_record(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """Per run, the records have as many actions as the run brought lead events, each in one record.

    After records were built it looks at the runs that changed, run by itself at all, and every night at those
    that were looked at longest ago (`inspected_tables`).
    """
    if is_after(context, leads):
        with warehouse.get_connection() as connection:
            inspected = inspect_changed(connection, RECORDS, settings, now=datetime.now(UTC))
        return dg.AssetCheckResult(
            passed=not inspected.faults,
            metadata={"runs compared": inspected.looked, "runs that differ": len(inspected.faults)},
        )
    with warehouse.get_connection() as connection:
        wrong, runs = connection.execute("""
            WITH events AS (
                SELECT run_id, count(*) AS events FROM raw_events
                WHERE lead_type IS NOT NULL AND rejected_reason IS NULL GROUP BY run_id
            ),
            records AS (
                SELECT run_id, sum(total_actions) AS actions FROM leads GROUP BY run_id
            )
            SELECT count(*) FILTER (events IS DISTINCT FROM actions), count(*)
            FROM events FULL JOIN records USING (run_id)
        """).fetchone() or (0, 0)
        repeated = connection.execute("""
            SELECT count(*) FROM (
                SELECT run_id, lead_id FROM leads GROUP BY ALL HAVING count(*) > 1
            )
        """).fetchone()
    twice = int(repeated[0]) if repeated else 0
    return dg.AssetCheckResult(
        passed=not (wrong or twice),
        metadata={"runs compared": runs, "runs that differ": wrong, "records repeated": twice},
    )
