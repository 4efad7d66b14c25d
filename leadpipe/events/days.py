"""What the warehouse knows of each day: how far it was read, and whether it holds PostHog's events.

`event_days` has a row a day: `read_until` (what PostHog received up to then was read), the fingerprints of
both sides when they were last compared, of which event names, since when they differ, and a `version` that
rises whenever a row of the day changes.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from leadpipe.events.proof import Fingerprint, stored_of_days
from leadpipe.events.unconfirmed import note_unseen


@dataclass(frozen=True)
class DayState:
    """A day as the warehouse has it; fingerprints are None before the first comparison.

    Args:
        read_until: see the module's docstring.
        posthog: what PostHog had.
        warehouse: what the warehouse had.
        names: of which events, see `names_key`.
    """

    read_until: datetime | None = None
    posthog: Fingerprint | None = None
    warehouse: Fingerprint | None = None
    names: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the day was compared, and both sides had the same events."""
        return self.posthog is not None and self.posthog == self.warehouse

    @property
    def posthog_events(self) -> int:
        """How many events PostHog had."""
        return self.posthog.events if self.posthog else 0

    @property
    def warehouse_events(self) -> int:
        """How many the warehouse had."""
        return self.warehouse.events if self.warehouse else 0


def names_key(events: Sequence[str]) -> str:
    """A short text that is the same for the same event names, in whatever order."""
    names = sorted(events)
    text = "\n".join(names)
    if text.count("\n") >= max(len(names), 1) or "" in names:  # names cannot be told apart in it
        text = f"\n{json.dumps(names)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remember_names(
    connection: duckdb.DuckDBPyConnection, events: Sequence[str], *, now: datetime
) -> None:
    """Keep the names behind their `names_key`, and that they were asked for now."""
    connection.execute("DELETE FROM compared_names WHERE names_key = ?", [names_key(events)])
    connection.execute(
        "INSERT INTO compared_names VALUES (?, ?, ?)", [names_key(events), sorted(events), now]
    )


def day_states(connection: duckdb.DuckDBPyConnection) -> dict[date, DayState]:
    """Every day that was ever read or brought by an event."""
    rows = connection.execute(
        "SELECT event_date, read_until, posthog_events, posthog_checksum, posthog_copies, "
        "warehouse_events, warehouse_checksum, warehouse_copies, event_names FROM event_days"
    ).fetchall()
    return {
        day: DayState(read_until, _fingerprint(*theirs), _fingerprint(*ours), names)
        for day, read_until, *rest, names in rows
        for theirs, ours in [(rest[:3], rest[3:])]
    }


def _fingerprint(
    events: int | None, checksum: int | None, copies: int | None
) -> Fingerprint | None:
    return None if events is None or checksum is None else Fingerprint(events, checksum, copies)


def record_proof(
    connection: duckdb.DuckDBPyConnection,
    theirs: Mapping[date, Fingerprint],
    *,
    read: Collection[date],
    events: Sequence[str],
    until: datetime,
    now: datetime,
    unrecorded: Collection[date] = (),
) -> dict[date, DayState]:
    """Compare days with PostHog's fingerprints and keep the outcome; run it with the rows' transaction.

    Args:
        connection: the warehouse, in a transaction.
        theirs: PostHog's fingerprints of what it had received by `until`.
        read: those of the days that were read up to `until`.
        events: the names that both sides were asked for.
        until: see `read_until`; a watermark that lies behind it in the future is set back.
        now: when (UTC).
        unrecorded: days whose outcome is only returned: they may have lost events by retention.

    Returns:
        The days' new states.
    """
    ours = stored_of_days(connection, list(theirs), events=events, until=until)
    names = names_key(events)
    remember_names(connection, events, now=now)
    days = [day for day in theirs if day not in unrecorded]
    connection.execute(
        "INSERT INTO event_days (event_date, version) SELECT day, 0 FROM unnest($days::DATE[]) AS d(day) "
        "WHERE day NOT IN (SELECT event_date FROM event_days)",
        {"days": days},
    )
    connection.execute(
        """
        UPDATE event_days SET
            read_until = CASE
                WHEN NOT is_read THEN read_until
                WHEN read_until > $now THEN $until
                ELSE greatest(read_until, $until)
            END,
            checked_at = $now,
            posthog_events = theirs, posthog_checksum = their_checksum, posthog_copies = their_copies,
            warehouse_events = ours, warehouse_checksum = our_checksum, warehouse_copies = our_copies,
            event_names = $names,
            differs_since = CASE
                WHEN (theirs, their_checksum, their_copies) = (ours, our_checksum, our_copies)
                THEN NULL ELSE coalesce(differs_since, $now)
            END
        FROM (
            SELECT unnest($days::DATE[]) AS day, unnest($read::BOOLEAN[]) AS is_read,
                   unnest($theirs::BIGINT[]) AS theirs, unnest($their_checksums::UBIGINT[]) AS their_checksum,
                   unnest($their_copies::UBIGINT[]) AS their_copies,
                   unnest($ours::BIGINT[]) AS ours, unnest($our_checksums::UBIGINT[]) AS our_checksum,
                   unnest($our_copies::UBIGINT[]) AS our_copies
        ) AS compared
        WHERE event_date = compared.day
        """,
        {
            "until": until,
            "now": now,
            "names": names,
            "days": days,
            "read": [day in read for day in days],
            "theirs": [theirs[day].events for day in days],
            "their_checksums": [theirs[day].checksum for day in days],
            "their_copies": [theirs[day].copies for day in days],
            "ours": [ours[day].events for day in days],
            "our_checksums": [ours[day].checksum for day in days],
            "our_copies": [ours[day].copies for day in days],
        },
    )
    proved = [day for day in days if theirs[day].has_the_events_of(ours[day])]
    note_unseen(connection, proved, events=events, until=until)
    return {day: DayState(until, theirs[day], ours[day], names) for day in theirs}


def rejected_on(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> dict[str, int]:
    """How many stored events of a range of days, both ends inclusive, no table can use, by reason."""
    return dict(
        connection.execute(
            "SELECT rejected_reason, count(*) FROM raw_events "
            "WHERE event_date BETWEEN ? AND ? AND rejected_reason IS NOT NULL GROUP BY ALL ORDER BY ALL",
            [first, last],
        ).fetchall()
    )
