"""The download lane: PostHog exports spans of received time to files, and the door takes them in.

A few exports at once, as many as PostHog allows; a file is fetched while another is typed, and a third is
merged. What was asked for is noted in `file_downloads`, so that a run that was killed is gone on with. A span
that cannot be had this way is told, and its events are read by query: the proof of the days decides, not this
module.
"""

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from leadpipe import tracing
from leadpipe.errors import (
    ExportCancelled,
    ExportFailed,
    ExportFailedForNow,
    ExportGone,
    ExportNotReady,
    ExportTimedOut,
    ExportUncertain,
    FileNotWhole,
    LeadpipeError,
    PostHogUnavailable,
    QueryTooHeavy,
    TooManyExports,
)
from leadpipe.events.exported import asked
from leadpipe.events.exported.asked import Asked
from leadpipe.events.exported.folding import StagedFile, TakenIn, merge_files, stage_file
from leadpipe.events.exported.rows import LoadedDays
from leadpipe.events.exported.spans import Span, plan_spans
from leadpipe.events.ingest import IngestResult
from leadpipe.events.ledger import Run
from leadpipe.events.source import SyncConfig
from leadpipe.events.windows import start_of
from leadpipe.posthog import PostHog, utc_text
from leadpipe.posthog.download_files import fetch, span_of
from leadpipe.posthog.downloads import (
    ExportState,
    Next,
    Wanted,
    cancel,
    create,
    look,
    newest,
    watch,
)
from leadpipe.progress import Progress
from leadpipe.warehouse import Warehouse, read_sql

_DAY = timedelta(days=1)
_AT_ONCE = 3
_FILE_MB = 128
_ATTEMPTS = 3
_EXPORT_SECONDS = 3600.0
_CROWDED_SECONDS = 900.0
_LOOK_SECONDS = 5.0
_FILES_WAITING = 1  # typed, which takes more of the disk; beside it one is merged, and one typed
_PUT_SECONDS = 0.5
_PASSING = (
    ExportFailedForNow,
    ExportGone,
    ExportNotReady,
    ExportTimedOut,
    ExportUncertain,
    FileNotWhole,
)
_OF_A_SPAN = (PostHogUnavailable, ExportFailed, ExportCancelled)
"""What a span ends with that others need not; anything else ends them all."""


@dataclass(frozen=True)
class Brought:
    """What downloads brought.

    Args:
        ingested: as the door counted it.
        spans: that were asked for.
        files: that were taken in.
        failed: why spans were not brought, a line each; their events are to be read by query.
    """

    ingested: IngestResult = field(default_factory=IngestResult)
    spans: int = 0
    files: int = 0
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Arrival:
    """A file of an export, typed, or none if it had no rows; `files` and `rows` are the export's."""

    asked: Asked
    staged: StagedFile | None
    is_last: bool
    files: int
    rows: int


@dataclass(frozen=True)
class _SpanOver:
    """Everything of a span has arrived, unless there was a failure."""

    failure: BaseException | None = None


def bring(
    posthog: PostHog,
    warehouse: Warehouse,
    starts: Mapping[date, datetime],
    *,
    run: Run,
    config: SyncConfig,
    landing: Path,
    until: datetime,
    is_again: bool = False,
    clock: Callable[[], datetime],
    progress: Callable[[Progress], None] = lambda _: None,
) -> Brought:
    """Bring what PostHog received of some days by file downloads.

    Args:
        posthog: the client; its key has the scopes `batch_export:read` and `:write`.
        warehouse: where to.
        starts: the days, each with the moment after which its events are wanted.
        run: stamped on what is new; in `runs`.
        config: which events, and what they mean.
        landing: a folder of this run's own.
        until: what PostHog received later is not wanted.
        is_again: bring also what was brought lately.
        clock: gives UTC.
        progress: told after every file.

    Raises:
        PostHogError: it does not take exports at all, or no more; what came so far is in.
        DiskFull, WarehouseLocked: likewise.
    """
    received = _received(posthog, starts, events=config.selection.events, until=until)
    now = clock()

    def is_alive(attempt: str) -> bool:
        return attempt != run.attempt and warehouse.is_alive(config.landing, attempt)

    _find_unanswered(posthog, warehouse, is_alive)
    with warehouse.connect() as connection:
        useful, useless = asked.left_behind(
            connection, mapping=config.mapping.version, is_alive=is_alive, now=now
        )
        done = (
            () if is_again else asked.brought(connection, mapping=config.mapping.version, now=now)
        )
    wanted = plan_spans(received, until=until, brought=done)
    useful, others = (
        [one for one in useful if any(_meet(one.span, span) for span in wanted)],
        [one for one in useful if not any(_meet(one.span, span) for span in wanted)],
    )
    bringing = _Bringing(posthog, warehouse, run, config, landing, clock)
    bringing.give_up([*useless, *others])
    spans = plan_spans(received, until=until, brought=[*done, *(one.span for one in useful)])
    return bringing.bring(useful, spans, progress)


def _find_unanswered(
    posthog: PostHog, warehouse: Warehouse, is_alive: Callable[[str], bool]
) -> None:
    """Find exports again of which a kill kept back PostHog's answer, or forget that they were asked for."""
    with warehouse.connect() as connection:
        intents = asked.unanswered(connection, is_alive=is_alive)
        known = asked.known_ids(connection) if intents else set()
    if not intents:
        return
    listed = [export_id for export_id, _ in newest(posthog)]
    for intent in intents:
        candidates = [one for one in listed if one not in known and intent.may_be(one)]
        found = _of_span(posthog, candidates, intent.span)
        known |= {found} if found else set()
        with warehouse.writing("door") as connection:
            asked.note_answer(connection, intent, found)


def _of_span(posthog: PostHog, export_ids: Sequence[str], span: Span) -> str | None:
    """The export of a span. One that runs cannot tell: alone it is believed, and checked later."""
    running = []
    for export_id in export_ids:
        state = look(posthog, export_id)
        if state.next is Next.WAIT:
            running.append(export_id)
        elif state.next is Next.FETCH and state.files:
            with suppress(ExportGone):
                if span_of(posthog, export_id, state.files[0]) == (span.start, span.end):
                    return export_id
    return running[0] if len(running) == 1 else None


def _meet(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _received(
    posthog: PostHog,
    starts: Mapping[date, datetime],
    *,
    events: Sequence[str],
    until: datetime,
) -> dict[datetime, int]:
    """How many events of days PostHog received in each hour; asked in halves where that is too heavy."""
    found: dict[datetime, int] = {}
    todo = [tuple(sorted(starts))] if starts else []
    while todo:
        days = todo.pop()
        values = {
            "events": list(events),
            "window_start": utc_text(start_of(days[0])),
            "window_end": utc_text(start_of(days[-1] + _DAY)),
            "created_after": utc_text(min(starts[day] for day in days)),
            "created_until": utc_text(until),
        }
        try:
            rows = posthog.query(
                read_sql("events", "exported/received.hogql"),
                values=values,
                name="leadpipe: received hours",
            ).decoded()
        except QueryTooHeavy:
            if len(days) == 1:
                raise
            todo += [days[: len(days) // 2], days[len(days) // 2 :]]
            continue
        for hour, count in rows:
            at = datetime.strptime(str(hour), "%Y-%m-%d %H").replace(tzinfo=UTC)
            found[at] = found.get(at, 0) + int(str(count))
    return found


class _Over(Exception):  # noqa: N818 - no error
    """Somebody else failed: stop."""


class _Places:
    """How many exports run at once: as many as we want, until PostHog says that they are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0
        self._changed = threading.Condition()

    @contextmanager
    def one(self, over: threading.Event) -> Iterator[None]:
        """Wait for a place, and hold it."""
        with self._changed:
            while self._running >= self._most and not over.is_set():
                self._changed.wait(_LOOK_SECONDS)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def refused(self) -> bool:
        """There were too many; whether others of ours run, so that waiting for them helps."""
        with self._changed:
            self._most = max(1, min(self._most, self._running - 1))
            return self._running > 1


@dataclass
class _Bringing:
    """One call of `bring`; holds what its threads share."""

    posthog: PostHog
    warehouse: Warehouse
    run: Run
    config: SyncConfig
    landing: Path
    clock: Callable[[], datetime]
    places: _Places = field(default_factory=lambda: _Places(_AT_ONCE))
    arrivals: "queue.Queue[_Arrival | _SpanOver]" = field(
        default_factory=lambda: queue.Queue(_FILES_WAITING)
    )
    over: threading.Event = field(default_factory=threading.Event)
    opening: threading.Lock = field(default_factory=threading.Lock)
    """Held by whichever thread has the warehouse open: DuckDB lets one open a file at a time."""
    typing: threading.Lock = field(default_factory=threading.Lock)
    """Held by whichever thread types a file, until that waits to be merged: memory and disk are for one."""

    def give_up(self, exports: Collection[Asked]) -> None:
        """Cancel what nobody wants any more."""
        for one in exports:
            cancel(self.posthog, one.export_id)
            self._note_ended(one, "cancelled", "no longer wanted")

    def bring(
        self, exports: Sequence[Asked], spans: Sequence[Span], progress: Callable[[Progress], None]
    ) -> Brought:
        """Export, fetch and take in spans; exports that were asked for are gone on with."""
        jobs = [*((one.span, one) for one in exports), *((span, None) for span in spans)]
        expected = sum(span.rows for span, _ in jobs)
        ingested, files, over = IngestResult(), 0, 0
        failed: list[str] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="download") as pool:
            for span, export in jobs:
                pool.submit(tracing.carried(self._bring_span), span, export)
            try:
                while over < len(jobs):
                    arrival = self.arrivals.get()
                    if isinstance(arrival, _SpanOver):
                        over += 1
                        if arrival.failure is not None:
                            if not isinstance(arrival.failure, _OF_A_SPAN):
                                raise arrival.failure
                            failed.append(str(arrival.failure))
                    elif arrival.staged is None:
                        self._note_ended(arrival.asked, "taken in")
                    else:
                        with self.opening:
                            ingested += self._merge(arrival, arrival.staged)
                        files += 1
                    steps = f"exports: {over} of {len(jobs)}, {files} files"
                    progress(Progress(ingested.fetched, expected, 0, 0, steps))
            finally:
                self.over.set()
                pool.shutdown(wait=True, cancel_futures=True)
        return Brought(ingested, len(jobs), files, tuple(failed))

    def _merge(self, arrival: _Arrival, staged: StagedFile) -> IngestResult:
        """Merge a file; with the last one of an export it is kept that all of it is there."""

        def note(connection: duckdb.DuckDBPyConnection, taken: TakenIn) -> None:
            if not taken.is_whole:
                return
            asked.note_ended(
                connection,
                arrival.asked.export_id,
                "taken in",
                now=self.clock(),
                files=arrival.files,
                rows=arrival.rows,
            )

        noted = note if arrival.is_last else None
        (taken,) = merge_files(
            self.warehouse, [(staged, noted)], run_id=self.run.run_id, clock=self.clock
        )
        return taken

    def _bring_span(self, span: Span, export: Asked | None) -> None:
        """In a thread of its own: have a span exported and its files fetched; says when that is over."""
        failure: BaseException | None = None
        try:
            with self.places.one(self.over):
                self._export(span, export)
        except _Over:
            return
        except BaseException as error:  # noqa: BLE001 - raised by whoever takes the arrivals
            failure = error
        with suppress(_Over):
            self._put(_SpanOver(failure))

    def _export(self, span: Span, export: Asked | None) -> None:
        failure: LeadpipeError | None = None
        for _ in range(_ATTEMPTS):
            export = export or self._ask(span)
            try:
                self._fetch(export)
            except _PASSING as error:
                failure = error
                if isinstance(error, ExportNotReady):
                    cancel(self.posthog, export.export_id)
            except LeadpipeError as error:
                self._note_ended(export, "failed", str(error))
                raise
            else:
                return
            self._note_ended(export, "failed", str(failure))
            halves = span.halves() if isinstance(failure, ExportTimedOut | ExportNotReady) else ()
            if halves:
                for half in halves:
                    self._export(half, None)
                return
            export = None
        if failure is not None:
            raise failure

    def _ask(self, span: Span) -> Asked:
        """Have an export made, once there is room for it, and keep that it was asked for."""
        wanted = Wanted(
            span.start, span.end, events=self.config.selection.events, max_size_mb=_FILE_MB
        )
        waited = 0.0
        while True:
            try:
                with self.opening:  # so that nothing lies between asking and remembering it
                    return self._asked(wanted, span)
            except TooManyExports:
                if not self.places.refused():
                    waited += _LOOK_SECONDS
                if waited > _CROWDED_SECONDS:
                    raise
            self._pause(_LOOK_SECONDS)

    def _asked(self, wanted: Wanted, span: Span) -> Asked:
        with self.warehouse.writing("door") as connection:
            intent = asked.note_intent(
                connection,
                span,
                mapping=self.config.mapping.version,
                run=self.run,
                now=self.clock(),
            )
        try:
            export_id = create(self.posthog, wanted, sleep=self._pause).id
        except LeadpipeError:  # whatever else ends it, the next run looks whether it was made
            self._note_answer(intent, None)
            raise
        self._note_answer(intent, export_id)
        return Asked(export_id, span)

    def _note_answer(self, intent: asked.Intent, export_id: str | None) -> None:
        with self.warehouse.writing("door") as connection:
            asked.note_answer(connection, intent, export_id)

    def _fetch(self, export: Asked) -> None:
        """Wait for an export, and bring its files to disk one by one."""
        ends = watch(
            self.posthog, [export.export_id], deadline_seconds=_EXPORT_SECONDS, sleep=self._pause
        )
        for state in ends:
            state.raise_if_over()
            if not state.files:
                self._put(_Arrival(export, None, is_last=True, files=0, rows=0))
            else:
                self._check_span(export, state.files[0])
            for number, file_id in enumerate(state.files, start=1):
                self._fetch_file(export, state, number, file_id)

    def _fetch_file(self, export: Asked, state: ExportState, number: int, file_id: str) -> None:
        """Bring a file to disk, type it, and let it wait to be merged; what cannot be typed ends them all."""
        path = self.landing / f"{export.export_id}-{number:04d}.parquet"
        fetch(self.posthog, export.export_id, file_id, path, sleep=self._pause)
        with self.typing:
            try:
                if self.over.is_set():
                    raise _Over
                staged = stage_file(
                    path,
                    name=f"a file of {export.span}",
                    mapping=self.config.mapping,
                    days=LoadedDays(self.config.first_day, self.clock().astimezone(UTC).date()),
                    folder=self.landing,
                )
            except LeadpipeError as failure:
                self._put(_SpanOver(failure))
                raise _Over from None
            finally:
                path.unlink(missing_ok=True)
            is_last = number == len(state.files)
            self._put(_Arrival(export, staged, is_last, len(state.files), state.rows or 0))

    def _check_span(self, export: Asked, file_id: str) -> None:
        """Refuse an export that is not what was asked for: after a lost answer it was only taken for ours."""
        found = span_of(self.posthog, export.export_id, file_id)
        if found not in (None, (export.span.start, export.span.end)):
            raise ExportUncertain(
                f"PostHog's export {export.export_id} is not of {export.span}: it is somebody else's.",
                export_ids=(export.export_id,),
            )

    def _note_ended(self, export: Asked, state: asked.Ending, reason: str | None = None) -> None:
        with self.opening, self.warehouse.writing("door") as connection:
            asked.note_ended(connection, export.export_id, state, now=self.clock(), reason=reason)

    def _put(self, arrival: _Arrival | _SpanOver) -> None:
        while True:
            if self.over.is_set():
                raise _Over
            with suppress(queue.Full):
                self.arrivals.put(arrival, timeout=_PUT_SECONDS)
                return

    def _pause(self, seconds: float) -> None:
        if self.over.wait(seconds):
            raise _Over
