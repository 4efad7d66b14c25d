"""A sync as a person at a keyboard runs it: which days, a progress bar, what it did."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from time import monotonic
from typing import TYPE_CHECKING

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as ProgressBar
from rich.text import Text

from leadpipe.cli.output import emit, notes
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import NotPublished
from leadpipe.events import ledger
from leadpipe.events.connecting import event_mapping, sync_config
from leadpipe.events.exported.asked import Downloads, of_run
from leadpipe.events.lanes import LaneChoice
from leadpipe.events.listing import read_days
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.events.project.unused import NEXT_STEP, not_used, told
from leadpipe.events.settings import EventsSettings
from leadpipe.events.verdicts import FROZEN, unsent_text
from leadpipe.progress import Progress
from leadpipe.published.tables import publish_tables
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings
from leadpipe.warehouse import Rows, transaction

if TYPE_CHECKING:
    from leadpipe.execution import RunOutcome

_PATIENCE_SECONDS = 30.0
_SILENT_SECONDS = 30.0
_MOST_DAYS = 5


def plan_now(settings: EventsSettings, now: datetime, *, is_dry: bool = False) -> SyncPlan:
    """Ask PostHog which days to load; a person waits, so it gets a short deadline."""
    with connect_posthog(settings, deadline_seconds=_PATIENCE_SECONDS) as posthog:
        return plan_sync(
            posthog,
            open_warehouse(settings),
            config=sync_config(settings),
            first_day=settings.first_day(now),
            now=now,
            is_dry=is_dry,
        )


def run_days(
    settings: Settings, days: Sequence[date], *, is_full: bool = False, as_json: bool = False
) -> list[str]:
    """Sync days with a progress bar, in a run of the job an unbroken range; what went wrong, a line each.

    They are parts of one sync, which has the id of the first one's run; this process lives under it. Several
    runs are a cluster's workers' to execute, where there is one.

    Args:
        settings: where everything is; all sections.
        days: the days to load; each must be a partition.
        is_full: read the days whole instead of only what is new.
        as_json: print JSON.
    """
    problems: list[str] = []
    run_id = str(uuid.uuid4())
    ranges = contiguous(days, longest=settings.days_a_run)
    warehouse = open_warehouse(settings)
    with warehouse.alive_as(settings.landing_dir, run_id), _progress_bar() as bar:
        outcomes = _outcomes(settings, ranges, run_id, bar, is_full=is_full)
        for (first, last), outcome in zip(ranges, outcomes, strict=True):
            span = f"{first} to {last}"
            if outcome.error:
                problems.append(f"{span}: {outcome.error}")
            problems += [f"{span}: check {name} failed" for name in outcome.failed_checks]
            if "every_day_is_complete" in outcome.failed_checks:
                problems += _wrong_days(settings, first, last)
    with warehouse.connect() as connection:
        with transaction(connection, "door"):
            ledger.settle(connection, [run_id], is_given_up=True)
        summary = ledger.runs_of(connection, [run_id])
        rejected = ledger.rejected_by(connection, [run_id])
        lanes = ledger.lanes_of(connection, run_id)
        downloads = of_run(connection, run_id)
        if problems:
            publish_tables(connection, settings.published_dir)
    if as_json:
        click.echo(
            json.dumps({"runs": summary.as_dicts(), "problems": problems}, default=str, indent=1)
        )
    else:
        emit(
            summary,
            None,
            title="Synced",
            without=("events_fetched",),
            drop=("api_calls", "parts", "run_id"),
        )
        for line in _count_lines(summary, rejected):
            notes.print(line, markup=False)
    for line in [*_lane_lines(lanes, downloads), *(f"✗ {problem}" for problem in problems)]:
        notes.print(line, markup=False, soft_wrap=True)
    with suppress(NotPublished):
        judged = read_days(settings.of(EventsSettings), now=datetime.now(UTC))
        frozen = [facts.event_date for facts, verdict in judged if verdict.word == FROZEN]
        if skipped := {*frozen} & {*days}:
            notes.print(
                f"{len(skipped)} of the days are {FROZEN}, up to {max(skipped)}: PostHog no longer shows "
                "them, and nothing of them was read or changed."
            )
    with open_warehouse(settings).connect() as connection:
        said = told(not_used(connection, event_mapping(settings.of(EventsSettings))))
    if said:
        notes.print(f"! {said[0].upper()}{said[1:]}. {NEXT_STEP}.", markup=False)
    return problems


def _outcomes(
    settings: Settings,
    ranges: Sequence[tuple[date, date]],
    run_id: str,
    progress: Callable[[Progress], None],
    *,
    is_full: bool,
) -> "Iterator[RunOutcome]":
    """How the run of each range ended: one after the other here, or on workers."""
    config = {"ops": {"raw_events": {"config": {"full_read": is_full}}}}
    if settings.cluster is not None and len(ranges) > 1:
        from leadpipe.cluster.runs import run_on_workers  # noqa: PLC0415 - an extra's packages

        yield from run_on_workers(
            settings, "sync", ranges, config=config, progress=progress, run_id=run_id
        )
        return
    from leadpipe.execution import run_job  # noqa: PLC0415 - Dagster takes seconds to import

    for number, (first, last) in enumerate(ranges):
        yield run_job(
            settings,
            "sync",
            first,
            last,
            config=config,
            progress=progress,
            run_id=None if number else run_id,
            part_of=(run_id, len(ranges)),
        )


def _count_lines(summary: Rows, rejected: Mapping[str, int]) -> Iterator[str]:
    """What the counts that are no news mean."""
    if duplicate := sum(int(str(row["events_duplicate"])) for row in summary.as_dicts()):
        yield f"duplicate: {duplicate:,} rows were second copies, or read before; an event counts once."
    if rejected:
        reasons = "; ".join(f"{count:,} × {reason}" for reason, count in rejected.items())
        yield f"rejected: {reasons}. They are kept with the reason, and no table uses them."


def _lane_lines(lanes: Sequence[LaneChoice], downloads: Downloads) -> Iterator[str]:
    """Which way the events came, and what did not come that way."""
    for lane in lanes:
        yield f"Lane {lane.lane}: {lane.why}."
    if downloads.exports:
        yield (
            f"{downloads.exports:,} exports brought {downloads.files:,} files with {downloads.rows:,} rows."
        )
    for failure in downloads.failures:
        yield f"! Read by query instead: {failure}"


def _wrong_days(settings: Settings, first: date, last: date) -> list[str]:
    """The days of a span that are not proved, a line each, with the next step."""
    judged = read_days(settings.of(EventsSettings), now=datetime.now(UTC))
    wrong = [
        (facts, verdict)
        for facts, verdict in judged
        if verdict.is_wrong and first <= facts.event_date <= last
    ]
    lines = [
        unsent_text(facts.event_date, -facts.events_surplus)
        if facts.events_surplus < 0
        else f"{facts.event_date}: {verdict}; see `leadpipe days --incomplete`"
        for facts, verdict in wrong[:_MOST_DAYS]
    ]
    left = len(wrong) - len(lines)
    return lines + [f"and {left} more days; see `leadpipe days --incomplete`"] * bool(left)


class _RateColumn(ProgressColumn):
    """Events a second, since the first of them."""

    def render(self, task: Task) -> Text:
        """Nothing until there is a rate."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class _Lines:
    """What a file or a program gets in place of a bar: now and then a line, of what takes long."""

    def __init__(self) -> None:
        self._said_at = monotonic()

    def __call__(self, progress: Progress) -> None:
        """Say how far it is, if nothing was said for a while."""
        if monotonic() - self._said_at < _SILENT_SECONDS:
            return
        self._said_at = monotonic()
        steps = progress.steps or f"{progress.days_done} of {progress.days} days"
        notes.print(f"{progress.rows:,} of about {progress.expected:,} events, {steps}")


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None]]:
    if not notes.is_terminal or notes.is_dumb_terminal:
        yield _Lines()
        return
    with ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
    ) as bar:
        task = bar.add_task("asking PostHog", total=None)

        def show(progress: Progress) -> None:
            days = f"{progress.days_done} of {progress.days} days"
            bar.update(
                task,
                description=f"events ({progress.steps or days})",
                completed=progress.rows,
                total=max(progress.expected, progress.rows),
            )

        yield show
