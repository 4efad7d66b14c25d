"""Events that only a webhook brought and that PostHog's queries do not show: set aside, and told.

A destination's test button makes up uuids, a body may be forged or sent again, an event may be deleted
before any query read it. It is set aside when its day was proved to hold exactly PostHog's events, of all
that PostHog had received up to a day after the webhook's arrival: never because nothing was asked. If a
query brings it later, it is an event again; a webhook alone brings it back no more.

`webhook_arrivals` has the events that wait for it; it is empty when all are confirmed.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

import duckdb

from leadpipe.events.versions import mark_changed
from leadpipe.events.wiping import note_deletion


def withheld(connection: duckdb.DuckDBPyConnection, uuids: Collection[str]) -> frozenset[str]:
    """Those uuids that PostHog did not show when it was asked: only a query or file brings them back."""
    rows = connection.execute(
        "SELECT CAST(uuid AS VARCHAR) FROM "
        "(SELECT uuid FROM unconfirmed_events UNION SELECT uuid FROM gone_events) "
        "WHERE uuid IN (SELECT unnest($uuids::UUID[]))",
        {"uuids": list(uuids)},
    ).fetchall()
    return frozenset(uuid for (uuid,) in rows)


def note_arrivals(
    connection: duckdb.DuckDBPyConnection,
    arrivals: Mapping[str, datetime],
    *,
    days: Collection[date],
) -> None:
    """Remember when a webhook brought events, until PostHog's queries show them; in the events' transaction.

    Args:
        connection: the warehouse, after the events were taken in.
        arrivals: when each arrived (UTC), by uuid; of an event that came before, the first arrival stays.
        days: of the events.
    """
    connection.execute(
        """
        MERGE INTO webhook_arrivals AS known USING (
            SELECT uuid, event, event_date, arrived_at FROM raw_events
            JOIN (SELECT unnest($uuids::UUID[]) AS uuid, unnest($moments::TIMESTAMPTZ[]) AS arrived_at)
                USING (uuid)
            WHERE event_date IN (SELECT unnest($days::DATE[])) AND created_at IS NULL
        ) AS found ON known.uuid = found.uuid
        WHEN MATCHED AND (known.event <> found.event OR known.event_date <> found.event_date)
            THEN UPDATE SET event = found.event, event_date = found.event_date, unseen_until = NULL
        WHEN NOT MATCHED
            THEN INSERT VALUES (found.uuid, found.event, found.event_date, found.arrived_at, NULL)
        """,
        {
            "uuids": list(arrivals),
            "moments": list(arrivals.values()),
            "days": sorted(set(days)),
        },
    )


def note_unseen(
    connection: duckdb.DuckDBPyConnection,
    days: Collection[date],
    *,
    events: Sequence[str],
    until: datetime,
) -> None:
    """Note that these days hold exactly PostHog's events of these names, received by `until`."""
    if not days:
        return
    connection.execute(
        """
        UPDATE webhook_arrivals SET unseen_until = $until
        WHERE event_date IN (SELECT unnest($days::DATE[]))
          AND event IN (SELECT unnest($events::VARCHAR[]))
          AND arrived_at < $until AND coalesce(unseen_until < $until, true)
        """,
        {"days": list(days), "events": list(events), "until": until},
    )


def set_aside(connection: duckdb.DuckDBPyConnection, *, patience: timedelta, now: datetime) -> int:
    """Take out of `raw_events` what PostHog did not show in time; run it in a transaction.

    Names, days and uuids stay in `unconfirmed_events`; properties and persons do not. Marts and published
    tables follow by the versions of days and runs.

    Args:
        connection: the warehouse, in a transaction.
        patience: how long after its arrival PostHog must have been asked in vain.
        now: when (UTC).

    Returns:
        How many events were set aside.
    """
    waiting = connection.execute(
        "SELECT min(event_date) - 1, max(event_date) + 1 FROM webhook_arrivals"
    ).fetchone()
    if waiting is None or waiting[0] is None:
        return 0
    # Around midnight a webhook's milliseconds may be another day than PostHog's microseconds.
    connection.execute(
        """
        DELETE FROM webhook_arrivals WHERE uuid IN (
            SELECT uuid FROM raw_events
            WHERE event_date BETWEEN $first AND $last AND created_at IS NOT NULL
              AND uuid IN (SELECT uuid FROM webhook_arrivals)
        )
        """,
        {"first": waiting[0], "last": waiting[1]},
    )
    # By uuid over all days: an event may have become one of another day.
    found = connection.execute(
        """
        SELECT CAST(uuid AS VARCHAR), raw_events.event_date, run_id, created_at IS NULL
        FROM raw_events JOIN webhook_arrivals USING (uuid) WHERE unseen_until >= arrived_at + $patience
        """,
        {"patience": patience},
    ).fetchall()
    if not found:
        return 0
    gone = [(uuid, day, run_id) for uuid, day, run_id, is_unconfirmed in found if is_unconfirmed]
    days = sorted({day for _, day, _ in gone})
    uuids = [uuid for uuid, _, _ in gone]
    connection.execute(
        """
        INSERT INTO unconfirmed_events
        SELECT uuid, raw_events.event, raw_events.event_date, run_id, arrived_at, $now, NULL
        FROM raw_events JOIN webhook_arrivals USING (uuid)
        WHERE raw_events.event_date IN (SELECT unnest($days::DATE[]))
          AND uuid IN (SELECT unnest($uuids::UUID[]))
        """,
        {"days": days, "uuids": uuids, "now": now},
    )
    connection.execute(
        "DELETE FROM raw_events WHERE event_date IN (SELECT unnest($days::DATE[])) "
        "AND uuid IN (SELECT unnest($uuids::UUID[]))",
        {"days": days, "uuids": uuids},
    )
    everywhere = {"uuids": [uuid for uuid, *_ in found]}
    for table in ("event_copies", "webhook_arrivals"):
        connection.execute(
            f"DELETE FROM {table} WHERE uuid IN (SELECT unnest($uuids::UUID[]))", everywhere
        )
    mark_changed(connection, days, sorted({run_id for _, _, run_id in gone}))
    if gone:
        note_deletion(connection, now=now)
    return len(gone)


def mark_seen(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> int:
    """Note that a person has seen what was set aside, so that nothing warns of it; how many were new."""
    found = connection.execute(
        "UPDATE unconfirmed_events SET seen_at = ? WHERE seen_at IS NULL", [now]
    ).fetchone()
    return int(found[0]) if found else 0
