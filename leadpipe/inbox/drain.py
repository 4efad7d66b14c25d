"""Move what waits in the inbox into the warehouse, through the one door.

Rows leave the inbox only after the warehouse has committed them and the tables readers see were published;
whatever dies in between, they come again and count once. What one event breaks is set aside, never the
batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from leadpipe.events import ledger
from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.ledger import Run
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.persons import PersonRank
from leadpipe.events.staging import Staged, stage
from leadpipe.events.unconfirmed import note_arrivals, withheld
from leadpipe.inbox.store import Inbox, Waiting
from leadpipe.living import own_folder
from leadpipe.posthog import CallCounts
from leadpipe.warehouse import Warehouse, transaction

_BATCH_ROWS = 50_000
_MOST_BATCHES = 20
_NO_CALLS = CallCounts(0, 0, 0)
# Not a full disk, a lack of memory or a mistake of ours: those are no event's fault.
_BROKEN_BY_DATA = (duckdb.DataError, duckdb.InvalidInputException, duckdb.ConversionException)


@dataclass(frozen=True)
class DrainReport:
    """What a drain moved; `buried` events are dead letters now.

    `withheld` ones were left out: PostHog was asked and does not have them (any more), and only its queries
    can say otherwise.
    """

    ingested: IngestResult = field(default_factory=IngestResult)
    moved: int = 0
    buried: int = 0
    withheld: int = 0


def drain(
    inbox: Inbox,
    warehouse: Warehouse,
    *,
    run_id: str,
    attempt_id: str | None = None,
    landing: Path,
    publish: Callable[[duckdb.DuckDBPyConnection], object],
    clock: Callable[[], datetime],
    mapping: EventMapping | None = None,
) -> DrainReport:
    """Move everything that waits, at most a million events at a time.

    Args:
        inbox: taken from.
        warehouse: ingested into; the run is in its ledger as `webhook`.
        run_id: stamped on the rows that are new.
        attempt_id: Dagster's id of this attempt at the run, by default the same.
        landing: a folder for the page file, removed afterwards.
        publish: publishes the tables from an open connection, before rows leave the inbox.
        clock: the time (UTC).
        mapping: by which events are typed before the warehouse is opened, by default the built-in one; in a
            warehouse that has another one in use they are typed again.

    Raises:
        WarehouseLocked, InboxUnavailable: nothing is lost, it all waits.
    """
    report = DrainReport()
    last = 0
    run = Run(run_id, "webhook", part_id=run_id, attempt_id=attempt_id)
    with warehouse.alive_as(landing, run.attempt), own_folder(landing, run.attempt) as folder:
        for _ in range(_MOST_BATCHES):
            waiting = inbox.take(after=last, limit=_BATCH_ROWS)
            if not waiting:
                break
            last = waiting[-1].number
            stager = _Stager(folder, mapping or built_in())
            staged = stager.tried(waiting)
            with warehouse.connect() as connection:
                with transaction(connection, "door"):
                    ledger.mark_interrupted(connection, landing=landing, now=clock())
                batch = _Batch(connection, run, stager, clock)
                known = withheld(connection, [event.uuid for event in waiting])
                events = [event for event in waiting if event.uuid not in known]
                result, broken = (
                    batch.store(events, None if known else staged)
                    if events
                    else (IngestResult(), [])
                )
                publish(connection)
            for event, reason in broken:
                inbox.bury(event, reason, now=clock())
            buried = {event.number for event, _ in broken}
            inbox.remove([event.number for event in waiting if event.number not in buried])
            report = DrainReport(
                ingested=report.ingested + result,
                moved=report.moved + len(events) - len(broken),
                buried=report.buried + len(broken),
                withheld=report.withheld + len(waiting) - len(events),
            )
    if report.moved or report.buried or report.withheld:
        inbox.clear_log()  # it has what was removed, personal data too
    return report


@dataclass(frozen=True)
class _Stager:
    """Types rows of the inbox, in a folder of its own."""

    folder: Path
    mapping: EventMapping

    def stage(self, events: Sequence[Waiting]) -> Staged | None:
        page = self.folder / "inbox.ndjson"
        self.folder.mkdir(parents=True, exist_ok=True)
        page.write_text("".join(f"{event.wire}\n" for event in events), encoding="utf-8")
        return stage([page], self.mapping, self.folder)

    def tried(self, events: Sequence[Waiting]) -> Staged | None:
        """None if one of them cannot be typed: which one shows when they are stored."""
        try:
            return self.stage(events)
        except _BROKEN_BY_DATA:
            return None


@dataclass(frozen=True)
class _Batch:
    """Stores rows, and where they cannot be stored together, finds the one that breaks them."""

    connection: duckdb.DuckDBPyConnection
    run: Run
    stager: _Stager
    clock: Callable[[], datetime]

    def store(
        self, events: Sequence[Waiting], staged: Staged | None = None
    ) -> tuple[IngestResult, list[tuple[Waiting, str]]]:
        """Store events; `staged` has them, or they are typed here."""
        try:
            return self._ingest(events, staged or self.stager.stage(events)), []
        except _BROKEN_BY_DATA as error:
            if len(events) == 1:
                return IngestResult(), [(events[0], str(error).splitlines()[0])]
        middle = len(events) // 2
        first, broken_first = self.store(events[:middle])
        second, broken_second = self.store(events[middle:])
        return first + second, broken_first + broken_second

    def _ingest(self, events: Sequence[Waiting], staged: Staged | None) -> IngestResult:
        days = [event.day for event in events]
        with transaction(self.connection, "door"):
            ledger.begin_run(self.connection, self.run, days=days, now=self.clock())
            result = ingest(
                self.connection,
                staged,
                run_id=self.run.run_id,
                now=self.clock(),
                rank=PersonRank.INGESTION,
            )
            note_arrivals(
                self.connection, {event.uuid: event.received_at for event in events}, days=days
            )
            ledger.finish_run(self.connection, self.run, calls=_NO_CALLS, now=self.clock())
        return result
