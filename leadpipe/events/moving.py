"""The same project under another address: proved by its events, as a day is, and recorded.

Which project fills a warehouse is `source.py`'s business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from leadpipe.errors import ConfigurationError
from leadpipe.events.days import DayState, day_states
from leadpipe.events.proof import of_days, settled_until, stored_of_days
from leadpipe.events.source import SyncConfig, is_proved, source_of, span_of
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse

_COMPARED = timedelta(days=35)


@dataclass(frozen=True)
class SourceMove:
    """Another address of the same project, and the days that had the same events there."""

    before: tuple[str, str]
    now: tuple[str, str]
    equal: tuple[date, ...] = ()
    differing: tuple[date, ...] = ()


def move_source(
    posthog: PostHog,
    warehouse: Warehouse,
    *,
    config: SyncConfig,
    author: str,
    although_days_differ: bool = False,
    now: datetime,
) -> SourceMove:
    """Record the client's address as the one of the project that fills the warehouse, once it is proved.

    The days that were proved, of the 35 up to the latest of them, are compared by their events. Where no day
    is proved the days that were read are; of an empty warehouse there is nothing to compare.

    Args:
        posthog: a client of the new address.
        warehouse: whose address it becomes.
        config: which events.
        author: who says so.
        although_days_differ: accept that some days differ; all of them only where none is proved.
        now: when (UTC).

    Raises:
        ConfigurationError: no project fills the warehouse yet, or the days differ.
        PostHogError, WarehouseLocked.
    """
    with warehouse.connect() as connection:
        known = source_of(connection)
        states = day_states(connection)
    if known is None:
        raise ConfigurationError(
            "This warehouse belongs to no project yet; the first `leadpipe sync` says which it is."
        )
    here = (posthog.host, posthog.project_id)
    if known == here:
        return SourceMove(known, here)
    proved = [day for day, state in states.items() if is_proved(state, config)]
    read = proved or [day for day, state in states.items() if state.read_until is not None]
    days = [day for day in sorted(read) if day > max(read) - _COMPARED]
    equal, differing = _compare(posthog, warehouse, days, states, config=config, now=now)
    may_differ = although_days_differ and (equal or not proved)
    if differing and not may_differ:
        raise ConfigurationError(_refusal(known, here, equal, differing, has_proved=bool(proved)))
    with warehouse.writing("door") as connection:
        connection.execute("UPDATE sources SET host = ?, project_id = ?", [*here])
        connection.execute(
            "INSERT INTO source_moves VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [*known, *here, len(equal), len(differing), author, now],
        )
    return SourceMove(known, here, tuple(equal), tuple(differing))


def _compare(
    posthog: PostHog,
    warehouse: Warehouse,
    days: Sequence[date],
    states: Mapping[date, DayState],
    *,
    config: SyncConfig,
    now: datetime,
) -> tuple[list[date], list[date]]:
    """Days with events here: those that are the same there, and those that are not.

    First as they are now; where that differs, as they were when they were read: events have come since.
    """
    names = config.selection.events
    equal: list[date] = []
    left = list(days)
    for is_again in (False, True):
        if not left:
            break
        until = settled_until(posthog, now, config.settle)
        if is_again:
            until = min(state.read_until or until for day in left for state in [states[day]])
        theirs = of_days(posthog, left, events=names, until=until)
        with warehouse.connect() as connection:
            ours = stored_of_days(connection, left, events=names, until=until)
        if not is_again:
            left = [day for day in left if ours[day].events]
        same = [
            day for day in left if ours[day].events and ours[day].has_the_events_of(theirs[day])
        ]
        equal += same
        left = [day for day in left if day not in same]
    return sorted(equal), left


def _refusal(
    known: tuple[str, str],
    here: tuple[str, str],
    equal: Sequence[date],
    differing: Sequence[date],
    *,
    has_proved: bool,
) -> str:
    compared = len(equal) + len(differing)
    there = f"project {here[1]} of {here[0]}"
    if not equal and has_proved:
        return (
            f"Nothing was recorded: none of {compared} days ({span_of(differing)}) has the same events in "
            f"{there} as here, so it is not project {known[1]} of {known[0]}. Give it its own "
            "LEADPIPE_DATA_DIR."
        )
    why = (
        "Events that came late or were deleted since the last sync can be why, or a copy of the project"
        if equal
        else "No day of this warehouse is proved, so that it may lack events itself"
    )
    return (
        f"Nothing was recorded: {len(differing)} of {compared} days differ in {there} "
        f"({span_of(differing)}). {why}. If you know that it is the same project, add "
        "--although-days-differ; the next sync reads what differs."
    )
