"""Files that a person names, folded one after another in a run of their own, and the days they touch proved.

A file that cannot be read does not stop the others. Where they come from, and what a person sees of it, is
not this module's business.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import duckdb

from leadpipe.errors import ExportedFileError
from leadpipe.events import hidden_days, retention
from leadpipe.events.days import DayState, record_proof
from leadpipe.events.exported.contents import Contents, contents_of
from leadpipe.events.exported.files import damaged, examine
from leadpipe.events.exported.folding import TakenIn, take_in
from leadpipe.events.exported.person_files import take_persons
from leadpipe.events.exported.provenance import (
    refuse_other_project,
    refuse_other_projects_persons,
)
from leadpipe.events.exported.rows import prepare
from leadpipe.events.exported.unpacking import unpacked
from leadpipe.events.ledger import Run
from leadpipe.events.mapping.retyping import retype_stale
from leadpipe.events.persons import compare_days
from leadpipe.events.proof import settled_until
from leadpipe.events.recording import on_record
from leadpipe.events.source import SyncConfig
from leadpipe.posthog import CallCounts, PostHog
from leadpipe.warehouse import Warehouse, memory

_DAYS_A_QUESTION = 60
_NO_CALLS = CallCounts(0, 0, 0)


@dataclass(frozen=True)
class PersonsTaken:
    """What a file of persons said: how many rows, and on which days events have other persons now."""

    rows: int
    changed_days: tuple[date, ...]


Outcome = TakenIn | PersonsTaken | ExportedFileError


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Args:
        files: by name, what each file of events brought that could be read, in the order they were named.
        persons: by name, what each file of persons said, in the same order.
        bad: by name, why a file could not be taken.
        equal: days that the files touched, and that have PostHog's events now.
        differing: those that have not.
        unproved: those that PostHog was not asked about, or no longer shows.
    """

    files: dict[str, TakenIn] = field(default_factory=dict)
    persons: dict[str, PersonsTaken] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    equal: tuple[date, ...] = ()
    differing: tuple[date, ...] = ()
    unproved: tuple[date, ...] = ()


def import_files(
    posthog: PostHog | None,
    warehouse: Warehouse,
    files: Sequence[Path],
    *,
    run: Run,
    config: SyncConfig,
    first_day: date,
    clock: Callable[[], datetime],
    told: Callable[[str, Outcome], None] = lambda _, __: None,
) -> ImportReport:
    """Take files of events and persons in, whichever lane wrote them, and prove the days they touch.

    Args:
        posthog: asked whether it knows the files' events, and then to prove the days; None to do neither.
        warehouse: filled.
        files: Parquet or JSON Lines, each by itself; their columns say whether they are events or persons.
        run: entered in the ledger; new rows are stamped with it.
        config: which events, what they mean, and where rows wait.
        first_day: the first day that is loaded.
        clock: the time (UTC).
        told: of each file as soon as it is in or refused.

    Raises:
        PostHogError, WarehouseLocked, DiskFull, ConfigurationError; files before stay, the ledger has the
        run as failed then.
    """
    with on_record(posthog, warehouse, run, config=config, clock=clock) as record:
        retype_stale(warehouse, config.mapping)
        taken: dict[str, TakenIn] = {}
        persons: dict[str, PersonsTaken] = {}
        bad: dict[str, str] = {}
        for file, outcome in _fold_each(
            posthog,
            warehouse,
            files,
            run=run,
            config=config,
            first_day=first_day,
            landing=record.landing,
            clock=clock,
        ):
            told(str(file), outcome)
            if isinstance(outcome, TakenIn):
                taken[str(file)] = outcome
            elif isinstance(outcome, PersonsTaken):
                persons[str(file)] = outcome
            else:
                bad[str(file)] = str(outcome)
        days = {day for one in taken.values() for day in one.changed_days}
        days |= {day for one in persons.values() for day in one.changed_days}
        report = ImportReport(taken, persons, bad, unproved=tuple(sorted(days)))
        if posthog is not None:
            report = _prove(posthog, warehouse, report, config, clock())
        if bad:
            whole = len(bad) + len(taken) + len(persons)
            record.error = f"{len(bad)} of {whole} files could not be taken"
    return report


def _fold_each(
    posthog: PostHog | None,
    warehouse: Warehouse,
    files: Sequence[Path],
    *,
    run: Run,
    config: SyncConfig,
    first_day: date,
    landing: Path,
    clock: Callable[[], datetime],
) -> Iterator[tuple[Path, Outcome]]:
    """Each file and what became of it."""
    floor = retention.current_floor(posthog, warehouse, now=clock()) if posthog else None
    for file in dict.fromkeys(files):
        outcome: Outcome
        try:
            with unpacked(file, name=str(file), folder=landing) as path:
                contents = contents_of(path)
                if contents.model == "persons":
                    outcome = _take_persons(posthog, warehouse, contents, name=str(file))
                else:
                    if posthog is not None:
                        with memory(spill=landing) as connection:
                            prepare(connection)
                            refuse_other_project(
                                posthog,
                                connection,
                                examine(connection, path, name=str(file)),
                                mapping=config.mapping,
                                shown_from=floor.moment if floor else None,
                                until=settled_until(posthog, clock(), config.settle),
                            )
                    outcome = take_in(
                        warehouse,
                        path,
                        name=str(file),
                        run_id=run.run_id,
                        mapping=config.mapping,
                        first_day=first_day,
                        folder=landing,
                        clock=clock,
                    )
        except ExportedFileError as error:
            outcome = error
        yield file, outcome


def _take_persons(
    posthog: PostHog | None, warehouse: Warehouse, contents: Contents, *, name: str
) -> PersonsTaken:
    """Give distinct ids to the persons that a file names, if they are this project's."""
    if posthog is not None:
        refuse_other_projects_persons(posthog, contents, name=name)
    try:
        with warehouse.writing("door") as connection:
            rows, days = take_persons(
                connection, contents.relation, has_deleted="is_deleted" in contents.columns
            )
    except (duckdb.DataError, duckdb.InvalidInputException, duckdb.IOException):
        raise damaged(name) from None
    return PersonsTaken(rows, tuple(sorted(days)))


def _prove(
    posthog: PostHog, warehouse: Warehouse, report: ImportReport, config: SyncConfig, now: datetime
) -> ImportReport:
    """Compare the touched days that PostHog shows; one that is equal need not be read by queries any more."""
    names = config.selection.events
    floor = retention.current_floor(posthog, warehouse, now=now)
    days = [day for day in report.unproved if not floor.freezes(day)]
    states: dict[date, DayState] = {}
    for start in range(0, len(days), _DAYS_A_QUESTION):
        some = days[start : start + _DAYS_A_QUESTION]
        until = settled_until(posthog, now, config.settle)
        theirs, ours = compare_days(posthog, warehouse, some, events=names, until=until)
        floor, doubtful = retention.examine(posthog, warehouse, theirs, ours, now=now)
        shown = {day: found for day, found in theirs.items() if not floor.freezes(day)}
        with warehouse.writing("door") as connection:
            states |= record_proof(
                connection,
                shown,
                read=[day for day in shown if theirs[day] == ours[day]],
                events=names,
                until=until,
                now=now,
                unrecorded=doubtful,
            )
            hidden_days.question(connection, doubtful, now=now)
    return replace(
        report,
        equal=tuple(day for day, state in states.items() if state.is_complete),
        differing=tuple(day for day, state in states.items() if not state.is_complete),
        unproved=tuple(day for day in report.unproved if day not in states),
    )
