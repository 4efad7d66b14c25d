"""Tell events that were deleted in PostHog from events that its retention hides.

An event that vanished is a deletion where PostHog shows an earlier one, or where the project says that its
floor lies before it. Else it is kept, and its day is in `hidden_days`. How deletions are followed is
`deletions.py`'s business.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import duckdb

from leadpipe.events.days import DayState
from leadpipe.events.deletions import explains
from leadpipe.events.proof import NOTHING, of_days
from leadpipe.events.retention import asked_floor, floor_of
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_NEIGHBOURS = 7


@dataclass(frozen=True)
class Ruling:
    """Of events that vanished, by day: those that were deleted, and those that retention may hide.

    Of the latter `doubtful` has those of which nobody can tell.
    """

    gone: Mapping[date, Collection[str]] = field(default_factory=dict)
    spared: Mapping[date, Collection[str]] = field(default_factory=dict)
    doubtful: Mapping[date, Collection[str]] = field(default_factory=dict)


def rule(
    posthog: PostHog,
    warehouse: Warehouse,
    vanished: Mapping[date, Sequence[str]],
    states: Mapping[date, DayState],
    *,
    events: Sequence[str],
    until: datetime,
    since: datetime,
    now: datetime,
) -> Ruling:
    """Tell deleted events from hidden ones.

    Args:
        posthog: asked, where something vanished from the beginning of what it shows: the project, then
            the days around for what is still shown.
        warehouse: where the events are still.
        vanished: their uuids by day.
        states: the days as they were compared when that was seen.
        events: the names that were asked for.
        until: what PostHog received later is not looked at.
        since: an answer of the project counts from then on (UTC).
        now: when (UTC).

    Raises:
        PostHogError, WarehouseLocked.
    """
    explained = {day for day, uuids in vanished.items() if explains(states[day], uuids)}
    with warehouse.connect() as connection:
        floor = floor_of(connection, now=max(now, posthog.last_date or now))
        doubts: dict[date, Sequence[str]] = {
            day: uuids
            for day in explained
            if (uuids := _before_all_shown(connection, day, vanished[day], events, until))
        }
    if doubts:
        floor = asked_floor(posthog, warehouse, now=now, since=since)
        if floor.is_told(since):
            doubts = {}
        else:
            doubts = _without_shown_before(posthog, warehouse, doubts, events, until)
    spared = {day: uuids for day, uuids in vanished.items() if floor.freezes(day)} | doubts
    gone = {day: {*uuids} - {*spared.get(day, ())} for day, uuids in vanished.items()}
    return Ruling({day: uuids for day, uuids in gone.items() if uuids}, spared, doubts)


def _before_all_shown(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    uuids: Sequence[str],
    events: Sequence[str],
    until: datetime,
) -> list[str]:
    """Those of the vanished events of a day that are older than all it still shows, and not decided yet."""
    return [
        uuid
        for (uuid,) in connection.execute(
            """
            SELECT CAST(uuid AS VARCHAR) FROM raw_events
            WHERE event_date = $day AND uuid IN (SELECT unnest($uuids::UUID[]))
              AND timestamp <= coalesce((
                  SELECT min(timestamp) FROM raw_events
                  WHERE event_date = $day AND created_at <= $until
                    AND event IN (SELECT unnest($events::VARCHAR[]))
                    AND uuid NOT IN (SELECT unnest($uuids::UUID[]))
              ), 'infinity'::TIMESTAMPTZ)
              AND timestamp > coalesce((
                  SELECT max(hidden_until) FROM hidden_days WHERE event_date = $day AND is_told
              ), '-infinity'::TIMESTAMPTZ)
              AND event_date NOT IN (SELECT event_date FROM accepted_days)
            """,
            {"day": day, "uuids": list(uuids), "until": until, "events": list(events)},
        ).fetchall()
    ]


def _without_shown_before(
    posthog: PostHog,
    warehouse: Warehouse,
    doubts: Mapping[date, Sequence[str]],
    events: Sequence[str],
    until: datetime,
) -> dict[date, Sequence[str]]:
    """Doubts that stay: PostHog shows nothing before the events, and something after them.

    Where it shows nothing after them either, it is no retention: another project, or a key that sees less.
    """
    first, last = min(doubts), max(doubts)
    with warehouse.connect() as connection:
        stored = [
            day
            for (day,) in connection.execute(
                """
                SELECT event_date FROM (
                    SELECT event_date, count(*) FILTER (event_date < $first) OVER () AS earlier,
                           row_number() OVER (ORDER BY event_date) AS number,
                           count(*) FILTER (event_date <= $last) OVER () AS up_to_last
                    FROM (
                        SELECT DISTINCT event_date FROM raw_events
                        WHERE event IN (SELECT unnest($events::VARCHAR[])) AND created_at <= $until
                    )
                ) WHERE number > earlier - $neighbours AND number <= up_to_last + $neighbours
                ORDER BY event_date
                """,
                {
                    "first": first,
                    "last": last,
                    "events": list(events),
                    "until": until,
                    "neighbours": _NEIGHBOURS,
                },
            ).fetchall()
        ]
    theirs = of_days(posthog, [*stored, *doubts], events=events, until=until)
    shown = [day for day, fingerprint in theirs.items() if fingerprint != NOTHING]
    return {
        day: uuids
        for day, uuids in doubts.items()
        if shown and min(shown) >= day and max(shown) >= day
    }
