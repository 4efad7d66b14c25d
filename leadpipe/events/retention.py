"""What PostHog no longer shows: its plans hide events before a floor, and nothing here follows that.

The floor is known from the project where the key may read it, else from what PostHog still shows. Days that
begin before it are frozen: not compared, not read, not followed. An event that vanished is a deletion only
where PostHog shows an earlier one, or the project says that its floor lies before it; else it is kept and
its day is in `hidden_days`. How deletions are followed is `deletions.py`'s business.
"""

import calendar
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from leadpipe.errors import KeyRejected, PostHogError, PostHogRefused
from leadpipe.events.days import DayState
from leadpipe.events.deletions import explains
from leadpipe.events.proof import NOTHING, Fingerprint, of_days
from leadpipe.events.windows import start_of
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_VALID_FOR = timedelta(days=1)
_MARGIN = timedelta(hours=1)  # the two clocks, and summer time
_NEIGHBOURS = 7
# A floor moves with the clock, or once a month: after so long it has moved, however it does.
TOLD_AFTER = timedelta(days=35)


@dataclass(frozen=True)
class Floor:
    """From where on PostHog shows events, as far as that is known.

    Args:
        moment: by what the project says; what is dated before it is hidden. None: no floor is known.
        hidden: the latest day of which events vanished and cannot be told from deleted ones.
        opened: days that a person or later evidence says to follow all the same.
        answered_at: when the project said whether it has a floor; None if it never did.
        problem: why it did not say, one line.
    """

    moment: datetime | None = None
    hidden: date | None = None
    opened: frozenset[date] = frozenset()
    answered_at: datetime | None = None
    problem: str | None = None

    def freezes(self, day: date) -> bool:
        """Whether PostHog may no longer show the whole day."""
        if self.moment is not None and start_of(day) < self.moment + _MARGIN:
            return True
        return self.hidden is not None and day <= self.hidden and day not in self.opened

    @property
    def frozen_before(self) -> date | None:
        """The first day that is not frozen, None if none is."""
        days = [self.hidden + timedelta(days=1)] if self.hidden else []
        if self.moment is not None:
            edge = (self.moment + _MARGIN).date()
            days.append(edge if start_of(edge) == self.moment + _MARGIN else edge + _VALID_FOR)
        return max(days, default=None)


@dataclass(frozen=True)
class _Answer:
    asked_at: datetime
    months: int | None
    is_enforced: bool | None
    timezone: str | None
    problem: str | None

    @property
    def is_settled(self) -> bool:
        """Whether it says where the floor is, or that there is none."""
        return self.is_enforced is False or (self.is_enforced is True and self.months is not None)


@dataclass(frozen=True)
class Ruling:
    """Of events that vanished: those that were deleted, and those that retention may hide; by day."""

    gone: Mapping[date, Collection[str]] = field(default_factory=dict)
    spared: Mapping[date, Collection[str]] = field(default_factory=dict)


def floor_of(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> Floor:
    """The floor as it is known here, at a moment (UTC); asks PostHog nothing."""
    answer = _known(connection)
    hidden = connection.execute(
        "SELECT max(event_date) FROM hidden_days WHERE hidden_until IS NOT NULL AND NOT is_told"
    ).fetchone()
    opened = connection.execute(
        "SELECT event_date FROM accepted_days UNION SELECT event_date FROM hidden_days "
        "WHERE hidden_until IS NULL OR is_told"
    ).fetchall()
    return Floor(
        moment=_moment(answer, now) if answer else None,
        hidden=hidden[0] if hidden and (answer is None or not answer.is_settled) else None,
        opened=frozenset(day for (day,) in opened),
        answered_at=answer.asked_at if answer and answer.is_settled else None,
        problem=answer.problem if answer else None,
    )


def current_floor(
    posthog: PostHog, warehouse: Warehouse, *, now: datetime, is_dry: bool = False
) -> Floor:
    """The floor before days are compared; a project that has one is asked again after a day.

    Raises:
        KeyRejected, WarehouseLocked.
    """
    with warehouse.connect() as connection:
        answer = _known(connection)
        if not is_dry:
            _tell_by_time(connection)
        floor = floor_of(connection, now=_there(posthog, now))
    if answer is not None and answer.is_enforced and not is_dry:
        return _asked(posthog, warehouse, answer, now=now, since=now - _VALID_FOR) or floor
    return floor


def examine(
    posthog: PostHog,
    warehouse: Warehouse,
    theirs: Mapping[date, Fingerprint],
    ours: Mapping[date, Fingerprint],
    *,
    unread: Collection[date] = (),
    now: datetime,
    is_dry: bool = False,
) -> tuple[Floor, frozenset[date]]:
    """Look at a comparison for the trace of retention: the oldest days lost events, or show none.

    The project is asked when there is such a trace, and the answer kept.

    Args:
        posthog: the client.
        warehouse: where the floor is kept.
        theirs: PostHog's fingerprints of days.
        ours: the warehouse's.
        unread: those of the days that were never read.
        now: when the question was asked (UTC).
        is_dry: remember nothing.

    Returns:
        The floor, and days that lost events of which it cannot be said yet why. Their proof is to be left
        as it is until their events were looked at, see `rule`.
    """
    lost: set[date] = set()
    is_empty = False
    for day in sorted(theirs):
        if theirs[day].events < ours[day].events:
            lost.add(day)
        if theirs[day].events:
            break
        is_empty = is_empty or day in unread
    with warehouse.connect() as connection:
        answer = _known(connection)
        floor = floor_of(connection, now=_there(posthog, now))
    if (lost or is_empty) and not is_dry:
        since = now if lost else now - _VALID_FOR
        floor = _asked(posthog, warehouse, answer, now=now, since=since) or floor
    is_told = floor.answered_at is not None and floor.answered_at >= now
    left = () if is_told else (day for day in lost if not floor.freezes(day))
    return floor, frozenset(left)


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
        answer = _known(connection)
        floor = floor_of(connection, now=_there(posthog, now))
        doubts = {
            day: uuids
            for day in explained
            if (uuids := _before_all_shown(connection, day, vanished[day], events, until))
        }
    if doubts and (floor.answered_at is None or floor.answered_at < since):
        floor = _asked(posthog, warehouse, answer, now=now, since=since) or floor
    if doubts and (floor.answered_at is None or floor.answered_at < since):
        doubts = _without_shown_before(posthog, warehouse, doubts, states, events, until)
    elif doubts:
        doubts = {day: vanished[day] for day in doubts if floor.freezes(day)}
    spared = doubts | {
        day: uuids for day, uuids in vanished.items() if day not in doubts and floor.freezes(day)
    }
    gone = {
        day: [uuid for uuid in uuids if uuid not in {*spared.get(day, ())}]
        for day, uuids in vanished.items()
    }
    return Ruling({day: uuids for day, uuids in gone.items() if uuids}, spared)


def hide(
    connection: duckdb.DuckDBPyConnection,
    spared: Mapping[date, Collection[str]],
    *,
    looked_at: Collection[date],
    now: datetime,
) -> None:
    """Remember which days have events that PostHog may hide; in a transaction.

    Args:
        connection: the warehouse, in a transaction.
        spared: their uuids by day.
        looked_at: days that were read; those that are not in `spared` are in question no longer.
        now: when (UTC).
    """
    answer = _known(connection)
    if answer is not None and answer.is_settled:  # the floor says it, from now on
        spared = {}
    found = {
        day: connection.execute(
            "SELECT max(timestamp), count(*) FROM raw_events WHERE event_date = ? "
            "AND uuid IN (SELECT unnest(?::UUID[]))",
            [day, list(uuids)],
        ).fetchone()
        for day, uuids in spared.items()
    }
    known = dict(
        connection.execute(
            "SELECT event_date, (hidden_until, since) FROM hidden_days WHERE hidden_until IS NOT NULL"
        ).fetchall()
    )
    connection.execute(
        "DELETE FROM hidden_days WHERE event_date IN (SELECT unnest($days::DATE[])) "
        "AND (hidden_until IS NULL OR event_date IN (SELECT unnest($spared::DATE[])))",
        {"days": [*looked_at, *spared], "spared": list(spared)},
    )
    for day, (hidden_until, events) in ((day, row) for day, row in found.items() if row):
        before, first_seen = known.get(day, (None, now))
        connection.execute(
            "INSERT INTO hidden_days VALUES (?, ?, ?, ?, false)",
            [day, hidden_until, events, first_seen if before == hidden_until else now],
        )


def reopen(connection: duckdb.DuckDBPyConnection, days: Collection[date]) -> None:
    """Forget that events of these days were hidden, as they were followed or are shown again."""
    connection.execute(
        "DELETE FROM hidden_days WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"days": list(days)},
    )


def question(
    connection: duckdb.DuckDBPyConnection, days: Collection[date], *, now: datetime
) -> None:
    """Let the next sync look at the events of days that lost some, for a reason that is not known yet."""
    connection.execute(
        "INSERT INTO hidden_days SELECT day, NULL, 0, $now, false FROM unnest($days::DATE[]) AS d(day) "
        "WHERE day NOT IN (SELECT event_date FROM hidden_days)",
        {"days": sorted(days), "now": now},
    )


def questioned(connection: duckdb.DuckDBPyConnection) -> frozenset[date]:
    """Days that wait for a look at their events."""
    return frozenset(
        day
        for (day,) in connection.execute(
            "SELECT event_date FROM hidden_days WHERE hidden_until IS NULL OR is_told"
        ).fetchall()
    )


def months_before(moment: datetime, months: int, zone: str) -> datetime:
    """So many months before a moment, by the calendar of a zone as PostHog counts them (UTC)."""
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        local = moment.astimezone(UTC)
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return local.replace(year=year, month=month + 1, day=min(local.day, last)).astimezone(UTC)


def _moment(answer: _Answer, now: datetime) -> datetime | None:
    if not answer.is_enforced or answer.months is None:
        return None
    return months_before(now, answer.months, answer.timezone or "UTC")


def _there(posthog: PostHog, now: datetime) -> datetime:
    """Now by the clock that is ahead: its floor is the later one."""
    return max(now, posthog.last_date or now)


def _known(connection: duckdb.DuckDBPyConnection) -> _Answer | None:
    row = connection.execute(
        "SELECT asked_at, months, is_enforced, timezone, problem FROM posthog_retention"
    ).fetchone()
    return _Answer(*row) if row else None


def _asked(
    posthog: PostHog,
    warehouse: Warehouse,
    answer: _Answer | None,
    *,
    now: datetime,
    since: datetime,
) -> Floor | None:
    """Ask the project unless it has answered since; a refusal is remembered for a day.

    Raises:
        KeyRejected, WarehouseLocked.
    """
    fresh_since = now - _VALID_FOR if answer and answer.problem else since
    if answer is not None and answer.asked_at >= fresh_since:
        return None
    try:
        project = posthog.project()
    except KeyRejected:
        raise
    except PostHogRefused as error:
        values = [now, None, None, None, str(error)]
    except PostHogError:  # it passes; the next question asks again
        return None
    else:
        values = [now, project.retention_months, project.is_retention_enforced]
        values += [project.timezone, None]
    with warehouse.transaction() as connection:
        connection.execute("DELETE FROM posthog_retention")
        connection.execute("INSERT INTO posthog_retention VALUES (?, ?, ?, ?, ?)", values)
        floor = floor_of(connection, now=_there(posthog, now))
        if floor.answered_at is not None:  # what was only supposed is known now
            connection.execute("UPDATE hidden_days SET is_told = true WHERE hidden_until IS NOT NULL")
            frozen = [day for day in questioned(connection) if floor.freezes(day)]
            reopen(connection, frozen)
    return floor


def _tell_by_time(connection: duckdb.DuckDBPyConnection) -> None:
    """Where PostHog long shows what a moving floor would have hidden, what vanished was deleted."""
    connection.execute(
        """
        UPDATE hidden_days SET is_told = true
        WHERE hidden_until IS NOT NULL AND NOT is_told AND EXISTS (
            FROM event_days AS shown
            WHERE shown.event_date > hidden_days.event_date AND posthog_events > 0
              AND (shown.event_date + INTERVAL 1 DAY)::TIMESTAMPTZ
                  <= hidden_until + (checked_at - since) - to_seconds($patience)
        )
        """,
        {"patience": TOLD_AFTER.total_seconds()},
    )


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
    states: Mapping[date, DayState],
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
