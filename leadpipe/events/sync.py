"""Bring days of events from PostHog into the warehouse, and prove that they arrived.

`plan_sync` asks which days need a read; `load_days` reads them, commits window by window and compares
each day with PostHog's own count. Both take their client, warehouse and clock as arguments. When they
run is Dagster's business (`assets.py`, `leadpipe/automation.py`).
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from leadpipe.errors import ConfigurationError, LeadpipeError, QueryTooHeavy
from leadpipe.events import days as day_table
from leadpipe.events import ledger
from leadpipe.events.days import DayState
from leadpipe.events.extraction import Selection, WindowPages, read_windows, utc_text
from leadpipe.events.ingest import IngestResult, ingest, keep_rejected
from leadpipe.events.ledger import Run
from leadpipe.events.windows import EPOCH, Window, plan_windows, start_of
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.warehouse import Warehouse, read_sql

_DAY = timedelta(days=1)
_FOLD_ROWS = 100_000
_OUTSIDE = "outside"


@dataclass(frozen=True)
class SyncConfig:
    """How to read; see the settings of the same names for units and consequences."""

    selection: Selection
    landing: Path
    settle: timedelta = timedelta(minutes=2)
    overlap: timedelta = timedelta(hours=1)
    workers: int = 3


@dataclass(frozen=True)
class SyncPlan:
    """Which days a sync reads, each with the reason a person would give."""

    reasons: dict[date, str]
    events_waiting: int = 0
    outside: int = 0

    @property
    def days(self) -> tuple[date, ...]:
        """The days, in order."""
        return tuple(sorted(self.reasons))


@dataclass(frozen=True)
class Progress:
    """How far a load is: rows fetched so far of about `expected`, days done of all."""

    rows: int
    expected: int
    days_done: int
    days: int


@dataclass(frozen=True)
class LoadReport:
    """What a load did; `days` has the verdict of every day asked."""

    ingested: IngestResult = field(default_factory=IngestResult)
    days: dict[date, DayState] = field(default_factory=dict)
    windows: int = 0
    reread_days: tuple[date, ...] = ()
    calls: CallCounts = field(default_factory=lambda: CallCounts(0, 0, 0))

    @property
    def incomplete_days(self) -> tuple[date, ...]:
        """Days whose count differs from PostHog's even after a second, full read."""
        return tuple(day for day, state in sorted(self.days.items()) if not state.is_complete)


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

    Days never read, days found incomplete, days of an earlier answer that no run has read yet and
    today belong to the plan as well. Takes one query to PostHog, and none before the first load.
    A dry plan is not remembered.

    Raises:
        PostHogError, WarehouseLocked.
    """
    today = now.astimezone(UTC).date()
    until = now - config.settle
    with warehouse.connect() as connection:
        _claim_source(connection, posthog)
        states = day_table.day_states(connection)
        asked = connection.execute("SELECT max(until) FROM changed_days").fetchone()
        pending = connection.execute(
            "SELECT event_date FROM changed_days JOIN event_days USING (event_date) "
            "WHERE read_until IS NULL OR read_until < until"
        ).fetchall()
    reasons = {
        day: "never read"
        for offset in range((today - first_day).days + 1)
        if (day := first_day + timedelta(days=offset)) not in states
        or states[day].read_until is None
    }
    for day, state in states.items():
        if first_day <= day <= today and (state.warehouse_events or 0) < (
            state.posthog_events or 0
        ):
            reasons.setdefault(day, "incomplete")
    reasons.update({day: "changed" for (day,) in pending if day not in reasons})
    since = asked[0] - config.overlap if asked and asked[0] else None
    changed: dict[date, int] = {}
    outside = 0
    if since is not None:
        changed, outside = _ask_changed_days(
            posthog,
            warehouse,
            config,
            Window(start_of(first_day), start_of(today + _DAY), since),
            until,
        )
        reasons.update({day: "changed" for day in changed if day not in reasons})
    if reasons.get(today) != "never read":
        reasons[today] = "today"
    plan = SyncPlan(dict(sorted(reasons.items())), sum(changed.values()), outside)
    if is_dry:
        return plan
    with warehouse.transaction() as connection:
        connection.executemany(
            "INSERT INTO changed_days VALUES (?, ?, ?, ?)",
            [[day, changed.get(day, 0), since or EPOCH, until] for day in {*changed, today}],
        )
    if outside and since is not None:
        _keep_outside(posthog, warehouse, config, first_day, today, since, now)
    return plan


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
        rows = posthog.query(
            read_sql("events", "day_counts.hogql"), values=values, name=name
        ).decoded()
    counts = {str(day): int(str(events)) for day, events in rows}
    outside = counts.pop(_OUTSIDE, 0)
    with warehouse.connect() as connection:
        stored = dict(
            connection.execute(
                "SELECT event_date, count(*) FROM raw_events "
                "WHERE created_at > ? AND created_at <= ? GROUP BY event_date",
                [window.created_after, until],
            ).fetchall()
        )
    there = {date.fromisoformat(day): events for day, events in counts.items()}
    return (
        {day: new for day, events in there.items() if (new := events - stored.get(day, 0))},
        outside,
    )


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
    landing = config.landing / f"outside-{now:%Y%m%dT%H%M%S%f}"
    windows = [
        Window(datetime(1971, 1, 1, tzinfo=UTC), start_of(first_day), since),
        Window(start_of(today + _DAY), datetime(2200, 1, 1, tzinfo=UTC), since),
    ]
    try:
        pages = [
            str(page)
            for part in read_windows(posthog, windows, selection=config.selection, landing=landing)
            for page in part.pages
        ]
        with warehouse.transaction() as connection:
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE outside AS SELECT fields FROM read_json(?, "
                "format = 'newline_delimited', records = false, columns = {fields: 'VARCHAR[]'})",
                [pages],
            )
            keep_rejected(
                connection,
                f"SELECT 'timestamp outside the days loaded, {first_day} to today' AS reason, "
                "to_json(fields)::VARCHAR AS content FROM outside",
                run_id="sync plan",
                now=now,
            )
    finally:
        shutil.rmtree(landing, ignore_errors=True)


def load_days(
    posthog: PostHog,
    warehouse: Warehouse,
    days: Sequence[date],
    *,
    run: Run,
    config: SyncConfig,
    is_full: bool = False,
    clock: Callable[[], datetime],
    progress: Callable[[Progress], None] = lambda _: None,
) -> LoadReport:
    """Read days, commit them window by window, and check each against PostHog's own count.

    A day that was read before is read from its watermark less the overlap on; `is_full` reads all of
    it. A day whose count does not match afterwards is read once more in full. What was committed
    before an interruption is not read again. Everything is entered in the ledger under `run`.

    Raises:
        PostHogError, WarehouseLocked; the ledger has the run as failed then.
    """
    before = posthog.stats.snapshot()
    started_at = clock()
    with warehouse.transaction() as connection:
        _claim_source(connection, posthog)
        interrupted = ledger.begin_run(connection, run, days=days, now=started_at)
        states = day_table.day_states(connection)
    for run_id in interrupted:
        shutil.rmtree(config.landing / run_id, ignore_errors=True)
    loader = _Loader(posthog, warehouse, run, config, clock, progress)
    error: str | None = None
    try:
        report = loader.load(sorted(set(days)), states, is_full=is_full, started_at=started_at)
    except LeadpipeError as failure:
        error = str(failure)
        raise
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        shutil.rmtree(config.landing / run.run_id, ignore_errors=True)
        calls = posthog.stats.snapshot() - before
        with warehouse.transaction() as connection:
            ledger.finish_run(connection, run, calls=calls, now=clock(), error=error)
    return LoadReport(
        ingested=report.ingested,
        days=report.days,
        windows=report.windows,
        reread_days=report.reread_days,
        calls=calls,
    )


def _claim_source(connection: duckdb.DuckDBPyConnection, posthog: PostHog) -> None:
    """A warehouse holds one project; refuse to mix in another."""
    known = connection.execute("SELECT host, project_id FROM sources").fetchone()
    if known is None:
        connection.execute("INSERT INTO sources VALUES (?, ?)", [posthog.host, posthog.project_id])
    elif known != (posthog.host, posthog.project_id):
        raise ConfigurationError(
            f"This warehouse holds project {known[1]} of {known[0]}, but POSTHOG_PROJECT_ID and "
            f"POSTHOG_BASE_URL name project {posthog.project_id} of {posthog.host}. Set "
            "LEADPIPE_DATA_DIR to another folder, or remove this one (`make clean`) if it was a trial."
        )


@dataclass
class _Loader:
    """One call of `load_days`; holds what its steps share."""

    posthog: PostHog
    warehouse: Warehouse
    run: Run
    config: SyncConfig
    clock: Callable[[], datetime]
    progress: Callable[[Progress], None]

    def load(
        self,
        days: Sequence[date],
        states: Mapping[date, DayState],
        *,
        is_full: bool,
        started_at: datetime,
    ) -> LoadReport:
        until = started_at - self.config.settle
        expected = self.day_counts(days, until)
        with self.warehouse.connect() as connection:
            stored = day_table.stored_counts(
                connection, days, events=self.config.selection.events, until=until
            )
        known = {d: s.read_until for d in days if (s := states.get(d)) and s.read_until}
        starts: dict[date, datetime] = {}
        for day in days:
            read_until = known.get(day)
            if is_full or read_until is None:
                starts[day] = EPOCH
            elif expected[day] != stored.get(day, 0) or start_of(day + _DAY) > until:
                starts[day] = read_until - self.config.overlap
        unread = {
            day: count if starts.get(day) == EPOCH else max(count - stored.get(day, 0), 0)
            for day, count in expected.items()
        }
        report = self.read(
            starts, unread, expected, until, skipped=frozenset(set(days) - set(starts))
        )
        wrong = [day for day, state in report.days.items() if not state.is_complete]
        if wrong:  # rows that appeared late, behind the watermark or while we read
            until = self.clock() - self.config.settle
            expected = self.day_counts(wrong, until)
            again = self.read(dict.fromkeys(wrong, EPOCH), expected, expected, until)
            report = LoadReport(
                ingested=report.ingested + again.ingested,
                days={**report.days, **again.days},
                windows=report.windows + again.windows,
                reread_days=tuple(wrong),
            )
        return report

    def day_counts(self, days: Sequence[date], until: datetime) -> dict[date, int]:
        """PostHog's own count of each day, of what it had received by `until`."""
        if not days:
            return {}
        counts = dict.fromkeys(days, 0)
        todo = [Window(start_of(min(days)), start_of(max(days) + _DAY))]
        while todo:
            window = todo.pop()
            try:
                rows = self.posthog.query(
                    read_sql("events", "day_counts.hogql"),
                    values={
                        "events": list(self.config.selection.events),
                        "window_start": utc_text(window.start),
                        "window_end": utc_text(window.end),
                        "created_after": utc_text(EPOCH),
                        "created_until": utc_text(until),
                    },
                    name=f"leadpipe: events per day from {window.start:%Y-%m-%d}",
                ).decoded()
            except QueryTooHeavy:
                if len(window.days) == 1:
                    raise
                middle = start_of(window.days[len(window.days) // 2])
                todo += [Window(window.start, middle), Window(middle, window.end)]
                continue
            for day, events in rows:
                if (known := date.fromisoformat(str(day))) in counts:
                    counts[known] = int(str(events))
        return counts

    def read(
        self,
        starts: Mapping[date, datetime],
        unread: Mapping[date, int],
        expected: Mapping[date, int],
        until: datetime,
        skipped: frozenset[date] = frozenset(),
    ) -> LoadReport:
        """Read the days of `starts`, fold them in, and check them and the `skipped` ones."""
        windows = plan_windows(starts, unread, page_rows=self.config.selection.page_rows)
        missing = {day: sum(day in window.days for window in windows) for day in starts}
        waiting: list[WindowPages] = []
        report = LoadReport(windows=len(windows))
        rows = 0
        total = sum(unread.get(day, 0) for day in starts)

        def fold(done: set[date]) -> None:
            nonlocal report, waiting
            pages = [page for part in waiting for page in part.pages]
            with self.warehouse.transaction() as connection:
                ingested = ingest(connection, pages, run_id=self.run.run_id, now=self.clock())
                verdicts = day_table.record_read(
                    connection,
                    {day: expected[day] for day in sorted(done)},
                    events=self.config.selection.events,
                    until=until,
                    now=self.clock(),
                )
            for page in pages:
                page.unlink()
            report = LoadReport(
                ingested=report.ingested + ingested,
                days={**report.days, **verdicts},
                windows=report.windows,
            )
            waiting = []

        done: set[date] = set(skipped)
        for part in read_windows(
            self.posthog,
            windows,
            selection=self.config.selection,
            landing=self.config.landing / self.run.run_id,
            workers=self.config.workers,
        ):
            waiting.append(part)
            rows += part.rows
            for day in part.window.days:
                missing[day] -= 1
                if not missing[day]:
                    done.add(day)
            self.progress(Progress(rows, total, len(report.days) + len(done), len(expected)))
            if sum(waited.rows for waited in waiting) >= _FOLD_ROWS:
                fold(done)
                done = set()
        if waiting or done:
            fold(done)
        return report
