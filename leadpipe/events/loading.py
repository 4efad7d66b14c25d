"""Bring days of events from PostHog into the warehouse, and prove that they arrived.

Reads in windows, several in flight; commits as it goes; compares each day with PostHog by its events, and
reads the hours that differ once more, whole. Which days is `planning.py`'s business; client, warehouse
and clock are arguments.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb

from leadpipe.errors import PostHogError
from leadpipe.events import hidden_days, ledger, retention
from leadpipe.events.copies import take_copies
from leadpipe.events.days import DayState, day_states, record_proof
from leadpipe.events.deletions import (
    days_with_copies,
    follow,
    forget_copies,
    give_way,
    unseen,
)
from leadpipe.events.exported.downloading import Brought, bring
from leadpipe.events.extraction import WindowPages, read_windows
from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.lanes import LaneChoice, choose_lane
from leadpipe.events.ledger import Run
from leadpipe.events.mapping import versions
from leadpipe.events.mapping.retyping import Retyped, retype_stale
from leadpipe.events.persons import follow_merges
from leadpipe.events.proof import (
    NOTHING,
    Fingerprint,
    differing_hours,
    has_other_copies,
    of_days,
    of_hours,
    settled_until,
    stored_of_days,
    stored_of_hours,
)
from leadpipe.events.recording import on_record
from leadpipe.events.ruling import rule
from leadpipe.events.source import SyncConfig, refuse_another
from leadpipe.events.staging import Staged, stage
from leadpipe.events.unconfirmed import set_aside
from leadpipe.events.windows import EPOCH, Window, plan_windows, start_of
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.progress import Progress
from leadpipe.warehouse import Warehouse, commit_by_one_thread

_DAY = timedelta(days=1)
# A row group, which DuckDB writes at once. Fewer rows are logged first, and compressed with others again: a
# seventh more CPU, and 170 MB more.
_FOLD_ROWS = 122_880


@dataclass(frozen=True)
class LoadReport:
    """What a load did; `days` has the verdict of every day asked that is not frozen by retention.

    `unsent` has the days of which PostHog counts more events than it sent, and how many more; `unconfirmed`
    says how many events were set aside that only a webhook brought. `mapping` is the version that all days
    are typed by, `retyped` what was typed again for it. `lane` is the way that most events were to come, None
    where there was nothing to bring; `brought` what came by file downloads.
    """

    ingested: IngestResult = field(default_factory=IngestResult)
    days: dict[date, DayState] = field(default_factory=dict)
    windows: int = 0
    reread_days: tuple[date, ...] = ()
    removed: Mapping[date, int] = field(default_factory=dict)
    unsent: Mapping[date, int] = field(default_factory=dict)
    unconfirmed: int = 0
    retyped: Retyped = field(default_factory=Retyped)
    mapping: str = ""
    lane: LaneChoice | None = None
    brought: Brought = field(default_factory=Brought)
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
    it. Of a day that differs afterwards, the hours that differ are read whole. Days that are frozen by
    retention are left as they are, see `retention.py`. What was committed
    before an interruption is not read again. Everything is entered in the ledger under `run`.

    Raises:
        PostHogError, WarehouseLocked; the ledger has the run as failed then.
    """
    with on_record(posthog, warehouse, run, config=config, days=days, clock=clock) as record:
        with warehouse.connect() as connection:
            states = day_states(connection)
        loader = _Loader(posthog, warehouse, run, config, record.landing, clock, progress)
        retyped = retype_stale(warehouse, config.mapping)
        report = loader.load(
            sorted(set(days)), states, is_full=is_full, started_at=record.started_at
        )
        with warehouse.writing("door") as connection:
            unconfirmed = set_aside(connection, patience=config.patience, now=clock())
    return replace(
        report,
        unconfirmed=unconfirmed,
        retyped=retyped,
        mapping=config.mapping.version,
        calls=record.calls,
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
        floor = retention.current_floor(self.posthog, self.warehouse, now=started_at)
        days = [day for day in days if not floor.freezes(day)]
        until = settled_until(self.posthog, started_at, self.config.settle)
        theirs = of_days(self.posthog, days, events=names, until=until)
        if (known := settled_until(self.posthog, started_at, self.config.settle)) != until:
            until = known  # only its first answer says what time it is there
            theirs = of_days(self.posthog, days, events=names, until=until)
        with self.warehouse.connect() as connection:
            ours = stored_of_days(connection, days, events=names, until=until)
            refuse_another(
                self.posthog,
                connection,
                states=states,
                theirs=theirs,
                ours=ours,
                config=self.config,
            )
            lacking = versions.lacking(connection, self.config.mapping, days=days)
        floor, doubtful = retention.examine(
            self.posthog,
            self.warehouse,
            theirs,
            ours,
            unread=[day for day in days if day not in states or states[day].read_until is None],
            now=started_at,
        )
        days = [day for day in days if not floor.freezes(day)]
        theirs = {day: theirs[day] for day in days}
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
        # Of a file nobody can tell that it has all events of a day: those that lack properties are read.
        waiting = {day: unread[day] for day in days if unread[day] and day not in lacking}
        lane, brought = self._lane(sum(waiting.values())), Brought()
        if lane is not None and lane.lane == "download":
            brought = self._bring({day: starts[day] for day in waiting}, until, is_again=is_full)
            with self.warehouse.connect() as connection:
                ours = stored_of_days(connection, days, events=names, until=until)
        here = {
            day
            for day in days
            if day not in lacking
            and (not is_full or brought.files)
            and (
                theirs[day] == ours[day]
                or (starts[day] == EPOCH and 2 * ours[day].events >= theirs[day].events > 0)
            )
        }
        starts = {day: start for day, start in starts.items() if day not in here}
        windows = plan_windows(starts, unread, page_rows=self.config.selection.page_rows)
        whole = {day for day in starts if starts[day] == EPOCH}
        unread = {day: unread[day] for day in starts}
        report = self.read(windows, unread, theirs, until, whole=whole, unrecorded=doubtful)
        report = replace(
            report, ingested=brought.ingested + report.ingested, lane=lane, brought=brought
        )
        report = self._settle_copies(report, theirs, until)
        wrong = [day for day, state in report.days.items() if not state.is_complete]
        with self.warehouse.writing("door") as connection:
            hidden_days.reopen(connection, [day for day in report.days if day not in wrong])
        if wrong:  # rows that appeared late, behind the watermark or while we read; or were deleted
            report = self._read_what_differs(wrong, report, started_at)
        return report

    def _lane(self, rows: int) -> LaneChoice | None:
        """By which lane so many rows are to come, kept with the run; None for none."""
        if not rows:
            return None
        lane = choose_lane(
            self.config.lane,
            rows=rows,
            has_bucket=self.config.has_bucket,
            scopes=self.posthog.key_scopes,
        )
        with self.warehouse.writing("door") as connection:
            ledger.note_lane(connection, self.run, lane)
        return lane

    def _bring(
        self, starts: Mapping[date, datetime], until: datetime, *, is_again: bool
    ) -> Brought:
        """Bring days by file downloads; where PostHog does not let us, they are read by query."""
        try:
            return bring(
                self.posthog,
                self.warehouse,
                starts,
                run=self.run,
                config=self.config,
                landing=self.landing,
                until=until,
                is_again=is_again,
                clock=self.clock,
                progress=self.progress,
            )
        except PostHogError as error:
            if self.config.lane == "download":
                raise
            return Brought(failed=(str(error),))

    def _settle_copies(
        self, report: LoadReport, theirs: Mapping[date, Fingerprint], until: datetime
    ) -> LoadReport:
        """Where a day has PostHog's events, but not their copies or persons: see why, without reading it.

        Persons may have been merged since; and of several copies of an event an export has but one.
        """
        if others := self._with_other_copies(report, theirs):
            follow_merges(self.posthog, self.warehouse)
            report = self._proved_again(report, others, until)
        if report.brought.files and (others := self._with_other_copies(report, theirs)):
            copies = take_copies(
                self.posthog,
                self.warehouse,
                others,
                run_id=self.run.run_id,
                config=self.config,
                landing=self.landing,
                clock=self.clock,
            )
            report = replace(report, ingested=report.ingested + copies)
            report = self._proved_again(report, others, until)
        return report

    def _with_other_copies(
        self, report: LoadReport, theirs: Mapping[date, Fingerprint]
    ) -> dict[date, Fingerprint]:
        """The days that have PostHog's events, but not their copies or persons; PostHog's fingerprints."""
        return {
            day: theirs[day]
            for day, state in report.days.items()
            if has_other_copies(theirs[day], state.warehouse or NOTHING)
        }

    def _proved_again(
        self, report: LoadReport, theirs: Mapping[date, Fingerprint], until: datetime
    ) -> LoadReport:
        with self.warehouse.writing("door") as connection:
            days = record_proof(
                connection,
                theirs,
                read=theirs,
                events=self.config.selection.events,
                until=until,
                now=self.clock(),
            )
        return replace(report, days={**report.days, **days})

    def _read_what_differs(
        self, wrong: Sequence[date], report: LoadReport, started_at: datetime
    ) -> LoadReport:
        """Read the hours that differ whole, or the day where no hour does; follow what was deleted."""
        names = self.config.selection.events
        until = settled_until(self.posthog, self.clock(), self.config.settle)
        theirs = of_days(self.posthog, wrong, events=names, until=until)
        windows: list[Window] = []
        with self.warehouse.connect() as connection:
            with_copies = days_with_copies(connection, wrong)
        for day in wrong:
            if day in with_copies:  # of another day's event, which only a whole read can miss
                windows.append(Window(start_of(day), start_of(day + _DAY)))
                continue
            hours = of_hours(self.posthog, day, events=names, until=until)
            with self.warehouse.connect() as connection:
                stored = stored_of_hours(connection, day, events=names, until=until)
            windows += differing_hours(hours, stored) or [
                Window(start_of(day), start_of(day + _DAY))
            ]
        unread = {day: fingerprint.events for day, fingerprint in theirs.items()}
        gone: dict[date, list[str]] = {}
        again = self.read(windows, unread, theirs, until, gone=gone, unrecorded=wrong)
        left = {day: uuids for day, uuids in gone.items() if not again.days[day].is_complete}
        ruling = rule(
            self.posthog,
            self.warehouse,
            left,
            again.days,
            events=names,
            until=until,
            since=started_at,
            now=self.clock(),
        )
        days = dict(again.days)
        with self.warehouse.writing("door") as connection:
            removed = follow(
                connection,
                ruling.gone,
                again.days,
                run_id=self.run.run_id,
                most_gone=self.config.most_gone,
                now=self.clock(),
                spared=ruling.spared,
            )
            hidden_days.hide(connection, ruling.doubtful, looked_at=wrong, now=self.clock())
            # With an event its copies on other days went: their verdicts change, too.
            settled = [day for day in wrong if day in removed or day not in ruling.spared]
            days |= record_proof(
                connection,
                {day: theirs[day] for day in settled},
                read=settled,
                events=names,
                until=until,
                now=self.clock(),
            )
            hidden_days.reopen(connection, [day for day in wrong if days[day].is_complete])
        frozen = {*ruling.spared}
        return replace(
            report,
            ingested=report.ingested + again.ingested,
            days={day: one for day, one in {**report.days, **days}.items() if day not in frozen},
            windows=report.windows + again.windows,
            reread_days=tuple(wrong),
            removed=removed,
            unsent={
                day: fewer
                for day, state in sorted(days.items())
                if (fewer := state.posthog_events - state.warehouse_events) > 0
            },
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
        unrecorded: Collection[date] = (),
    ) -> LoadReport:
        """Read windows, fold them in, and compare each day of `theirs` as soon as all its windows are in.

        Where the windows are read whole, `gone` is given what is stored in them and was not among it. `whole`
        are the days whose windows cover all of them from the beginning of time. The outcome of `unrecorded`
        days is not kept: PostHog may not have shown all of them.
        """
        missing = {day: sum(day in window.days for window in windows) for day in theirs}
        waiting: list[WindowPages] = []
        report = LoadReport(windows=len(windows))
        not_seen = {} if gone is None else gone
        rows = 0
        total = sum(unread.values())

        def fold(done: set[date]) -> None:
            nonlocal report, waiting
            pages = [page for part in waiting for page in part.pages]
            read_whole = [] if gone is None else [part.window for part in waiting]
            staged = stage(pages, self.config.mapping, self.landing)
            for page in pages:
                page.unlink()
            merging = partial(
                self._merge,
                staged=staged,
                read_whole=read_whole,
                theirs={day: theirs[day] for day in sorted(done)},
                whole=(done & {*whole}) - {*unrecorded},
                until=until,
                unrecorded=unrecorded,
            )
            ingested, absent, verdicts = self.warehouse.write("door", merging)
            for day, uuids in absent.items():
                not_seen.setdefault(day, []).extend(uuids)
            if staged:
                staged.file.unlink()
            report = replace(
                report,
                ingested=report.ingested + ingested,
                days={**report.days, **verdicts},
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

    def _merge(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        staged: Staged | None,
        read_whole: Sequence[Window],
        theirs: Mapping[date, Fingerprint],
        whole: Collection[date],
        until: datetime,
        unrecorded: Collection[date],
    ) -> tuple[IngestResult, dict[date, list[str]], dict[date, DayState]]:
        """Fold typed rows in, and compare the days that are read; what they brought, lack, and come to."""
        events = self.config.selection.events
        give_way(connection, read_whole, staged, until=until)
        ingested = ingest(connection, staged, run_id=self.run.run_id, now=self.clock())
        absent = unseen(connection, read_whole, staged, events=events, until=until)
        forget_copies(connection, read_whole, staged)
        versions.note_read_whole(connection, whole, self.config.mapping)
        verdicts = record_proof(
            connection,
            theirs,
            read=theirs,
            events=events,
            until=until,
            now=self.clock(),
            unrecorded=unrecorded,
        )
        commit_by_one_thread(connection)
        return ingested, absent, verdicts
