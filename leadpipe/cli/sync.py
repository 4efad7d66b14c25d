"""`leadpipe sync` and `leadpipe rebuild`."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar

from leadpipe.cli.output import console, emit, notes
from leadpipe.connections import connect_posthog, open_warehouse, sync_config
from leadpipe.errors import ConfigurationError
from leadpipe.events import ledger
from leadpipe.events.loading import Progress
from leadpipe.events.planning import SyncPlan, plan_sync
from leadpipe.leads.scores import load_rules
from leadpipe.rebuild import rebuild as rebuild_marts
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Rows

_PATIENCE_SECONDS = 30.0
_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.option("--from", "first", type=_DAY, help="First day to load (UTC). Default: what is new.")
@click.option("--to", "last", type=_DAY, help="Last day to load, inclusive. Default: today.")
@click.option("--full", is_flag=True, help="Read the days whole again, not only what is new.")
@click.option("--dry-run", is_flag=True, help="Say what would be read; read and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sync(
    *, first: datetime | None, last: datetime | None, full: bool, dry_run: bool, as_json: bool
) -> None:
    """Load new events from PostHog, and build and publish the tables.

    Without dates leadpipe asks PostHog which days have events it does not have, and loads exactly
    those. The first time that is everything since LEADPIPE_START_DATE (by default a year). Ends with 1
    if a day is incomplete or a run failed.

    \b
    Examples:
      leadpipe sync
      leadpipe sync --dry-run
      leadpipe sync --from 2026-11-01 --to 2026-11-07
      leadpipe sync --from 2026-11-01 --full
    """
    settings = load_settings()
    plan = _plan(settings, first, last, is_dry=dry_run)
    if dry_run:
        _print_plan(plan, as_json=as_json)
        return
    problems = run_days(settings, plan.days, is_full=full, as_json=as_json)
    if problems:
        raise click.exceptions.Exit(1)


def _plan(
    settings: Settings, first: datetime | None, last: datetime | None, *, is_dry: bool
) -> SyncPlan:
    now = datetime.now(UTC)
    begin = settings.first_day(now)
    if first is None and last is None:
        return plan_now(settings, now, is_dry=is_dry)
    start = first.date() if first else begin
    end = last.date() if last else now.date()
    if start > end:
        raise ConfigurationError(f"--from {start} is after --to {end}")
    if start < begin or end > now.date():
        raise ConfigurationError(
            f"Days from {begin} to {now.date()} can be loaded. For earlier ones set "
            f"LEADPIPE_START_DATE={min(start, begin)}."
        )
    return SyncPlan({start + timedelta(days=n): "asked for" for n in range((end - start).days + 1)})


def plan_now(settings: Settings, now: datetime, *, is_dry: bool = False) -> SyncPlan:
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


def _print_plan(plan: SyncPlan, *, as_json: bool) -> None:
    rows = [(day, reason) for day, reason in sorted(plan.reasons.items())]
    emit(
        Rows(("day", "reason"), tuple(rows)),
        "json" if as_json else None,
        title=f"{len(rows)} days would be read, {plan.events_waiting:,} events are known to wait",
    )


def run_days(
    settings: Settings, days: Sequence[date], *, is_full: bool = False, as_json: bool = False
) -> list[str]:
    """Run the sync job with a progress bar, print what it did; return what went wrong, a line each."""
    from leadpipe.execution import run_sync  # noqa: PLC0415 - Dagster takes seconds to import

    problems: list[str] = []
    run_ids: list[str] = []
    with _progress_bar() as bar:
        for outcome in run_sync(settings, days, is_full=is_full, progress=bar):
            run_ids.append(outcome.run_id)
            span = f"{outcome.first_day} to {outcome.last_day}"
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


@click.command()
@click.option("--rescore", is_flag=True, help="Score all leads by the rules of today.")
def rebuild(*, rescore: bool) -> None:
    """Build all tables again from the raw events; status and notes are kept.

    Nothing is read from PostHog. The tables come out the same: use it after an upgrade, or with
    --rescore after new score rules.

    \b
    Examples:
      leadpipe rebuild
      leadpipe rebuild --rescore
    """
    settings = load_settings()
    report = rebuild_marts(
        open_warehouse(settings),
        rules=load_rules(settings.scores_path),
        published=settings.published_dir,
        now=datetime.now(UTC),
        is_rescored=rescore,
    )
    console.print(
        f"Rebuilt {report.lead_records:,} lead records, {report.listing_hours:,} listing hours, "
        f"{report.listings:,} listings."
    )
