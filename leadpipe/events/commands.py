"""`leadpipe sync`, `runs`, `days` and, from `project/commands.py`, `events`."""

import getpass
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.deletions import accept
from leadpipe.events.mapping.retyping import ChangeCost
from leadpipe.events.planning import SyncPlan
from leadpipe.events.project.commands import events
from leadpipe.events.settings import EventsSettings
from leadpipe.events.syncing import plan_now, run_days
from leadpipe.published import reading
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Rows

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_LIMIT = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows."
)


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
    plan = _plan(settings.of(EventsSettings), first, last, is_dry=dry_run)
    if dry_run:
        _print_plan(plan, as_json=as_json)
        return
    problems = run_days(settings, plan.days, is_full=full, as_json=as_json)
    if problems:
        raise click.exceptions.Exit(1)


def _plan(
    settings: EventsSettings, first: datetime | None, last: datetime | None, *, is_dry: bool
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


def _change_lines(change: ChangeCost) -> Iterator[str]:
    if change.days_to_type:
        yield (
            f"Events mean something else than before: {change.events_to_type:,} stored ones on "
            f"{_days(change.days_to_type)} would be typed again ({', '.join(change.events)})."
        )
    if change.days_to_read:
        yield f"{_days(change.days_to_read)} would be read again for properties that are needed now."


def _days(days: Sequence[date]) -> str:
    return f"{len(days):,} day{'' if len(days) == 1 else 's'}"


def _print_plan(plan: SyncPlan, *, as_json: bool) -> None:
    for line in _change_lines(plan.change):
        notes.print(line, markup=False, soft_wrap=True)
    rows = [(day, reason) for day, reason in sorted(plan.reasons.items())]
    emit(
        Rows(("day", "reason"), tuple(rows)),
        "json" if as_json else None,
        title=f"{len(rows)} days would be read, {plan.events_waiting:,} events are known to wait",
    )


@click.command()
@_LIMIT
@format_options
def runs(*, limit: int, output: str | None) -> None:
    """What each run asked for, read, brought and rejected; the latest first.

    \b
    Examples:
      leadpipe runs
      leadpipe runs --json --limit 1
    """
    rows = reading.query(
        load_settings(Settings).published_dir,
        "SELECT started_at, kind, status, window_start, window_end, events_fetched, events_new, "
        "events_duplicate, events_rejected, api_calls, retries, rate_limits, error, run_id "
        "FROM runs ORDER BY started_at DESC, run_id LIMIT $limit",
        {"limit": limit},
    )
    emit(rows, output, title="Runs", without=("retries", "rate_limits", "events_fetched"))


@click.group(invoke_without_command=True)
@click.option("--incomplete", is_flag=True, help="Only days that are not proved.")
@_LIMIT
@format_options
@click.pass_context
def days(context: click.Context, /, *, incomplete: bool, limit: int, output: str | None) -> None:
    """Which days are proved to hold PostHog's events, and which differ, since when; the latest first.

    \b
    Examples:
      leadpipe days
      leadpipe days --incomplete --limit 400
    """
    if context.invoked_subcommand is not None:
        return
    rows = reading.query(
        load_settings(Settings).published_dir,
        "SELECT event_date, verdict, posthog_events, warehouse_events, differs_since, is_complete, "
        "read_until, checked_at "
        "FROM event_days WHERE read_until IS NOT NULL AND (NOT $incomplete OR NOT is_complete) "
        "ORDER BY event_date DESC LIMIT $limit",
        {"incomplete": incomplete, "limit": limit},
    )
    emit(rows, output, title="Days", without=("is_complete",), empty="No such day.")


@days.command("accept")
@click.argument("dates", nargs=-1, required=True, type=_DAY, metavar="DATE...")
@click.option("--author", default=getpass.getuser, help="Who decides. Default: the user name.")
def accept_days(*, dates: tuple[datetime, ...], author: str) -> None:
    """Let the next sync delete here what is gone in PostHog on these days, however much that is.

    A day of which more than LEADPIPE_MOST_GONE_PERCENT would go at once waits for this word: it may have
    been a restricted key or a wrong project.

    \b
    Example:
      leadpipe days accept 2026-11-20
    """
    chosen = sorted({moment.date() for moment in dates})
    with open_warehouse(load_settings(Settings)).transaction() as connection:
        accept(connection, chosen, author=author, now=datetime.now(UTC))
    console.print(f"Accepted {', '.join(map(str, chosen))}; the next sync follows PostHog there.")


@days.command("audit")
@click.option("--queries", default=20, show_default=True, type=click.IntRange(1), help="At most.")
def audit(*, queries: int) -> None:
    """Compare days older than 35 days with PostHog by their events; Dagster does so every night.

    The longest unchecked come first. What differs is read by the next sync. Ends with 1 if a day differs.

    \b
    Example:
      leadpipe days audit --queries 100
    """
    settings = load_settings(EventsSettings)
    now = datetime.now(UTC)
    with connect_posthog(settings) as posthog:
        report = audit_days(
            posthog,
            open_warehouse(settings),
            config=sync_config(settings),
            first_day=settings.first_day(now),
            now=now,
            budget=queries,
        )
    console.print(
        f"{report.compared} days compared, {len(report.differing)} differ, {report.left} not reached."
    )
    if report.differing:
        console.print(f"They differ: {', '.join(map(str, report.differing))}. Run `leadpipe sync`.")
        raise click.exceptions.Exit(1)


COMMANDS = (sync, runs, days, events)
