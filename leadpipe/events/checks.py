"""Asset checks of `raw_events`: what the UI shows green or red."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from leadpipe.events.assets import raw_events, run_of
from leadpipe.partitions import DAILY
from leadpipe.resources import WarehouseResource, preview

_STALE_AFTER = timedelta(hours=13)
# The days that were read, with what was counted then and the events that are there now: at least as many,
# as a name that is no longer read may have rows still. PostHog counted a uuid of two events once.
_DAYS_NOW = """
    SELECT event_date, posthog_events + coalesce(shared, 0) AS posthog_events, warehouse_events, checked_at,
           coalesce(events_now, 0) AS events_now, coalesce(shared, 0) AS shared,
           event_days.posthog_events = warehouse_events AND posthog_checksum <> warehouse_checksum
               AS has_others
    FROM event_days LEFT JOIN (
        SELECT event_date, count(*) AS shared FROM shared_uuids WHERE NOT EXISTS (
            FROM raw_events WHERE uuid = shared_uuids.uuid AND event = shared_uuids.event
                AND distinct_id IS NOT DISTINCT FROM shared_uuids.distinct_id
        ) GROUP BY event_date
    ) USING (event_date) LEFT JOIN (
        SELECT event_date, count(*) AS events_now FROM (
            SELECT event_date, created_at FROM raw_events
            UNION ALL
            SELECT event_date, NULL FROM event_copies
        ) JOIN event_days USING (event_date)
        WHERE created_at IS NULL OR created_at <= read_until
        GROUP BY event_date
    ) USING (event_date)
    WHERE checked_at IS NOT NULL
"""


@dg.asset_check(asset=raw_events, pool="warehouse")
def every_day_is_complete(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Each day read has exactly the events that PostHog has, and has them still.

    Red when some are missing, or others than PostHog's are here. A warning when we have more, as they were
    deleted in PostHog afterwards, and when two events have one uuid, of which one is here.
    """
    with warehouse.get_connection() as connection:
        missing, surplus, lost, others, shared, days = connection.execute(
            f"""
            SELECT coalesce(sum(greatest(posthog_events - shared - warehouse_events, 0)), 0),
                   coalesce(sum(greatest(warehouse_events - posthog_events + shared, 0)), 0),
                   coalesce(sum(greatest(warehouse_events - events_now, 0)), 0),
                   count(*) FILTER (has_others),
                   coalesce(sum(shared), 0),
                   count(*)
            FROM ({_DAYS_NOW})
            """
        ).fetchone() or (0, 0, 0, 0, 0, 0)
        table = preview(
            connection,
            f"SELECT event_date, posthog_events, warehouse_events, events_now, checked_at FROM ({_DAYS_NOW}) "
            "WHERE posthog_events <> warehouse_events OR events_now < warehouse_events OR has_others "
            "ORDER BY event_date",
        )
    return dg.AssetCheckResult(
        passed=not (missing or surplus or lost or others or shared),
        severity=dg.AssetCheckSeverity.ERROR
        if missing or lost or others
        else dg.AssetCheckSeverity.WARN,
        metadata={
            "days checked": int(days),
            "events missing here": int(missing),
            "events missing in PostHog": int(surplus),
            "events lost since they were counted": int(lost),
            "days with other events than PostHog": int(others),
            "events whose uuid another has": int(shared),
            "days that differ": table,
        },
    )


@dg.asset_check(asset=raw_events, pool="warehouse")
def uuid_is_unique(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """No uuid is stored twice.

    After a load the uuids it brought are looked for in all of history; run by itself, all are compared.
    """
    run_id = run_of(context).run_id
    with warehouse.get_connection() as connection:
        brought = connection.execute(
            "SELECT count(*) FROM raw_events WHERE run_id = ?", [run_id]
        ).fetchone()
        is_scoped = bool(brought and brought[0])
        scope = "WHERE run_id = $run_id" if is_scoped else ""
        repeated, compared = connection.execute(
            f"""
            SELECT count(*) FILTER (copies > 1), count(*) FROM (
                SELECT count(*) AS copies FROM raw_events
                WHERE uuid IN (SELECT uuid FROM raw_events {scope}) GROUP BY uuid
            )
            """,
            {"run_id": run_id} if is_scoped else None,
        ).fetchone() or (0, 0)
    return dg.AssetCheckResult(
        passed=not repeated, metadata={"uuids compared": compared, "uuids repeated": repeated}
    )


@dg.asset_check(asset=raw_events, pool="warehouse")
def every_uuid_is_one_event(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No uuid was seen on two different events; of such a uuid PostHog keeps both, and one is here."""
    with warehouse.get_connection() as connection:
        found = connection.execute("SELECT count(DISTINCT uuid) FROM shared_uuids").fetchone()
        latest = preview(
            connection,
            "SELECT event_date, uuid, event FROM shared_uuids ORDER BY seen_at DESC, uuid, event",
        )
    shared = int(found[0]) if found else 0
    return dg.AssetCheckResult(
        passed=not shared,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"uuids of several events": shared, "latest": latest},
    )


@dg.asset_check(asset=raw_events, pool="warehouse")
def events_are_fresh(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Today was read within the last 13 hours: two schedules and an hour."""
    with warehouse.get_connection() as connection:
        found = connection.execute("SELECT max(read_until) FROM event_days").fetchone()
    read_until = found[0] if found else None
    age = datetime.now(UTC) - read_until if read_until else None
    return dg.AssetCheckResult(
        passed=age is not None and age <= _STALE_AFTER,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "read until": read_until.isoformat() if read_until else "never",
            "first partition": DAILY.get_first_partition_key() or "none",
        },
    )
