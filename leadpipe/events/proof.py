"""The proof of a day: it holds the same events as PostHog, not as many.

Both sides give, per day or hour, how many events there are and a checksum of which; one question to PostHog,
one to the warehouse. What follows from a difference is the business of `planning.py` and `loading.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb

from leadpipe.errors import QueryTooHeavy
from leadpipe.events.windows import Window, start_of
from leadpipe.posthog import PostHog, utc_text
from leadpipe.warehouse import read_sql

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_DAYS, _HOURS = "%Y-%m-%d", "%Y-%m-%d %H"
_FAR = timedelta(minutes=5)
# The second half of a uuid as a number, as in fingerprints.hogql.
_HALF = "CAST('0x' || replace(right(CAST(uuid AS VARCHAR), 17), '-', '') AS UBIGINT)"


@dataclass(frozen=True)
class Fingerprint:
    """How many events, and the XOR of the second halves of their uuids; equal for equal events."""

    events: int = 0
    checksum: int = 0


NOTHING = Fingerprint()


def settled_until(posthog: PostHog, now: datetime, settle: timedelta) -> datetime:
    """Up to when PostHog's rows are looked at: `settle` ago, by PostHog's clock where ours is ahead of it.

    So no watermark lies in PostHog's future, whatever this machine's clock says.
    """
    there = posthog.last_date
    return (min(now, there) if there is not None and now - there > _FAR else now) - settle


def of_days(
    posthog: PostHog, days: Collection[date], *, events: Sequence[str], until: datetime
) -> dict[date, Fingerprint]:
    """PostHog's fingerprint of each day, of what it had received by `until`. One question, or its halves."""
    if not days:
        return {}
    found = _ask(
        posthog,
        Window(start_of(min(days)), start_of(max(days) + _DAY)),
        _DAYS,
        events=events,
        until=until,
    )
    return {day: found.get(start_of(day), NOTHING) for day in days}


def of_hours(
    posthog: PostHog, day: date, *, events: Sequence[str], until: datetime
) -> dict[datetime, Fingerprint]:
    """PostHog's fingerprint of each hour of a day that has events, by the hour's beginning (UTC)."""
    window = Window(start_of(day), start_of(day + _DAY))
    return _ask(posthog, window, _HOURS, events=events, until=until)


def differing_hours(
    theirs: Mapping[datetime, Fingerprint], ours: Mapping[datetime, Fingerprint]
) -> list[Window]:
    """The hours that are not the same on both sides; neighbours are one window."""
    windows: list[Window] = []
    for hour in sorted({*theirs, *ours}):
        if theirs.get(hour, NOTHING) == ours.get(hour, NOTHING):
            continue
        if windows and windows[-1].end == hour:
            windows[-1] = Window(windows[-1].start, hour + _HOUR)
        else:
            windows.append(Window(hour, hour + _HOUR))
    return windows


def stored_of_days(
    connection: duckdb.DuckDBPyConnection,
    days: Collection[date],
    *,
    events: Sequence[str],
    until: datetime,
) -> dict[date, Fingerprint]:
    """The warehouse's fingerprint of each day, as PostHog would count: a copy that PostHog has on another
    day than the one the event is kept under belongs to both.
    """  # noqa: D205 - one sentence
    rows = connection.execute(
        f"""
        SELECT event_date, count(*), bit_xor({_HALF}) FROM (
            SELECT event_date, uuid FROM raw_events
            WHERE event_date IN (SELECT unnest($days::DATE[])) AND created_at <= $until
              AND event IN (SELECT unnest($events::VARCHAR[]))
            UNION ALL
            SELECT event_date, uuid FROM event_copies
            WHERE event_date IN (SELECT unnest($days::DATE[]))
        ) GROUP BY event_date
        """,
        {"days": list(days), "until": until, "events": list(events)},
    ).fetchall()
    found = {day: Fingerprint(count, checksum) for day, count, checksum in rows}
    return {day: found.get(day, NOTHING) for day in days}


def stored_of_hours(
    connection: duckdb.DuckDBPyConnection, day: date, *, events: Sequence[str], until: datetime
) -> dict[datetime, Fingerprint]:
    """The warehouse's fingerprint of each hour of a day that has events."""
    rows = connection.execute(
        f"""
        SELECT event_hour, count(*), bit_xor({_HALF}) FROM raw_events
        WHERE event_date = $day AND created_at <= $until
          AND event IN (SELECT unnest($events::VARCHAR[]))
        GROUP BY event_hour
        """,
        {"day": day, "until": until, "events": list(events)},
    ).fetchall()
    return {
        start_of(day) + hour * _HOUR: Fingerprint(count, checksum) for hour, count, checksum in rows
    }


def _ask(
    posthog: PostHog, window: Window, bucket: str, *, events: Sequence[str], until: datetime
) -> dict[datetime, Fingerprint]:
    """Halved by days where PostHog finds it too heavy; a day by its hours."""
    found: dict[datetime, Fingerprint] = {}
    todo = [window]
    while todo:
        part = todo.pop()
        try:
            rows = posthog.query(
                read_sql("events", "fingerprints.hogql"),
                values={
                    "bucket": bucket,
                    "events": list(events),
                    "window_start": utc_text(part.start),
                    "window_end": utc_text(part.end),
                    "created_until": utc_text(until),
                },
                name=f"leadpipe: fingerprints from {part.start:%Y-%m-%d}",
            ).decoded()
        except QueryTooHeavy:
            halves = part.halves()
            if halves is None:
                raise
            todo += halves
            continue
        for name, count, checksum in rows:
            moment = datetime.strptime(str(name), bucket).replace(tzinfo=UTC)
            before = found.get(moment, NOTHING)
            # A bucket may lie in both halves: counts add up, checksums do so by XOR.
            found[moment] = Fingerprint(
                before.events + int(str(count)), before.checksum ^ int(str(checksum))
            )
    return found
