"""Asset checks of `raw_events` and `exported_files`: what the UI shows green or red."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from leadpipe.events import ledger
from leadpipe.events.assets import LONGEST_TEXT, exported_files, raw_events, run_of
from leadpipe.events.connecting import event_mapping
from leadpipe.events.inspections import NO_EVENT_LOST, NO_UUID_REPEATED
from leadpipe.events.settings import EventsSettings
from leadpipe.events.verdicts import FROZEN, facts_of_days, verdict_of
from leadpipe.inspecting import inspect_all, inspect_changed
from leadpipe.partitions import DAILY
from leadpipe.resources import WarehouseResource, is_after, preview, table
from leadpipe.settings import Settings

_STALE_AFTER = timedelta(hours=13)
_MOST_SHOWN = 31
_MANIFEST_WITHIN = timedelta(hours=6)
REPEATED = """
    SELECT count(*) FILTER (copies > 1), count(*)
    FROM (SELECT count(*) AS copies FROM raw_events GROUP BY uuid)
"""


@dg.asset_check(asset=raw_events, pool="warehouse")
def every_day_is_complete(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[EventsSettings],
) -> dg.AssetCheckResult:
    """Each day read has exactly the events that PostHog has, and has them still.

    Whether it has them still is looked at after a load of the days that changed, run by itself of all, and
    every night of those that were looked at longest ago (`inspected_tables`).

    Red when some are missing, or others than PostHog's are here. A warning when we have more, as they were
    deleted in PostHog afterwards, when two events have one uuid, of which one is here, and when a day was not
    compared by event names that were added. Days that are frozen by retention are not compared, and days that
    other runs of the same sync are yet to read are looked at after the last of them.
    """
    now, names = datetime.now(UTC), event_mapping(settings).names
    with warehouse.get_connection() as connection:
        facts = facts_of_days(connection, now=now)
        inspect = inspect_changed if is_after(context, raw_events) else inspect_all
        inspected = inspect(connection, NO_EVENT_LOST, settings, now=now)
        lost = {date.fromisoformat(day): events for day, events in inspected.faults.items()}
        ranges = ledger.ranges_so_far(connection, run_of(context).run_id)
    judged = [
        (one, verdict_of(one, names=names))
        for one in facts
        if one.checked_at
        and (ranges is None or any(first <= one.event_date <= last for first, last in ranges))
    ]
    differing = [one for one, verdict in judged if verdict.word == "differs"]
    surplus = [one.events_surplus for one in differing]
    missing = sum(max(-more, 0) for more in surplus)
    others = sum(one.has_same_events is False and not one.events_surplus for one in differing)
    wrong = [
        (one, verdict) for one, verdict in judged if verdict.is_wrong or one.event_date in lost
    ]
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR
        if missing or lost or others
        else dg.AssetCheckSeverity.WARN,
        metadata={
            "days checked": len(judged),
            "days looked at for lost events": inspected.looked,
            "events missing here": missing,
            "events missing in PostHog": sum(max(more, 0) for more in surplus),
            "events lost since they were counted": sum(lost.values()),
            "days with other events than PostHog": others,
            "events whose uuid another has": sum(one.shared_uuids for one in differing),
            "days frozen by retention": sum(verdict.word == FROZEN for _, verdict in judged),
            "days that differ": table(
                ("day", "verdict", "events in PostHog", "events", "events lost since", "compared"),
                (
                    (
                        one.event_date.isoformat(),
                        str(verdict),
                        one.posthog_events,
                        one.warehouse_events,
                        lost.get(one.event_date, 0),
                        one.checked_at,
                    )
                    for one, verdict in wrong[:_MOST_SHOWN]
                ),
            ),
        },
    )


@dg.asset_check(asset=raw_events, pool="warehouse", blocking=True)
def uuid_is_unique(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """No uuid is stored twice.

    After a load those of the days that it changed are compared with each other; run by itself all are, and
    so they are every night (`inspected_tables`). While one is stored twice, no table is built from the events
    and none is published: readers keep what they had.
    """
    with warehouse.get_connection() as connection:
        if is_after(context, raw_events):
            inspected = inspect_changed(
                connection, NO_UUID_REPEATED, settings, now=datetime.now(UTC)
            )
            repeated = sum(inspected.faults.values())
            metadata = {"days compared": inspected.looked, "uuids repeated": repeated}
        else:
            repeated, compared = connection.execute(REPEATED).fetchone() or (0, 0)
            metadata = {"uuids compared": compared, "uuids repeated": repeated}
    return dg.AssetCheckResult(passed=not repeated, metadata=metadata)


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
def webhook_events_are_confirmed(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """What PostHog's webhook brought, its queries show; what they do not was set aside and counts nowhere.

    A test of the destination is such an event, and so is a forged one. Yellow until `leadpipe webhook seen`.
    """
    with warehouse.get_connection() as connection:
        found = connection.execute(
            "SELECT count(*) FILTER (seen_at IS NULL), count(*), (SELECT count(*) FROM webhook_arrivals) "
            "FROM unconfirmed_events"
        ).fetchone()
        latest = preview(
            connection,
            "SELECT arrived_at, event, event_date, uuid FROM unconfirmed_events "
            "WHERE seen_at IS NULL ORDER BY set_aside_at DESC, uuid",
        )
    unseen, ever, waiting = (int(number) for number in found or (0, 0, 0))
    return dg.AssetCheckResult(
        passed=not unseen,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "events set aside, not seen yet": unseen,
            "events set aside so far": ever,
            "webhook events that wait for a query": waiting,
            "latest": latest,
        },
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


@dg.asset_check(asset=exported_files, pool="warehouse")
def every_exported_file_was_taken(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No file in the bucket is unreadable or another project's, no manifest lists a file that is not there.

    A warning while a file could not be fetched, and when a part has waited six hours for its manifest.
    """
    with warehouse.get_connection() as connection:
        found = connection.execute(
            """
            SELECT key, state, reason FROM exported_files
            WHERE state IN ('unreadable', 'incomplete', 'foreign', 'postponed')
                OR (state = 'waiting' AND first_seen_at < $before)
            ORDER BY state NOT IN ('unreadable', 'incomplete'), first_seen_at DESC, key
            """,
            {"before": datetime.now(UTC) - _MANIFEST_WITHIN},
        ).fetchall()
    states = [state for _, state, _ in found]
    is_wrong = any(state in {"unreadable", "incomplete", "foreign"} for state in states)
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if is_wrong else dg.AssetCheckSeverity.WARN,
        metadata={
            "files that were not taken": len(found),
            "files": table(("file", "state", "reason"), found[:_MOST_SHOWN], longest=LONGEST_TEXT),
        },
    )
