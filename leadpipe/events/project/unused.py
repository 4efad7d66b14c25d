"""Which events no table uses: looked at once a day, told until they are mapped or dismissed.

What was seen is kept in the warehouse and published, so that the page and `leadpipe check` ask nobody.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from leadpipe.errors import PostHogError, WarehouseLocked
from leadpipe.events import ledger
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.project.asking import ask_names
from leadpipe.events.project.profile import Profile, SeenEvent
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.warehouse import Warehouse

_log = logging.getLogger(__name__)
_DAYS = 7
_EVERY = timedelta(days=1)
_MOST_KEPT = 2_000
_NAMED = 3
_LONGEST_NAME = 60
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Unused:
    """An event that no table uses, and about how many a day come."""

    event: str
    a_day: float


def look_if_due(
    posthog: PostHog, warehouse: Warehouse, *, run_id: str, now: datetime
) -> CallCounts:
    """Ask which events come, if that was not done within a day; the requests, entered under the run.

    What goes wrong here harms no sync: it is logged. What PostHog refuses is asked for again a day later.
    """
    before = posthog.stats.snapshot()
    try:
        _look(posthog, warehouse, run_id, now)
    except WarehouseLocked as error:
        _log.warning("Which events come was not kept: %s", error)
    return posthog.stats.snapshot() - before


def _look(posthog: PostHog, warehouse: Warehouse, run_id: str, now: datetime) -> None:
    with warehouse.connect() as connection:
        last = connection.execute("SELECT max(looked_at) FROM event_looks").fetchone()
    if last and last[0] and last[0] <= now < last[0] + _EVERY:
        return
    before = posthog.stats.snapshot()
    profile = None
    try:
        profile = ask_names(posthog, now=now, days=_DAYS)
    except PostHogError as error:
        _log.warning("Which events come could not be asked: %s", error)
    with warehouse.writing("door") as connection:
        remember(connection, profile, now=now)
        ledger.count_calls(connection, run_id, posthog.stats.snapshot() - before)


def remember(
    connection: duckdb.DuckDBPyConnection, profile: Profile | None, *, now: datetime
) -> None:
    """Keep what was seen in place of what was before, which stays where nothing was; in a transaction."""
    connection.execute("DELETE FROM event_looks")
    connection.execute("INSERT INTO event_looks VALUES (?)", [now])
    if profile is None:
        return
    seen = [one for one in profile.events if not one.is_posthogs_own][:_MOST_KEPT]
    connection.execute("DELETE FROM seen_events")
    connection.execute(
        "INSERT INTO seen_events SELECT unnest($events::VARCHAR[]), unnest($counts::BIGINT[]), "
        "unnest($a_day::DOUBLE[]), unnest($first::TIMESTAMPTZ[]), unnest($last::TIMESTAMPTZ[])",
        {
            "events": [one.name for one in seen],
            "counts": [one.events for one in seen],
            "a_day": [_a_day(one, now) for one in seen],
            "first": [one.first_at for one in seen],
            "last": [one.last_at for one in seen],
        },
    )


def _a_day(one: SeenEvent, now: datetime) -> float:
    """About how many a day, since the first one that was seen."""
    return one.events / max((now - one.first_at).total_seconds() / _DAY_SECONDS, 1.0)


def unused_of(profile: Profile, mapping: EventMapping, *, now: datetime) -> list[Unused]:
    """The events of a profile that a mapping does not name, the most frequent first."""
    return [
        Unused(one.name, _a_day(one, now))
        for one in profile.events
        if not one.is_posthogs_own and one.name not in mapping.events
    ]


def told(unused: Sequence[Unused]) -> str | None:
    """The events in one sentence, the first three by name; None without any."""
    if not unused:
        return None
    named = [f"{_short(one.event)} ({_count(one.a_day)} a day)" for one in unused[:_NAMED]]
    more = len(unused) - len(named)
    if more:
        named.append(f"{more:,} more event{'' if more == 1 else 's'}")
    listed = f"{', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else named[0]
    return f"your project sends {listed}, which no table uses"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _count(a_day: float) -> str:
    return f"{a_day:,.0f}" if a_day >= 1 else "less than 1"


NEXT_STEP = "`leadpipe events suggest` maps them, `leadpipe events dismiss NAME` puts one away"


def not_used(connection: duckdb.DuckDBPyConnection, mapping: EventMapping) -> list[Unused]:
    """What was seen last that a mapping does not name and nobody has dismissed."""
    rows = connection.execute(
        "SELECT event, events_a_day FROM seen_events "
        "WHERE event NOT IN (SELECT event FROM dismissed_events) ORDER BY events DESC, event"
    ).fetchall()
    return [Unused(event, a_day) for event, a_day in rows if event not in mapping.events]


def dismiss(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], *, author: str, now: datetime
) -> None:
    """Tell of these events no more; in a transaction."""
    undo_dismissal(connection, names)
    connection.execute(
        "INSERT INTO dismissed_events SELECT DISTINCT unnest($names::VARCHAR[]), $author, $now",
        {"names": list(names), "author": author, "now": now},
    )


def undo_dismissal(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Tell of these events again."""
    connection.execute(
        "DELETE FROM dismissed_events WHERE event IN (SELECT unnest($names::VARCHAR[]))",
        {"names": list(names)},
    )


def known_names(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The events that were seen last, and those that were dismissed."""
    for (name,) in connection.execute(
        "SELECT event FROM seen_events UNION SELECT event FROM dismissed_events ORDER BY event"
    ).fetchall():
        yield str(name)
