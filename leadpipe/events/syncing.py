"""A sync as a person at a keyboard runs it: which days, a progress bar, what it did."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from leadpipe.cli.output import emit, notes
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.events import ledger
from leadpipe.events.connecting import event_mapping, sync_config
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.events.project.unused import NEXT_STEP, not_used, told
from leadpipe.events.settings import EventsSettings
from leadpipe.progress import Progress
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings

_PATIENCE_SECONDS = 30.0


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
    """Run the sync job with a progress bar, a run an unbroken range; what went wrong, a line each.

    Args:
        settings: where everything is; all sections.
        days: the days to load; each must be a partition.
        is_full: read the days whole instead of only what is new.
        as_json: print JSON.
    """
    from leadpipe.execution import run_job  # noqa: PLC0415 - Dagster takes seconds to import

    problems: list[str] = []
    run_ids: list[str] = []
    with _progress_bar() as bar:
        for first, last in contiguous(days):
            outcome = run_job(
                settings,
                "sync",
                first,
                last,
                config={"ops": {"raw_events": {"config": {"full_read": is_full}}}},
                progress=bar,
            )
            run_ids.append(outcome.run_id)
            span = f"{first} to {last}"
            if outcome.error:
                problems.append(f"{span}: {outcome.error}")
            problems += [f"{span}: check {name} failed" for name in outcome.failed_checks]
    with open_warehouse(settings).connect() as connection:
        summary = ledger.runs_of(connection, run_ids)
    if as_json:
        click.echo(
            json.dumps({"runs": summary.as_dicts(), "problems": problems}, default=str, indent=1)
        )
    else:
        emit(summary, None, title="Synced", without=("events_fetched",))
    for problem in problems:
        notes.print(f"✗ {problem}", markup=False, soft_wrap=True)
    with open_warehouse(settings).connect() as connection:
        said = told(not_used(connection, event_mapping(settings.of(EventsSettings))))
    if said:
        notes.print(f"! {said[0].upper()}{said[1:]}. {NEXT_STEP}.", markup=False)
    return problems


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None]]:
    with ProgressBar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
    ) as bar:
        task = bar.add_task("asking PostHog", total=None)

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=f"events ({progress.days_done} of {progress.days} days)",
                completed=progress.rows,
                total=max(progress.expected, progress.rows),
            )

        yield show
