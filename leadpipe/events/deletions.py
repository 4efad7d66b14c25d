"""Follow what is gone in PostHog, so that an erasure there is one here.

Guarded twice. What was not seen when its hours were read whole goes only if the day then has exactly
PostHog's events: an answer that lacks rows takes nothing away. And when a larger share of a day than
configured would go at once (a restricted key, a wrong project), nothing goes until a person accepts it.
What retention may hide is not given to `follow`, see `retention.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import reduce
from operator import xor

import duckdb

from leadpipe.events.days import DayState
from leadpipe.events.proof import Fingerprint
from leadpipe.events.staging import Staged
from leadpipe.events.versions import mark_changed
from leadpipe.events.windows import Window
from leadpipe.events.wiping import note_deletion

_DAY = timedelta(days=1)


def give_way(
    connection: duckdb.DuckDBPyConnection,
    windows: Sequence[Window],
    staged: Staged | None,
    *,
    until: datetime,
) -> None:
    """Let an older copy be the event where PostHog lost the later one; run it before the rows are taken in.

    Of two events under one uuid the one received last is kept. When PostHog loses it (its person was
    erased), the other one is still there, and counts.

    Args:
        connection: the warehouse, in a transaction.
        windows: read from the beginning of time to their ends.
        staged: what was read; None for nothing.
        until: what PostHog received later may not have been there yet.
    """
    if staged is None or not windows:
        return
    # Like a webhook's copy, which does not say when it was received: the door takes any other for later.
    connection.execute(
        f"""
        UPDATE raw_events SET created_at = NULL FROM (
            SELECT uuid, max(created_at) AS received_at FROM {staged.relation} GROUP BY ALL
        ) AS seen
        WHERE raw_events.uuid = seen.uuid AND created_at > received_at AND created_at <= $until
          AND event_date IN (SELECT unnest($days::DATE[]))
          AND EXISTS (
              FROM (SELECT unnest($starts::TIMESTAMPTZ[]) AS first, unnest($ends::TIMESTAMPTZ[]) AS next)
              WHERE timestamp >= first AND timestamp < next
          )
        """,
        {
            "until": until,
            "days": sorted({day for window in windows for day in window.days}),
            "starts": [window.start for window in windows],
            "ends": [window.end for window in windows],
        },
    )


def unseen(
    connection: duckdb.DuckDBPyConnection,
    windows: Sequence[Window],
    staged: Staged | None,
    *,
    events: Sequence[str],
    until: datetime,
) -> dict[date, list[str]]:
    """Uuids stored in windows that were read whole, and not among what was read; by day.

    Args:
        connection: the warehouse, after the rows were taken in.
        windows: read from the beginning of time, to their ends.
        staged: what was read in them; None for nothing.
        events: the names that were asked for.
        until: what PostHog received later may not have been there yet.
    """
    if not windows:
        return {}
    connection.execute("CREATE OR REPLACE TEMP TABLE seen (uuid UUID)")
    if staged is not None:
        connection.execute(f"INSERT INTO seen SELECT uuid FROM {staged.relation}")
    found = connection.execute(
        """
        SELECT event_date, list(CAST(uuid AS VARCHAR)) FROM raw_events
        JOIN (SELECT unnest($starts::TIMESTAMPTZ[]) AS first, unnest($ends::TIMESTAMPTZ[]) AS next)
            ON timestamp >= first AND timestamp < next
        WHERE event_date IN (SELECT unnest($days::DATE[])) AND created_at <= $until
          AND event IN (SELECT unnest($events::VARCHAR[])) AND uuid NOT IN (SELECT uuid FROM seen)
        GROUP BY event_date
        """,
        {
            "starts": [window.start for window in windows],
            "ends": [window.end for window in windows],
            "days": sorted({day for window in windows for day in window.days}),
            "until": until,
            "events": list(events),
        },
    ).fetchall()
    connection.execute("DROP TABLE seen")
    return dict(found)


def days_with_copies(
    connection: duckdb.DuckDBPyConnection, days: Collection[date]
) -> frozenset[date]:
    """Those of the days on which PostHog had copies of events that are kept under other days."""
    rows = connection.execute(
        "SELECT DISTINCT event_date FROM event_copies WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"days": list(days)},
    ).fetchall()
    return frozenset(day for (day,) in rows)


def forget_copies(
    connection: duckdb.DuckDBPyConnection, windows: Sequence[Window], staged: Staged | None
) -> None:
    """Forget copies on days that PostHog has them on no more; their events are kept under other days.

    Of two events under one uuid PostHog may have lost one. A copy that is forgotten by mistake is noted
    again when it is read.

    Args:
        connection: the warehouse, in a transaction.
        windows: read from the beginning of time; those of whole days count.
        staged: what was read in them; None for nothing.
    """
    rows = staged.relation if staged else "(SELECT NULL::UUID AS uuid, NULL::DATE AS event_date)"
    for window in windows:
        if window.end - window.start < _DAY:
            continue
        connection.execute(
            "DELETE FROM event_copies WHERE event_date IN (SELECT unnest($days::DATE[])) AND uuid NOT IN ("
            f"SELECT uuid FROM {rows} WHERE uuid IS NOT NULL AND event_date IN "
            "(SELECT unnest($days::DATE[])))",
            {"days": list(window.days)},
        )


def explains(state: DayState, uuids: Collection[str]) -> bool:
    """Whether a day that was compared just now has exactly PostHog's events without these."""
    ours, theirs = state.warehouse or Fingerprint(), state.posthog or Fingerprint()
    checksum = reduce(xor, (int(uuid.replace("-", "")[16:], 16) for uuid in uuids), 0)
    return Fingerprint(ours.events - len(uuids), ours.checksum ^ checksum).has_the_events_of(theirs)


def follow(
    connection: duckdb.DuckDBPyConnection,
    gone: Mapping[date, Collection[str]],
    states: Mapping[date, DayState],
    *,
    run_id: str,
    most_gone: float,
    now: datetime,
    spared: Mapping[date, Collection[str]] | None = None,
) -> dict[date, int]:
    """Remove what is gone in PostHog, where both guards allow it; in a transaction.

    Names, days and uuids stay in `gone_events`; properties and persons do not.

    Args:
        connection: the warehouse, in a transaction.
        gone: uuids that PostHog did not show, by day.
        states: the days as they were compared just now.
        run_id: the run that found it out.
        most_gone: the greatest share of a day that may go without a person's word, 0 to 1.
        now: when (UTC).
        spared: further uuids that PostHog did not show, and that stay.

    Returns:
        How many events went, by day.
    """
    accepted = {
        day
        for (day,) in connection.execute("SELECT DISTINCT event_date FROM accepted_days").fetchall()
    }
    removed: dict[date, int] = {}
    for day, uuids in gone.items():
        is_small = len(uuids) <= most_gone * states[day].warehouse_events
        unseen_there = [*uuids, *(spared or {}).get(day, ())]
        if explains(states[day], unseen_there) and (is_small or day in accepted):
            _remove(connection, day, uuids, run_id=run_id, now=now)
            removed[day] = len(uuids)
    connection.execute(
        "DELETE FROM accepted_days WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"days": list(removed)},
    )
    return removed


def accept(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], *, author: str, now: datetime
) -> None:
    """Let the next sync follow deletions of these days, however much of a day goes."""
    connection.executemany(
        "INSERT INTO accepted_days VALUES (?, ?, ?)", [[day, author, now] for day in days]
    )


def _remove(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    uuids: Collection[str],
    *,
    run_id: str,
    now: datetime,
) -> None:
    values = {"day": day, "uuids": list(uuids)}
    condition = "event_date = $day AND uuid IN (SELECT unnest($uuids::UUID[]))"
    runs = connection.execute(
        f"SELECT DISTINCT run_id FROM raw_events WHERE {condition}", values
    ).fetchall()
    connection.execute(
        f"INSERT INTO gone_events SELECT uuid, event, event_date, $run_id, $now FROM raw_events "
        f"WHERE {condition}",
        {**values, "run_id": run_id, "now": now},
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE gone AS SELECT DISTINCT distinct_id FROM raw_events WHERE {condition}",
        values,
    )
    connection.execute(f"DELETE FROM raw_events WHERE {condition}", values)
    connection.execute(
        "DELETE FROM person_overrides WHERE distinct_id IN (SELECT distinct_id FROM gone) "
        "AND distinct_id NOT IN (SELECT distinct_id FROM raw_events WHERE distinct_id IS NOT NULL)"
    )
    for table in ("event_copies", "shared_uuids"):
        connection.execute(
            f"DELETE FROM {table} WHERE uuid IN (SELECT unnest($uuids::UUID[]))",
            {"uuids": list(uuids)},
        )
    mark_changed(connection, [day], sorted(run for (run,) in runs))
    note_deletion(connection, now=now)
