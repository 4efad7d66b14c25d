"""Bring days of events from PostHog into the warehouse, and prove that they arrived.

Reads in windows, several in flight; commits as it goes; compares each day with PostHog's own count and
reads a day that differs once more in full. Which days is `planning.py`'s business; client, warehouse
and clock are arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from leadpipe.errors import LeadpipeError, QueryTooHeavy
from leadpipe.events import days as day_table
from leadpipe.events import ledger
from leadpipe.events.days import DayState
from leadpipe.events.extraction import WindowPages, read_windows
from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.ledger import Run
from leadpipe.events.source import SyncConfig, claim_source
from leadpipe.events.windows import EPOCH, Window, plan_windows, start_of
from leadpipe.living import own_folder
from leadpipe.posthog import CallCounts, PostHog, utc_text
from leadpipe.progress import Progress
from leadpipe.warehouse import Warehouse, read_sql

_DAY = timedelta(days=1)
_FOLD_ROWS = 50_000  # 100,000 are a fifth faster and take 150 MB more


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
    with own_folder(config.landing, run.run_id) as landing:
        with warehouse.transaction() as connection:
            claim_source(connection, posthog)
            ledger.mark_interrupted(connection, landing=config.landing, now=started_at)
            ledger.begin_run(connection, run, days=days, now=started_at)
            states = day_table.day_states(connection)
        loader = _Loader(posthog, warehouse, run, config, landing, clock, progress)
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


@dataclass
class _Loader:
    """One call of `load_days`; holds what its steps share."""

    posthog: PostHog
    warehouse: Warehouse
    run: Run
    config: SyncConfig
    landing: Path
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
            landing=self.landing,
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
