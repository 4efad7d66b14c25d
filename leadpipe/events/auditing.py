"""Compare days that no sync compares any more, the longest unchecked first, within a budget of queries.

A day that differs is read by the next sync; see `planning.py`.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from leadpipe.events import hidden_days, retention
from leadpipe.events.days import day_states, names_key, record_proof
from leadpipe.events.persons import compare_days
from leadpipe.events.planning import RECOUNTED
from leadpipe.events.proof import settled_until
from leadpipe.events.source import SyncConfig, claim_source
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_DAYS_A_QUESTION = 60


@dataclass(frozen=True)
class AuditReport:
    """What an audit did: days compared, those of them that differ, and days the budget did not reach."""

    compared: int
    differing: tuple[date, ...]
    left: int


def audit_days(
    posthog: PostHog,
    warehouse: Warehouse,
    *,
    config: SyncConfig,
    first_day: date,
    now: datetime,
    budget: int = 20,
) -> AuditReport:
    """Compare days older than those that every sync compares; what is committed stays, whatever comes after.

    Args:
        posthog: the client.
        warehouse: where the days are.
        config: which events.
        first_day: the first day that is loaded.
        now: when (UTC).
        budget: about how many queries; a question that is too heavy is halved and costs more.

    Raises:
        PostHogError, WarehouseLocked.
    """
    names = config.selection.events
    before = posthog.stats.snapshot()
    with warehouse.connect() as connection:
        claim_source(connection, posthog)
        states = day_states(connection)
        checked = dict(
            connection.execute("SELECT event_date, checked_at FROM event_days").fetchall()
        )
    floor = retention.current_floor(posthog, warehouse, now=now)
    last = now.astimezone(UTC).date() - RECOUNTED
    never = datetime.min.replace(tzinfo=UTC)
    waiting = sorted(
        (
            day
            for day, state in states.items()
            if first_day <= day < last and state.read_until is not None and not floor.freezes(day)
        ),
        key=lambda day: (states[day].names == names_key(names), checked[day] or never, day),
    )
    compared, differing = 0, []
    while waiting and (posthog.stats.snapshot() - before).api_calls < budget:
        # Neighbours of the longest unchecked one: a question costs by its span.
        first = waiting[0]
        span = [day for day in waiting if abs((day - first).days) < _DAYS_A_QUESTION]
        days = sorted(span)[:_DAYS_A_QUESTION]
        waiting = [day for day in waiting if day not in {*days}]
        until = settled_until(posthog, now, config.settle)
        theirs, ours = compare_days(posthog, warehouse, days, events=names, until=until)
        floor, doubtful = retention.examine(posthog, warehouse, theirs, ours, now=now)
        visible = {day: found for day, found in theirs.items() if not floor.freezes(day)}
        waiting = [day for day in waiting if not floor.freezes(day)]
        with warehouse.writing("door") as connection:
            found = record_proof(
                connection,
                visible,
                read=(),
                events=names,
                until=until,
                now=now,
                unrecorded=doubtful,
            )
            hidden_days.question(connection, doubtful, now=now)
        compared += len(visible)
        differing += [day for day, state in found.items() if not state.is_complete]
    return AuditReport(compared, tuple(sorted(differing)), len(waiting))
