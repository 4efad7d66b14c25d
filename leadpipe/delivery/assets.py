"""Dagster's rim: the assets `lead_deliveries` and `reconciliation`, and their checks."""

from datetime import UTC, datetime, time, timedelta

import dagster as dg

from leadpipe.catalog import SENT, table_of
from leadpipe.delivery.connecting import connect_partner, delivery_place, delivery_policy
from leadpipe.delivery.service import deliver_due, reconcile
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.partitions import DAILY, days_of
from leadpipe.queues import EDGE, in_queue
from leadpipe.resources import WarehouseResource, about, failing_clearly, preview

_LONGEST_SECONDS = 600.0


@dg.asset(
    deps=["raw_events"],
    group_name=SENT,
    kinds={"duckdb"},
    pool="delivery",
    tags=in_queue(EDGE),
)
def lead_deliveries(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[DeliverySettings],
) -> dg.MaterializeResult[None]:
    """Leads of finished conversations, delivered to the partner's API: one row per lead, with its state.

    Source: `lead_captured` events and direct hand-overs. Running it again sends nothing that the partner may
    have: what is unknown is asked for first. A failure of the partner fails no run.
    """
    with failing_clearly():
        with connect_partner(settings) as partner:
            taken_in, report = deliver_due(
                delivery_place(settings),
                partner,
                policy=delivery_policy(settings),
                clock=lambda: datetime.now(UTC),
                seconds=_LONGEST_SECONDS,
            )
        with warehouse.get_connection() as connection:
            table = preview(
                connection,
                "SELECT channel, state, count(*) AS leads, min(next_attempt_at) AS next_attempt_at "
                "FROM lead_deliveries GROUP BY ALL ORDER BY ALL",
            )
            shown = about(connection, "lead_deliveries")
    if report.stopped:
        context.log.warning("%s", report.stopped)
    return dg.MaterializeResult(
        metadata={
            "leads new": taken_in.new,
            "leads invalid": taken_in.invalid,
            "requests sent": report.sent,
            "asked about": report.asked,
            "succeeded": report.succeeded,
            "found by asking": report.found,
            "failed for good": report.failed,
            "retrying": report.retrying,
            "unknown": report.unknown,
            "a person decides": report.undecided,
            "stopped": report.stopped or "no",
            "leads by state": table,
            **shown,
        }
    )


@dg.asset(
    deps=["lead_deliveries"],
    partitions_def=DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=SENT,
    kinds={"duckdb"},
    pool="delivery",
    metadata=table_of("reconciliations"),
)
def reconciliation(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[DeliverySettings]
) -> dg.MaterializeResult[None]:
    """What we delivered on each day against the partner's own list, in both directions; changes nothing.

    Source: `succeeded_leads` and the partner's list. Running it again adds a report. `leadpipe reconcile
    --fix` sends again what is missing. Days that nobody compared are missing, as all are without a partner.
    """
    first, last = days_of(context)
    with failing_clearly(), connect_partner(settings) as partner:
        found = reconcile(
            delivery_place(settings),
            partner,
            since=datetime.combine(first, time(), UTC),
            until=datetime.combine(last + timedelta(days=1), time(), UTC),
            channel=None,
            file=None,
            settle=timedelta(seconds=settings.npa_settle_seconds),
            clock=lambda: datetime.now(UTC),
        )
    return dg.MaterializeResult(
        metadata={
            "leads here": found.ours,
            "leads at the partner": found.theirs,
            "matched": found.matched,
            "missing there": found.count("missing"),
            "unknown here": found.count("unknown"),
            "fields differ": found.count("different"),
            "there twice": found.count("duplicated"),
            "undecided": found.count("undecided"),
        }
    )


@dg.asset_check(asset=lead_deliveries, pool="delivery")
def each_lead_succeeded_once(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No key is in the outbox or among the successes twice, and every success is in both."""
    with failing_clearly(), warehouse.get_connection() as connection:
        twice, lost = connection.execute(
            """
            SELECT (SELECT count(*) - count(DISTINCT idempotency_key) FROM lead_deliveries)
                 + (SELECT count(*) - count(DISTINCT idempotency_key) FROM succeeded_leads),
                   (SELECT count(*) FROM lead_deliveries
                    WHERE state = 'succeeded' AND lead_data <> '{}'
                        AND id NOT IN (SELECT id FROM succeeded_leads))
            """
        ).fetchall()[0]
    return dg.AssetCheckResult(
        passed=twice == 0 and lost == 0, metadata={"keys twice": twice, "successes lost": lost}
    )


@dg.asset_check(asset=reconciliation, pool="delivery")
def partner_has_every_lead(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The latest comparison found no lead missing at the partner, and none there twice."""
    with failing_clearly(), warehouse.get_connection() as connection:
        row = connection.execute(
            "SELECT missing, duplicated FROM reconciliations ORDER BY made_at DESC LIMIT 1"
        ).fetchone()
    missing, duplicated = row or (0, 0)
    return dg.AssetCheckResult(
        passed=missing == 0 and duplicated == 0,
        metadata={"missing there": missing, "there twice": duplicated},
    )
