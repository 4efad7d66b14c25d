"""Bring days of events from PostHog into the warehouse, and prove that they arrived.

Reads in windows, several in flight; commits as it goes; compares each day with PostHog by its events, and
reads the hours that differ once more, whole. Which days is `planning.py`'s business; client, warehouse
and clock are arguments.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from leadpipe.errors import LeadpipeError
from leadpipe.events import ledger
from leadpipe.events.days import DayState, day_states, record_proof
from leadpipe.events.deletions import follow, unseen
from leadpipe.events.extraction import WindowPages, read_windows
from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.ledger import Run
from leadpipe.events.mapping import versions
from leadpipe.events.mapping.retyping import Retyped, retype_stale
from leadpipe.events.proof import (
    Fingerprint,
    differing_hours,
    of_days,
    of_hours,
    settled_until,
    stored_of_days,
    stored_of_hours,
)
from leadpipe.events.source import SyncConfig, claim_source
from leadpipe.events.windows import EPOCH, Window, plan_windows, start_of
from leadpipe.living import own_folder
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.progress import Progress
from leadpipe.warehouse import Warehouse

_DAY = timedelta(days=1)
_FOLD_ROWS = 50_000  # 100,000 are a fifth faster and take 150 MB more


@dataclass(frozen=True)
class LoadReport:
    """What a load did; `days` has the verdict of every day asked, `mapping` the version they are typed by."""

    ingested: IngestResult = field(default_factory=IngestResult)
    days: dict[date, DayState] = field(default_factory=dict)
    windows: int = 0
    reread_days: tuple[date, ...] = ()
    removed: Mapping[date, int] = field(default_factory=dict)
    retyped: Retyped = field(default_factory=Retyped)
    mapping: str = ""
    calls: CallCounts = field(default_factory=lambda: CallCounts(0, 0, 0))

    @property
    def incomplete_days(self) -> tuple[date, ...]:
        """Days that differ from PostHog even after their differing hours were read whole."""
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
    """Read days, commit them window by window, and compare each with PostHog by its events.

    A day that was read before is read from its watermark less the overlap on; `is_full` reads all of
    it. Of a day that differs afterwards, the hours that differ are read whole. What was committed
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
            versions.adopt(connection, config.mapping, now=started_at)
            states = day_states(connection)
        loader = _Loader(posthog, warehouse, run, config, landing, clock, progress)
        error: str | None = None
        try:
            retyped = retype_stale(warehouse, config.mapping)
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
        removed=report.removed,
        retyped=retyped,
        mapping=config.mapping.version,
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
        names = self.config.selection.events
        until = settled_until(self.posthog, started_at, self.config.settle)
        theirs = of_days(self.posthog, days, events=names, until=until)
        if (known := settled_until(self.posthog, started_at, self.config.settle)) != until:
            until = known  # only its first answer says what time it is there
            theirs = of_days(self.posthog, days, events=names, until=until)
        with self.warehouse.connect() as connection:
            ours = stored_of_days(connection, days, events=names, until=until)
            lacking = versions.lacking(connection, self.config.mapping)
        starts: dict[date, datetime] = {}
        for day in days:
            read_until = states[day].read_until if day in states else None
            starts[day] = (
                EPOCH
                if is_full or read_until is None or day in lacking
                else min(read_until, until) - self.config.overlap
            )
        unread = {
            day: theirs[day].events
            if starts[day] == EPOCH
            else max(theirs[day].events - ours[day].events, 0)
            for day in days
        }
        windows = plan_windows(starts, unread, page_rows=self.config.selection.page_rows)
        whole = {day for day in days if starts[day] == EPOCH}
        report = self.read(windows, unread, theirs, until, whole=whole)
        wrong = [day for day, state in report.days.items() if not state.is_complete]
        if wrong:  # rows that appeared late, behind the watermark or while we read; or were deleted
            report = self._read_what_differs(wrong, report)
        return report

    def _read_what_differs(self, wrong: Sequence[date], report: LoadReport) -> LoadReport:
        """Read the hours that differ whole, or the day where no hour does."""
        names = self.config.selection.events
        until = settled_until(self.posthog, self.clock(), self.config.settle)
        theirs = of_days(self.posthog, wrong, events=names, until=until)
        windows: list[Window] = []
        for day in wrong:
            hours = of_hours(self.posthog, day, events=names, until=until)
            with self.warehouse.connect() as connection:
                stored = stored_of_hours(connection, day, events=names, until=until)
            windows += differing_hours(hours, stored) or [
                Window(start_of(day), start_of(day + _DAY))
            ]
        unread = {day: fingerprint.events for day, fingerprint in theirs.items()}
        gone: dict[date, list[str]] = {}
        again = self.read(windows, unread, theirs, until, gone=gone)
        left = {day: uuids for day, uuids in gone.items() if not again.days[day].is_complete}
        removed: dict[date, int] = {}
        days = dict(again.days)
        if left:
            with self.warehouse.transaction() as connection:
                removed = follow(
                    connection,
                    left,
                    again.days,
                    run_id=self.run.run_id,
                    most_gone=self.config.most_gone,
                    now=self.clock(),
                )
                days |= record_proof(
                    connection,
                    {day: theirs[day] for day in removed},
                    read=removed,
                    events=names,
                    until=until,
                    now=self.clock(),
                )
        return LoadReport(
            ingested=report.ingested + again.ingested,
            days={**report.days, **days},
            windows=report.windows + again.windows,
            reread_days=tuple(wrong),
            removed=removed,
        )

    def read(
        self,
        windows: Sequence[Window],
        unread: Mapping[date, int],
        theirs: Mapping[date, Fingerprint],
        until: datetime,
        *,
        gone: dict[date, list[str]] | None = None,
        whole: Collection[date] = (),
    ) -> LoadReport:
        """Read windows, fold them in, and compare each day of `theirs` as soon as all its windows are in.

        Where the windows are read whole, `gone` is given what is stored in them and was not among it. `whole`
        are the days whose windows cover all of them from the beginning of time.
        """
        missing = {day: sum(day in window.days for window in windows) for day in theirs}
        waiting: list[WindowPages] = []
        report = LoadReport(windows=len(windows))
        rows = 0
        total = sum(unread.values())

        def fold(done: set[date]) -> None:
            nonlocal report, waiting
            pages = [page for part in waiting for page in part.pages]
            with self.warehouse.transaction() as connection:
                ingested = ingest(connection, pages, run_id=self.run.run_id, now=self.clock())
                if gone is not None:
                    for day, uuids in unseen(
                        connection,
                        [part.window for part in waiting],
                        pages,
                        events=self.config.selection.events,
                        until=until,
                    ).items():
                        gone.setdefault(day, []).extend(uuids)
                versions.note_read_whole(connection, done & {*whole}, self.config.mapping)
                verdicts = record_proof(
                    connection,
                    {day: theirs[day] for day in sorted(done)},
                    read=done,
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

        done = {day for day, windows_left in missing.items() if not windows_left}
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
            self.progress(Progress(rows, total, len(report.days) + len(done), len(theirs)))
            if sum(waited.rows for waited in waiting) >= _FOLD_ROWS:
                fold(done)
                done = set()
        if waiting or done:
            fold(done)
        return report
