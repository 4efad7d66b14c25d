"""Take what is new in a bucket: one listing, then the files through the door; prove the days they brought.

Small files are typed together, others each by itself, and what is typed waits until there is enough for a
transaction: many small files share one, and while it is merged the next are fetched and typed. A file that
cannot be read or fetched is told, and the others are taken. What is decided on a file is committed with its
rows: a run that is killed goes on with the files that were not merged. Which files are taken says
`choosing.py`; the store, the door and PostHog are arguments.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from leadpipe import tracing
from leadpipe.errors import (
    BucketError,
    BucketFileChanged,
    BucketUnavailable,
    ConfigurationError,
    DiskFull,
    ExportedFileError,
    OtherProject,
    PostHogError,
)
from leadpipe.events import retention
from leadpipe.events.exported import register
from leadpipe.events.exported.bucket import Bucket, StoredObject
from leadpipe.events.exported.choosing import (
    Choice,
    FoundFile,
    KnownFile,
    State,
    choose,
    unread_manifests,
)
from leadpipe.events.exported.contents import Contents, contents_of
from leadpipe.events.exported.files import damaged, examine
from leadpipe.events.exported.folding import (
    Note,
    SmallFile,
    StagedFile,
    TakenIn,
    as_small,
    fit_together,
    may_be_typed_together,
    merge_files,
    stage_file,
    stage_together,
)
from leadpipe.events.exported.manifests import MOST_BYTES, listed
from leadpipe.events.exported.person_files import take_persons
from leadpipe.events.exported.provenance import (
    refuse_other_project,
    refuse_other_projects_persons,
)
from leadpipe.events.exported.proving import Proof, prove_exported_days
from leadpipe.events.exported.rows import LoadedDays, prepare
from leadpipe.events.exported.unpacking import unpacked
from leadpipe.events.ingest import IngestResult
from leadpipe.events.ledger import Run
from leadpipe.events.loading import load_days
from leadpipe.events.proof import settled_until
from leadpipe.events.recording import on_record
from leadpipe.events.source import SyncConfig
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.warehouse import Warehouse, memory

_MOST_IN_A_ROW = 3
_MOST_READ = 7


@dataclass(frozen=True)
class Outcome:
    """What became of a file."""

    key: str
    state: State
    model: str | None = None
    rows: int | None = None
    events_new: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class TakeReport:
    """What a run took; `choice` is what there was to do.

    `read` are days that files brought otherwise than PostHog has them, and that were read by query then.
    """

    outcomes: tuple[Outcome, ...] = ()
    ingested: IngestResult = field(default_factory=IngestResult)
    choice: Choice = field(default_factory=Choice)
    listed: int = 0
    proof: Proof = field(default_factory=Proof)
    read: tuple[date, ...] = ()
    calls: CallCounts = field(default_factory=lambda: CallCounts(0, 0, 0))


def take_files(
    bucket: Bucket,
    posthog: PostHog,
    warehouse: Warehouse,
    *,
    run: Run,
    config: SyncConfig,
    first_day: date,
    clock: Callable[[], datetime],
    by_hand: Collection[str] = (),
) -> TakeReport:
    """Take every file that is new, or those named, and compare the days they changed with PostHog.

    A few days that differ are read by query at once, more are left to the next sync: rows show up in PostHog
    after their file was written.

    Args:
        bucket: where they lie.
        posthog: of the project whose events they are.
        warehouse: what they come into; the run is in its ledger.
        run: new rows are stamped with it.
        config: which events, what they mean, where files land.
        first_day: the first day that is loaded.
        clock: the time (UTC).
        by_hand: keys to take whatever was decided on them, and only those.

    Raises:
        BucketRefused, BucketUnavailable: what was taken until then is committed; the rest waits.
        PostHogError: the files are taken; a later run compares the days.
        ConfigurationError: the project is another one, or a file named is not there.
        WarehouseLocked.
    """
    before = posthog.stats.snapshot()
    with on_record(posthog, warehouse, run, config=config, clock=clock) as record:
        taker = _Taker(bucket, posthog, warehouse, run, config, first_day, clock, record.landing)
        report = taker.take(by_hand)
        proof = prove_exported_days(
            posthog,
            warehouse,
            run_id=run.run_id,
            config=config,
            landing=record.landing,
            clock=clock,
        )
    if 0 < len(proof.differing) <= _MOST_READ:
        loaded = load_days(posthog, warehouse, proof.differing, run=run, config=config, clock=clock)
        calls = posthog.stats.snapshot() - before
        still = tuple(day for day in proof.differing if day in loaded.incomplete_days)
        return replace(
            report,
            ingested=report.ingested + loaded.ingested,
            proof=replace(proof, differing=still),
            read=proof.differing,
            calls=calls,
        )
    return replace(report, proof=proof, calls=record.calls)


@dataclass
class _Taker:
    """One call of `take_files`; holds what its steps share."""

    bucket: Bucket
    posthog: PostHog
    warehouse: Warehouse
    run: Run
    config: SyncConfig
    first_day: date
    clock: Callable[[], datetime]
    landing: Path
    looking: duckdb.DuckDBPyConnection = field(init=False)
    """In memory, for as long as it takes files: to look at what they are."""
    outcomes: list[Outcome] = field(default_factory=list)
    ingested: IngestResult = field(default_factory=IngestResult)
    failed_in_a_row: int = 0
    asked: set[str] = field(default_factory=set)
    gathered: list[tuple[StoredObject, SmallFile]] = field(default_factory=list)
    """To be typed with others; those that were fetched still lie in `landing`."""
    waiting: list[tuple[StoredObject, StagedFile]] = field(default_factory=list)
    """Typed, and to be merged with others."""
    merger: ThreadPoolExecutor = field(init=False)
    """One thread, which merges what is next."""
    merging: Future[None] | None = None
    """What is merged now. It has the warehouse open: nobody else opens it before this is over (`_merged`)."""

    def take(self, by_hand: Collection[str]) -> TakeReport:
        listing = self.bucket.listing()
        if absent := sorted({*by_hand} - {one.key for one in listing}):
            raise ConfigurationError(
                f"{self.bucket.address} has no {', '.join(absent)}. `leadpipe files` lists what there is."
            )
        with self.warehouse.connect() as connection:
            known = register.known_files(connection)
        manifests = {
            one.stored.key: self._manifest(one.stored) for one in unread_manifests(listing, known)
        }
        choice = choose(listing, known, manifests, by_hand=by_hand)
        self._note_choice(choice, {one.key: one for one in listing}, known)
        with memory() as self.looking, ThreadPoolExecutor(1, "merge") as self.merger:
            try:
                for one in choice.take:
                    if not by_hand or one.stored.key in by_hand:
                        self._take(one, is_by_hand=one.stored.key in by_hand)
            except (BucketError, PostHogError):
                self._fold()
                raise
            self._fold()
        places = {one.stored.key: place for place, one in enumerate(choice.take)}
        outcomes = sorted(self.outcomes, key=lambda one: places.get(one.key, -1))
        return TakeReport(tuple(outcomes), self.ingested, choice, len(listing))

    def _manifest(self, stored: StoredObject) -> frozenset[str] | str:
        """What a manifest lists, or why it cannot be read."""
        try:
            return listed(self.bucket.read(stored, most_bytes=MOST_BYTES))
        except (ValueError, BucketFileChanged) as error:
            return str(error)

    def _note_choice(
        self,
        choice: Choice,
        listing: dict[str, StoredObject],
        known: dict[str, KnownFile],
    ) -> None:
        """Remember what is not taken, and why; only what has changed since it was decided on."""
        decided: list[tuple[StoredObject, State, str | None, str | None]] = [
            (one.stored, "waiting", "its manifest is not there yet", None) for one in choice.waiting
        ]
        decided += [
            (one.stored, "surplus", "its manifest does not list it", None) for one in choice.surplus
        ]
        for key, missing in choice.manifests.items():
            if missing:
                names = f"{missing[0]}{f' and {len(missing) - 1} more' if missing[1:] else ''}"
                why = f"it lists {names}, which is not there"
                decided.append((listing[key], "incomplete", why, "manifest"))
            else:
                decided.append((listing[key], "taken", None, "manifest"))
        decided += [
            (listing[key], "unreadable", why, "manifest") for key, why in choice.unreadable.items()
        ]
        new = [
            one
            for one in decided
            if (before := known.get(one[0].key)) is None
            or (before.e_tag, before.state) != (one[0].e_tag, one[1])
        ]
        if new or choice.removed:
            with self.warehouse.writing("door") as connection:
                for stored, state, reason, model in new:
                    self._note(connection, stored, Outcome(stored.key, state, model, reason=reason))
                register.note_removed(connection, choice.removed)
        self.outcomes += [
            Outcome(stored.key, state, model, reason=reason)
            for stored, state, reason, model in decided
            if state != "taken"
        ]

    def _take(self, one: FoundFile, *, is_by_hand: bool) -> None:
        """Take a file, or note why it cannot be."""
        stored = one.stored
        try:
            path = self.bucket.fetch(stored, self.landing)
        except (BucketFileChanged, DiskFull, BucketUnavailable) as error:
            self.failed_in_a_row += isinstance(error, BucketUnavailable)
            self._settle(stored, Outcome(stored.key, "postponed", reason=str(error)))
            if self.failed_in_a_row >= _MOST_IN_A_ROW:
                raise
            return
        self.failed_in_a_row = 0
        try:
            with (
                self._settling(stored),
                unpacked(path, name=stored.key, folder=self.landing) as file,
            ):
                self._take_contents(one, file, is_by_hand=is_by_hand)
        finally:
            if path.is_relative_to(self.landing):
                path.unlink(missing_ok=True)

    @contextmanager
    def _settling(self, stored: StoredObject) -> Iterator[None]:
        """Note why a file cannot be taken."""
        try:
            yield
        except ExportedFileError as error:
            self._settle(stored, Outcome(stored.key, "unreadable", reason=str(error)))
        except DiskFull as error:
            self._settle(stored, Outcome(stored.key, "postponed", reason=str(error)))

    def _take_contents(self, one: FoundFile, path: Path, *, is_by_hand: bool) -> None:
        """Take a file's rows, if they are of a model that is taken, and this project's."""
        stored = one.stored
        contents = contents_of(path, self.looking)
        model = contents.model
        try:
            if model == "events":
                if not is_by_hand:
                    self._refuse_other_project(one, path)
                self._stage(stored, path)
            elif model == "persons":
                if not is_by_hand:
                    refuse_other_projects_persons(self.posthog, contents, name=stored.key)
                self._fold()
                self._merge_persons(stored, contents)
            else:
                reason = f"its rows are {model}, which leadpipe does not take"
                self._settle(stored, Outcome(stored.key, "ignored", model, reason=reason))
        except OtherProject:
            why = (
                f"{self.posthog.host} knows none of its events"
                if model == "events"
                else f"none of its persons is of project {self.posthog.project_id}"
            )
            reason = (
                f"it is of another project: {why}. `leadpipe files take` with its key takes it all "
                "the same"
            )
            self._settle(stored, Outcome(stored.key, "foreign", model, reason=reason))

    def _refuse_other_project(self, one: FoundFile, path: Path) -> None:
        """Ask PostHog whether it knows the events of the first file of an export; once a run."""
        if one.named.interval.export in self.asked:
            return
        self._merged()
        now = self.clock()
        floor = retention.current_floor(self.posthog, self.warehouse, now=now)
        with memory(spill=self.landing) as connection:
            prepare(connection)
            refuse_other_project(
                self.posthog,
                connection,
                examine(connection, path, name=one.stored.key),
                mapping=self.config.mapping,
                shown_from=floor.moment,
                until=settled_until(self.posthog, now, self.config.settle),
            )
        self.asked.add(one.named.interval.export)

    def _stage(self, stored: StoredObject, path: Path) -> None:
        """Type a file, or gather it to be typed with others."""
        small = as_small(self.looking, path, name=stored.key)
        if small is None:
            self._type_gathered()
            self._stage_alone(stored, path)
            return
        if not may_be_typed_together([*(one for _, one in self.gathered), small]):
            self._type_gathered()
        if path.is_relative_to(self.landing):  # another file may have its name
            path = path.rename(self.landing / f"gathered-{len(self.gathered):04d}.parquet")
            small = replace(small, exported=replace(small.exported, path=path))
        self.gathered.append((stored, small))

    def _type_gathered(self) -> None:
        """Type small files at once; if that cannot be, each by itself, so that a broken one is set aside."""
        gathered, self.gathered = self.gathered, []
        if not gathered:
            return
        try:
            if len(gathered) == 1 or not self._stage_together(gathered):
                for stored, small in gathered:
                    with self._settling(stored):
                        self._stage_alone(stored, small.exported.path)
        finally:
            for _, small in gathered:
                if small.exported.path.is_relative_to(self.landing):
                    small.exported.path.unlink(missing_ok=True)

    def _stage_together(self, gathered: Sequence[tuple[StoredObject, SmallFile]]) -> bool:
        """Type small files by one statement; whether that could be done."""
        try:
            staged = stage_together(
                [small for _, small in gathered],
                mapping=self.config.mapping,
                days=self._days(),
                folder=self.landing,
            )
        except (ExportedFileError, DiskFull):
            return False
        if not fit_together([*(one for _, one in self.waiting), *staged]):
            self._merge()
        self.waiting += zip((stored for stored, _ in gathered), staged, strict=True)
        return True

    def _stage_alone(self, stored: StoredObject, path: Path) -> None:
        """Type a file; merge those before it if they do not fit together, or not on the disk."""
        try:
            staged = self._staged(stored, path)
        except DiskFull:
            if not self.waiting and self.merging is None:
                raise
            self._fold_waiting()
            staged = self._staged(stored, path)
        if not fit_together([*(one for _, one in self.waiting), staged]):
            self._merge()
        self.waiting.append((stored, staged))

    def _staged(self, stored: StoredObject, path: Path) -> StagedFile:
        return stage_file(
            path,
            name=stored.key,
            mapping=self.config.mapping,
            days=self._days(),
            folder=self.landing,
        )

    def _days(self) -> LoadedDays:
        return LoadedDays(self.first_day, self.clock().astimezone(UTC).date())

    def _fold(self) -> None:
        """Type what was gathered, and merge what waits, to the end."""
        self._type_gathered()
        self._fold_waiting()

    def _fold_waiting(self) -> None:
        self._merge()
        self._merged()

    def _merge(self) -> None:
        """Have merged what waits, after what is merged now."""
        self._merged()
        waiting, self.waiting = self.waiting, []
        if waiting:
            self.merging = self.merger.submit(tracing.carried(self._merge_files), waiting)

    def _merged(self) -> None:
        """Wait until nothing is merged any more."""
        merging, self.merging = self.merging, None
        if merging is not None:
            merging.result()

    def _merge_files(self, waiting: Sequence[tuple[StoredObject, StagedFile]]) -> None:
        """In a thread of its own."""
        outcomes: dict[str, Outcome] = {}
        try:
            taken = merge_files(
                self.warehouse,
                [(staged, self._noted(stored, outcomes)) for stored, staged in waiting],
                run_id=self.run.run_id,
                clock=self.clock,
            )
        except DiskFull as error:
            for stored, _ in waiting:
                self._note_outcome(stored, Outcome(stored.key, "postponed", reason=str(error)))
            return
        for one in taken:
            self.ingested += one
        self.outcomes += outcomes.values()

    def _noted(self, stored: StoredObject, outcomes: dict[str, Outcome]) -> Note:
        """Keeps the days that a file changed with each of its pieces, and with its last that it was taken."""

        def noted(connection: duckdb.DuckDBPyConnection, result: TakenIn) -> None:
            register.note_days(connection, result.changed_days)
            if not result.is_whole:
                return
            left = f"{result.history:,} rows are from before {self.first_day}, and stay in the file"
            outcomes[stored.key] = Outcome(
                stored.key,
                "taken",
                "events",
                result.rows,
                result.new,
                left if result.history else None,
            )
            self._note(connection, stored, outcomes[stored.key])

        return noted

    def _merge_persons(self, stored: StoredObject, contents: Contents) -> None:
        try:
            with self.warehouse.writing("door") as connection:
                rows, days = take_persons(
                    connection, contents.relation, has_deleted="is_deleted" in contents.columns
                )
                outcome = Outcome(stored.key, "taken", "persons", rows)
                self._note(connection, stored, outcome)
                register.note_days(connection, days)
        except (duckdb.DataError, duckdb.InvalidInputException, duckdb.IOException):
            raise damaged(stored.key) from None
        self.outcomes.append(outcome)

    def _settle(self, stored: StoredObject, outcome: Outcome) -> None:
        """Note what became of a file that is not merged."""
        self._merged()
        self._note_outcome(stored, outcome)

    def _note_outcome(self, stored: StoredObject, outcome: Outcome) -> None:
        with self.warehouse.writing("door") as connection:
            self._note(connection, stored, outcome)
        self.outcomes.append(outcome)

    def _note(
        self, connection: duckdb.DuckDBPyConnection, stored: StoredObject, outcome: Outcome
    ) -> None:
        register.note(
            connection,
            stored,
            outcome.state,
            now=self.clock(),
            run_id=self.run.run_id,
            reason=outcome.reason,
            model=outcome.model,
            rows=outcome.rows,
            events_new=outcome.events_new,
        )
