"""What PostHog no longer shows: its plans hide events before a floor, and nothing here follows that.

The floor is known from the project where the key may read it, else from what PostHog still shows. Days that
begin before it are frozen: not compared, not read, not followed. What becomes of events that vanished is the
business of `ruling.py`.
"""

import calendar
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb

from leadpipe.errors import KeyRejected, PostHogError, PostHogRefused
from leadpipe.events.hidden_days import questioned, reopen, tell_by_time
from leadpipe.events.proof import Fingerprint
from leadpipe.events.windows import start_of
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_VALID_FOR = timedelta(days=1)
_MARGIN = timedelta(hours=1)  # the two clocks, and summer time


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

    def is_told(self, since: datetime) -> bool:
        """Whether the project has said since a moment where its floor is, or that it has none."""
        return self.answered_at is not None and self.answered_at >= since

    @property
    def frozen_before(self) -> date | None:
        """The first day that is not frozen, None if none is."""
        days = [self.hidden + timedelta(days=1)] if self.hidden else []
        if self.moment is not None:
            edge = (self.moment + _MARGIN).date()
            days.append(
                edge if start_of(edge) == self.moment + _MARGIN else edge + timedelta(days=1)
            )
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
    with warehouse.connect() if is_dry else warehouse.writing("door") as connection:
        answer = _known(connection)
        if not is_dry:
            tell_by_time(connection)
        floor = floor_of(connection, now=max(now, posthog.last_date or now))
    if answer is not None and answer.is_enforced and not is_dry:
        return asked_floor(posthog, warehouse, now=now, since=now - _VALID_FOR)
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
    is_empty = is_empty and any(fingerprint.events for fingerprint in theirs.values())
    since = now if lost else now - _VALID_FOR
    if is_dry or not (lost or is_empty):
        with warehouse.connect() as connection:
            floor = floor_of(connection, now=max(now, posthog.last_date or now))
    else:
        floor = asked_floor(posthog, warehouse, now=now, since=since)
    left = () if floor.is_told(now) else (day for day in lost if not floor.freezes(day))
    return floor, frozenset(left)


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


def _known(connection: duckdb.DuckDBPyConnection) -> _Answer | None:
    row = connection.execute(
        "SELECT asked_at, months, is_enforced, timezone, problem FROM posthog_retention"
    ).fetchone()
    return _Answer(*row) if row else None


def asked_floor(posthog: PostHog, warehouse: Warehouse, *, now: datetime, since: datetime) -> Floor:
    """The floor, after the project was asked unless it has answered since; a refusal holds for a day.

    Raises:
        KeyRejected, WarehouseLocked.
    """
    there = max(now, posthog.last_date or now)  # of two clocks the one ahead has the later floor
    with warehouse.connect() as connection:
        known = _known(connection)
        floor = floor_of(connection, now=there)
    if known and known.asked_at >= (now - _VALID_FOR if known.problem else since):
        return floor
    try:
        project = posthog.project()
    except KeyRejected:
        raise
    except PostHogRefused as error:
        answer = _Answer(now, None, None, None, str(error))
    except PostHogError:  # it passes; the next question asks again
        return floor
    else:
        months, is_enforced = project.retention_months, project.is_retention_enforced
        answer = _Answer(now, months, is_enforced, project.timezone, None)
    with warehouse.writing("door") as connection:
        connection.execute("DELETE FROM posthog_retention")
        connection.execute("INSERT INTO posthog_retention VALUES (?, ?, ?, ?, ?)", astuple(answer))
        floor = floor_of(connection, now=there)
        if floor.answered_at is not None:  # what was only supposed is known now
            connection.execute(
                "UPDATE hidden_days SET is_told = true WHERE hidden_until IS NOT NULL"
            )
            frozen = [day for day in questioned(connection) if floor.freezes(day)]
            reopen(connection, frozen)
    return floor
