"""Decide which days a sync reads: one cheap question to PostHog, and what earlier runs left open.

Reading the days is `loading.py`'s business; when to plan is `leadpipe/automation.py`'s.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import duckdb

from leadpipe.errors import QueryTooHeavy
from leadpipe.events import hidden_days, ledger, retention
from leadpipe.events.days import day_states, names_key, record_proof
from leadpipe.events.extraction import read_windows, rows_of
from leadpipe.events.ingest import keep_rejected
from leadpipe.events.mapping import versions
from leadpipe.events.mapping.retyping import ChangeCost, cost_of
from leadpipe.events.persons import compare_days
from leadpipe.events.proof import Fingerprint, settled_until
from leadpipe.events.retention import Floor
from leadpipe.events.source import SyncConfig, claim_source, refuse_another
from leadpipe.events.windows import EPOCH, Window, start_of
from leadpipe.living import own_folder, remove_dead
from leadpipe.posthog import PostHog, utc_text
from leadpipe.warehouse import Warehouse, between_databases, read_sql

_DAY = timedelta(days=1)
RECOUNTED = timedelta(days=35)
"""Every plan compares the days of so long ago; `auditing.py` the others."""
STORED_SINCE = """
    SELECT event_date, count(*) FROM raw_events WHERE created_at > ? AND created_at <= ? GROUP BY event_date
"""
_OUTSIDE = "outside"
_T = TypeVar("_T")


@dataclass(frozen=True)
class SyncPlan:
    """Which days a sync reads, each with the reason a person would give, and what a new mapping costs."""

    reasons: dict[date, str]
    events_waiting: int = 0
    outside: int = 0
    change: ChangeCost = field(default_factory=ChangeCost)

    @property
    def days(self) -> tuple[date, ...]:
        """The days, in order."""
        return tuple(sorted(self.reasons))


def plan_sync(
    posthog: PostHog,
    warehouse: Warehouse,
    *,
    config: SyncConfig,
    first_day: date,
    now: datetime,
    is_dry: bool = False,
) -> SyncPlan:
    """Ask PostHog which days have events we do not have, and remember its answer.

    Every plan compares the last 35 days by their events, and with them the days that were last compared
    by other event names. Days never read, days that differ, days that received events since the last
    plan, days of an earlier plan that no run has read yet, days that lack properties which the mapping
    needs, and today are read; days that are frozen by retention are none of these. Takes two queries to
    PostHog, and none before the first load. A dry plan is not remembered.

    Raises:
        PostHogError, WarehouseLocked.
    """
    today = now.astimezone(UTC).date()
    names = config.selection.events
    if not is_dry:
        remove_dead(config.landing)
    with warehouse.writing("door") as connection:
        claim_source(connection, posthog)
        between_databases(connection)
        if not is_dry:
            ledger.mark_interrupted(connection, landing=config.landing, now=now)
        states, asked = day_states(connection), _last_asked(connection, first_day)
    floor = retention.current_floor(posthog, warehouse, now=now, is_dry=is_dry)
    shown = [
        day
        for n in range((today - first_day).days + 1)
        if not floor.freezes(day := first_day + timedelta(days=n))
    ]
    was_read = [day for day in shown if day in states and states[day].read_until is not None]
    reasons = dict.fromkeys(sorted({*shown} - {*was_read}), "never read")
    reasons |= _left_open(warehouse, config, was_read)
    until = settled_until(posthog, now, config.settle)
    theirs: dict[date, Fingerprint] = {}
    changed: dict[date, int] = {}
    outside = 0
    since = min(asked, until) - config.overlap if asked else None
    if since is not None:
        changed, outside = _ask_changed_days(
            posthog,
            warehouse,
            config,
            Window(start_of(first_day), start_of(today + _DAY), since),
            until,
        )
        changed = _visible(changed, floor)
        reasons.update({day: "changed" for day in changed if day not in reasons})
    doubtful: Collection[date] = ()
    compared = [
        day
        for day in was_read
        if day != today and (day >= today - RECOUNTED or states[day].names != names_key(names))
    ]
    if compared:
        until = settled_until(posthog, now, config.settle)
        theirs, ours = compare_days(
            posthog, warehouse, compared, events=names, until=until, is_dry=is_dry
        )
        with warehouse.connect() as connection:
            refuse_another(
                posthog, connection, states=states, theirs=theirs, ours=ours, config=config
            )
        floor, doubtful = retention.examine(
            posthog, warehouse, theirs, ours, now=now, is_dry=is_dry
        )
        theirs, reasons = _visible(theirs, floor), _visible(reasons, floor)
        was_read = [day for day in was_read if not floor.freezes(day)]
        reasons |= {
            day: "differs"
            for day in sorted(theirs)
            if theirs[day] != ours[day] and day not in reasons
        }
    questioned = _questioned(warehouse)
    for day in was_read:
        if day in questioned or (day not in theirs and not states[day].is_complete):
            reasons.setdefault(day, "differs")
    if reasons.get(today) != "never read":
        reasons[today] = "today"
    plan = SyncPlan(dict(sorted(reasons.items())), sum(changed.values()), outside)
    if is_dry:
        return replace(plan, change=_cost(warehouse, config, floor, first_day))
    with warehouse.writing("door") as connection:
        _remember(
            connection,
            changed,
            today=today,
            first_day=first_day,
            since=since or EPOCH,
            until=until,
        )
        proved = {day: found for day, found in theirs.items() if day not in doubtful}
        record_proof(connection, proved, read=(), events=names, until=until, now=now)
        hidden_days.question(connection, doubtful, now=now)
    if outside and since is not None:
        _keep_outside(posthog, warehouse, config, first_day, today, since, now)
    return plan


def _last_asked(connection: duckdb.DuckDBPyConnection, first_day: date) -> datetime | None:
    """Up to when PostHog was asked for changed days since `first_day`: not by plans that began later."""
    found = connection.execute(
        "SELECT max(until) FROM changed_days WHERE coalesce(first_day, $first_day) <= $first_day",
        {"first_day": first_day},
    ).fetchone()
    return found[0] if found else None


def _left_open(warehouse: Warehouse, config: SyncConfig, days: Collection[date]) -> dict[date, str]:
    """Which days earlier plans found changed and no run has read since, and which lack properties."""
    with warehouse.connect() as connection:
        changed = connection.execute(
            "SELECT DISTINCT event_date FROM changed_days JOIN event_days USING (event_date) "
            "WHERE read_until IS NULL OR read_until < until"
        ).fetchall()
        lacking = versions.lacking(connection, config.mapping, days=days)
    reasons = {day: "changed" for (day,) in changed if day in days}
    return reasons | dict.fromkeys(lacking, "lacks properties")


def _cost(warehouse: Warehouse, config: SyncConfig, floor: Floor, first_day: date) -> ChangeCost:
    with warehouse.connect() as connection:
        return cost_of(connection, config.mapping, floor=floor, first_day=first_day)


def _visible(of_days: Mapping[date, _T], floor: Floor) -> dict[date, _T]:
    """Without the days that are frozen by retention."""
    return {day: value for day, value in of_days.items() if not floor.freezes(day)}


def _questioned(warehouse: Warehouse) -> frozenset[date]:
    """Days whose events nobody has looked at since they lost some; known after all was compared."""
    with warehouse.connect() as connection:
        return hidden_days.questioned(connection)


def _remember(
    connection: duckdb.DuckDBPyConnection,
    changed: Mapping[date, int],
    *,
    today: date,
    first_day: date,
    since: datetime,
    until: datetime,
) -> None:
    """Keep which days were found changed, so that none is forgotten if no run follows."""
    connection.executemany(
        "INSERT INTO changed_days VALUES (?, ?, ?, ?, ?)",
        [[day, changed.get(day, 0), since, until, first_day] for day in {*changed, today}],
    )


def _ask_changed_days(
    posthog: PostHog, warehouse: Warehouse, config: SyncConfig, window: Window, until: datetime
) -> tuple[dict[date, int], int]:
    """Days on which PostHog received more events in a span of time than we have from it."""
    values = {
        "events": list(config.selection.events),
        "window_start": utc_text(window.start),
        "window_end": utc_text(window.end),
        "created_after": utc_text(window.created_after),
        "created_until": utc_text(until),
    }
    name = "leadpipe: changed days"
    try:
        rows = posthog.query(
            read_sql("events", "changed_days.hogql"), values=values, name=name
        ).decoded()
    except QueryTooHeavy:  # without the rows outside: PostHog can skip all other months
        rows = _count_days(posthog, values, window, name)
    counts = {str(day): int(str(events)) for day, events in rows}
    outside = counts.pop(_OUTSIDE, 0)
    with warehouse.connect() as connection:
        stored = dict(
            connection.execute(
                STORED_SINCE,
                [window.created_after, until],
            ).fetchall()
        )
    there = {date.fromisoformat(day): events for day, events in counts.items()}
    return (
        {day: new for day, events in there.items() if (new := events - stored.get(day, 0))},
        outside,
    )


def _count_days(
    posthog: PostHog, values: Mapping[str, object], window: Window, name: str
) -> list[list[object]]:
    """The same question for days only, in halves as small as PostHog wants them."""
    rows: list[list[object]] = []
    todo = [window.days]
    while todo:
        days = todo.pop()
        span = {"window_start": start_of(days[0]), "window_end": start_of(days[-1] + _DAY)}
        try:
            rows += posthog.query(
                read_sql("events", "day_counts.hogql"),
                values={**values, **{edge: utc_text(moment) for edge, moment in span.items()}},
                name=name,
            ).decoded()
        except QueryTooHeavy:
            if len(days) == 1:
                raise
            todo += [days[: len(days) // 2], days[len(days) // 2 :]]
    return rows


def _keep_outside(
    posthog: PostHog,
    warehouse: Warehouse,
    config: SyncConfig,
    first_day: date,
    today: date,
    since: datetime,
    now: datetime,
) -> None:
    """Keep events dated before the first day or in the future as rejected, with the reason."""
    windows = [
        Window(datetime(1971, 1, 1, tzinfo=UTC), start_of(first_day), since),
        Window(start_of(today + _DAY), datetime(2200, 1, 1, tzinfo=UTC), since),
    ]
    with own_folder(config.landing, f"{_OUTSIDE}-{now:%Y%m%dT%H%M%S%f}") as landing:
        pages = [
            page
            for part in read_windows(posthog, windows, selection=config.selection, landing=landing)
            for page in part.pages
        ]
        if not pages:  # deleted since they were counted
            return
        with warehouse.writing("door") as connection:
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE outside AS SELECT fields FROM {rows_of(pages)}"
            )
            keep_rejected(
                connection,
                f"SELECT 'timestamp outside the days loaded, {first_day} to today' AS reason, "
                "to_json(fields)::VARCHAR AS content FROM outside",
                run_id="sync plan",
                now=now,
            )
