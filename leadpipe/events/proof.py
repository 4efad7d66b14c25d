"""The proof of a day: it holds the same events as PostHog, not as many.

Both sides give, per day or hour, how many events there are, a checksum of which, and one of which copy of
each and whose it is; one question to PostHog, one to the warehouse. What follows from a difference is the
business of `planning.py` and `loading.py`.
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
# The second half of a uuid as a number, and the sum that tells a copy, as in fingerprints.hogql.
_HALF = "try_cast('0x' || replace(right(CAST({} AS VARCHAR), 17), '-', '') AS UBIGINT)"
_COPY = f"""
    (half >> 2) + (coalesce({_HALF.format("person_id")}, 0) >> 2)
    + coalesce(try_cast(epoch_ms(created_at) AS UBIGINT), 0)
"""


@dataclass(frozen=True)
class Fingerprint:
    """How many events, which, and which copy of each; equal for equal events.

    Args:
        events: how many.
        checksum: the XOR of the second halves of their uuids.
        copies: the XOR of numbers that tell when PostHog received each, and whose it is; None where it
            was not looked at.
    """

    events: int = 0
    checksum: int = 0
    copies: int | None = 0

    def has_the_events_of(self, other: "Fingerprint") -> bool:
        """Whether both are of the same events, whatever their copies and persons."""
        return (self.events, self.checksum) == (other.events, other.checksum)


NOTHING = Fingerprint()


def has_other_copies(theirs: Fingerprint, ours: Fingerprint) -> bool:
    """Whether both have the same events, and not the same copies or persons of them."""
    return theirs.has_the_events_of(ours) and theirs != ours


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
        SELECT event_date, count(*), bit_xor(half), bit_xor({_COPY}) FROM (
            SELECT event_date, created_at, person_id, {_HALF.format("uuid")} AS half FROM raw_events
            WHERE event_date IN (SELECT unnest($days::DATE[])) AND created_at <= $until
              AND event IN (SELECT unnest($events::VARCHAR[]))
            UNION ALL
            SELECT event_date, created_at, person_id, {_HALF.format("uuid")} FROM event_copies
            WHERE event_date IN (SELECT unnest($days::DATE[]))
        ) GROUP BY event_date
        """,
        {"days": list(days), "until": until, "events": list(events)},
    ).fetchall()
    found = {day: Fingerprint(*fingerprint) for day, *fingerprint in rows}
    return {day: found.get(day, NOTHING) for day in days}


def stored_of_hours(
    connection: duckdb.DuckDBPyConnection, day: date, *, events: Sequence[str], until: datetime
) -> dict[datetime, Fingerprint]:
    """The warehouse's fingerprint of each hour of a day that has events."""
    rows = connection.execute(
        f"""
        SELECT event_hour, count(*), bit_xor(half), bit_xor({_COPY}) FROM (
            SELECT event_hour, created_at, person_id, {_HALF.format("uuid")} AS half FROM raw_events
            WHERE event_date = $day AND created_at <= $until
              AND event IN (SELECT unnest($events::VARCHAR[]))
        ) GROUP BY event_hour
        """,
        {"day": day, "until": until, "events": list(events)},
    ).fetchall()
    return {start_of(day) + hour * _HOUR: Fingerprint(*rest) for hour, *rest in rows}


def _ask(
    posthog: PostHog, window: Window, bucket: str, *, events: Sequence[str], until: datetime
) -> dict[datetime, Fingerprint]:
    """Halved by days where PostHog finds it too heavy; a day by its hours."""
    found: dict[datetime, Fingerprint] = {}
    todo = [window]
    while todo:
        span = todo.pop()
        try:
            rows = posthog.query(
                read_sql("events", "fingerprints.hogql"),
                values={
                    "bucket": bucket,
                    "events": list(events),
                    "window_start": utc_text(span.start),
                    "window_end": utc_text(span.end),
                    "created_until": utc_text(until),
                },
                name=f"leadpipe: fingerprints from {span.start:%Y-%m-%d}",
            ).decoded()
        except QueryTooHeavy:
            halves = span.halves()
            if halves is None:
                raise
            todo += halves
            continue
        for name, *numbers in rows:
            moment = datetime.strptime(str(name), bucket).replace(tzinfo=UTC)
            part = Fingerprint(*(int(str(number)) for number in numbers))
            # A bucket may lie in both halves: counts add up, checksums do so by XOR.
            before = found.get(moment, NOTHING)
            found[moment] = Fingerprint(
                before.events + part.events,
                before.checksum ^ part.checksum,
                (before.copies or 0) ^ (part.copies or 0),
            )
    return found
