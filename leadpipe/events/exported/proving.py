"""The days that exported files brought are compared with PostHog; those that differ are left to a sync.

They are compared by what PostHog had received by the end of the last exported interval. Which files to take
is not this module's business, nor what to do about a difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from leadpipe.events import hidden_days, retention
from leadpipe.events.copies import take_copies
from leadpipe.events.days import day_states, record_proof
from leadpipe.events.exported.register import days_to_prove, last_end, note_compared
from leadpipe.events.persons import compare_days
from leadpipe.events.proof import has_other_copies, settled_until, stored_of_days
from leadpipe.events.source import SyncConfig, refuse_another
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_BY_TIMESTAMP = timedelta(days=6)
_ONE_QUESTION = timedelta(days=14)


@dataclass(frozen=True)
class Proof:
    """What was compared."""

    equal: tuple[date, ...] = ()
    differing: tuple[date, ...] = ()


def prove_exported_days(
    posthog: PostHog,
    warehouse: Warehouse,
    *,
    run_id: str,
    config: SyncConfig,
    landing: Path,
    clock: Callable[[], datetime],
) -> Proof:
    """Compare the days that files changed since they were compared, and remember the outcome.

    Of several copies of an event an export has one; where a day has other copies than PostHog, they are read.

    A day counts as read then: of one that differs the next sync reads the hours that differ. Days that
    retention froze are left as they are, and today, which every sync reads and proves.

    Raises:
        PostHogError, WarehouseLocked: the days are compared by a later run.
        ConfigurationError: PostHog has other events; another project answers there.
    """
    now = clock()
    with warehouse.connect() as connection:
        days = days_to_prove(connection)
        states = day_states(connection)
        end = last_end(connection)
    if not days:
        return Proof()
    floor = retention.current_floor(posthog, warehouse, now=now)
    names = config.selection.events
    today = now.astimezone(UTC).date()
    equal: list[date] = []
    differing: list[date] = []
    for group in _groups([day for day in days if not floor.freezes(day) and day != today]):
        until = _until(posthog, end, now, config)
        theirs, ours = compare_days(posthog, warehouse, group, events=names, until=until)
        with warehouse.connect() as connection:
            refuse_another(
                posthog, connection, states=states, theirs=theirs, ours=ours, config=config
            )
        if others := [day for day in group if has_other_copies(theirs[day], ours[day])]:
            take_copies(
                posthog,
                warehouse,
                others,
                run_id=run_id,
                config=config,
                landing=landing,
                clock=clock,
            )
            with warehouse.connect() as connection:
                ours |= stored_of_days(connection, others, events=names, until=until)
        floor, doubtful = retention.examine(posthog, warehouse, theirs, ours, now=now)
        shown = {day: found for day, found in theirs.items() if not floor.freezes(day)}
        with warehouse.writing("door") as connection:
            record_proof(
                connection,
                shown,
                read=[*shown],
                events=names,
                until=until,
                now=now,
                unrecorded=doubtful,
            )
            hidden_days.question(connection, doubtful, now=now)
            note_compared(connection, group)
        equal += [day for day in shown if theirs[day] == ours[day]]
        differing += [day for day in shown if theirs[day] != ours[day]]
    with warehouse.writing("door") as connection:
        note_compared(connection, days)  # and those that cannot be: frozen, or not over yet
    return Proof(tuple(equal), tuple(differing))


def _until(posthog: PostHog, end: datetime | None, now: datetime, config: SyncConfig) -> datetime:
    """Up to when what PostHog received is in files; all of it, where they go by the time of events."""
    settled = settled_until(posthog, now, config.settle)
    return settled if end is None or end < now - _BY_TIMESTAMP else min(settled, end)


def _groups(days: Sequence[date]) -> list[list[date]]:
    """Days that one question asks for: a late event of a year ago does not make it ask for the year."""
    groups: list[list[date]] = []
    for day in sorted(days):
        if groups and day - groups[-1][-1] <= _ONE_QUESTION:
            groups[-1].append(day)
        else:
            groups.append([day])
    return groups
