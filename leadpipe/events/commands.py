"""`leadpipe sync`, `runs`, `days`; `events`, `import`, `files` are from `project` and `exported`."""

import getpass
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

import click

from leadpipe.cli.output import console, emit, format_options, notes
from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.deletions import accept
from leadpipe.events.exported.commands import import_exported
from leadpipe.events.exported.files_commands import files
from leadpipe.events.keeping_commands import lake, warehouse
from leadpipe.events.listing import read_days
from leadpipe.events.mapping.retyping import ChangeCost
from leadpipe.events.moving import move_source
from leadpipe.events.planning import SyncPlan
from leadpipe.events.project.commands import events
from leadpipe.events.repair_command import repair
from leadpipe.events.retention import Floor, floor_of
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import source_of
from leadpipe.events.syncing import plan_now, run_days
from leadpipe.events.verdicts import FROZEN
from leadpipe.events.wiping import wipe
from leadpipe.published import reading
from leadpipe.published.starts import whole_id
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Rows, rows_of

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_LIMIT = click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="Rows."
)
_COUNTS = ("api_calls", "parts", "events_duplicate")


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
    if change.days_kept:
        yield (
            f"{_days(change.days_kept)} lack such properties, too, but are {FROZEN} or before "
            "LEADPIPE_START_DATE: their events stay typed as they are."
        )


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
@click.argument("run", required=False)
@click.option("--parts", is_flag=True, help="Each run's parts, with the ids of Dagster's runs.")
@_LIMIT
@format_options
def runs(*, run: str | None, parts: bool, limit: int, output: str | None) -> None:
    """What each run asked for, read, brought and rejected; the latest first.

    A run is one sync, drain or rebuild. A sync over scattered days has several parts, each a Dagster run.
    RUN is the id of one, or the start of it.

    \b
    Examples:
      leadpipe runs
      leadpipe runs --json --limit 1
      leadpipe runs --parts
      leadpipe runs 0f3a9c1e --parts
    """
    folder = load_settings(Settings).published_dir
    if run is not None:
        run = reading.read_together(
            folder, partial(whole_id, table="runs", column="run_id", start=run)
        )
    if parts:
        found = reading.query(
            folder,
            "SELECT started_at, status, window_start, window_end, lane, attempt, error, run_id, "
            "attempt_id AS dagster_run_id FROM run_parts WHERE $run IS NULL OR run_id = $run "
            "ORDER BY started_at DESC, run_id, part_id, attempt DESC LIMIT $limit",
            {"run": run, "limit": limit},
        )
        emit(
            found,
            output,
            title="Parts of runs",
            empty="No such run.",
            drop=("attempt", "lane", "window_start", "window_end", "dagster_run_id"),
        )
        return
    rows = reading.query(
        folder,
        "SELECT started_at, kind, status, window_start, window_end, parts, events_fetched, events_new, "
        "events_duplicate, events_rejected, api_calls, retries, rate_limits, error, run_id "
        "FROM runs WHERE $run IS NULL OR run_id = $run ORDER BY started_at DESC, run_id LIMIT $limit",
        {"run": run, "limit": limit},
    )
    emit(
        rows,
        output,
        title="Runs",
        empty="No such run.",
        without=("retries", "rate_limits", "events_fetched"),
        drop=(*_COUNTS, "kind", "window_start", "window_end"),
    )


@click.group(invoke_without_command=True)
@click.option("--incomplete", is_flag=True, help="Only days that are not proved.")
@_LIMIT
@format_options
@click.pass_context
def days(context: click.Context, /, *, incomplete: bool, limit: int, output: str | None) -> None:
    """Which days are proved to hold PostHog's events, and which differ, since when; the latest first.

    A day is proved; differs (what, since when); is unproved for event names that were added to the settings
    since it was compared; is frozen by retention, as PostHog no longer shows it; or was never read.

    \b
    Examples:
      leadpipe days
      leadpipe days --incomplete --limit 400
    """
    if context.invoked_subcommand is not None:
        return
    found = read_days(load_settings(EventsSettings), now=datetime.now(UTC))[::-1]
    chosen = [(one, verdict) for one, verdict in found if verdict.is_wrong or not incomplete]
    rows = [
        {
            "event_date": one.event_date,
            "verdict": verdict.word if output else str(verdict),
            "detail": verdict.detail,
            "posthog_events": one.posthog_events,
            "warehouse_events": one.warehouse_events,
            "differs_since": one.differs_since,
            "is_complete": verdict.is_complete,
            "read_until": one.read_until,
            "checked_at": one.checked_at,
        }
        for one, verdict in chosen[:limit]
    ]
    columns = tuple(rows[0]) if rows else ()
    emit(
        Rows(columns, tuple(tuple(row.values()) for row in rows)),
        output,
        title="Days",
        without=("is_complete", "detail"),
        drop=("checked_at", "read_until", "differs_since"),
        empty="No such day.",
    )
    if not output and (frozen := sum(verdict.word == FROZEN for _, verdict in found)):
        notes.print(f"{frozen} days are {FROZEN}: PostHog no longer shows them; they are kept.")


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
    chosen = sorted({one.date() for one in dates})
    now = datetime.now(UTC)
    with open_warehouse(load_settings(Settings)).writing("door") as connection:
        moment = floor_of(connection, now=now).moment
        floor = Floor(moment=moment)
        if frozen := [str(day) for day in chosen if floor.freezes(day)]:
            raise ConfigurationError(
                f"Nothing was accepted: {', '.join(frozen)} lie before {moment:%Y-%m-%d %H:%M}, from where "
                "on the project's plan shows events. They were not deleted in PostHog, and are kept here."
            )
        accept(connection, chosen, author=author, now=now)
    console.print(f"Accepted {', '.join(map(str, chosen))}; the next sync follows PostHog there.")


@days.command("audit")
@click.option("--queries", default=20, show_default=True, type=click.IntRange(1), help="At most.")
def audit(*, queries: int) -> None:
    """Compare days older than 35 days with PostHog by their events; Dagster does so every night.

    The longest unchecked come first. What differs is read by the next sync. If rows were deleted since the
    last audit, the warehouse's file is written anew without them. Ends with 1 if a day differs.

    \b
    Example:
      leadpipe days audit --queries 100
    """
    settings = load_settings(EventsSettings)
    now = datetime.now(UTC)
    was_written_anew = wipe(open_warehouse(settings))
    with connect_posthog(settings) as posthog:
        report = audit_days(
            posthog,
            open_warehouse(settings),
            config=sync_config(settings),
            first_day=settings.first_day(now),
            now=now,
            budget=queries,
        )
    with open_warehouse(settings).connect() as connection:
        publish_tables(connection, settings.published_dir)
    console.print(
        f"{report.compared} days compared, {len(report.differing)} differ, {report.left} not reached."
    )
    if was_written_anew:
        console.print("The warehouse was written anew, without what was deleted.")
    if report.differing:
        console.print(f"They differ: {', '.join(map(str, report.differing))}. Run `leadpipe sync`.")
        raise click.exceptions.Exit(1)


@click.group(invoke_without_command=True)
@click.pass_context
def source(context: click.Context, /) -> None:
    """Which PostHog project fills the warehouse, and which addresses it had before.

    \b
    Examples:
      leadpipe source
      leadpipe source moved
    """
    if context.invoked_subcommand is not None:
        return
    with open_warehouse(load_settings(Settings)).connect() as connection:
        known = source_of(connection)
        moves = rows_of(
            connection.execute(
                "SELECT moved_at, host_before, project_id_before, host, project_id, days_equal, "
                "days_differing, author FROM source_moves ORDER BY moved_at DESC"
            )
        )
    console.print(
        f"Project {known[1]} of {known[0]}"
        if known
        else "None yet; the first `leadpipe sync` says."
    )
    if moves.rows:
        emit(
            moves,
            None,
            title="Moves",
            drop=("author", "days_equal", "days_differing", "project_id_before", "project_id"),
        )


@source.command("moved")
@click.option("--author", default=getpass.getuser, help="Who says so. Default: the user name.")
@click.option(
    "--although-days-differ",
    is_flag=True,
    help="Record it although some days have other events there; the next sync reads them.",
)
def source_moved(*, author: str, although_days_differ: bool) -> None:
    """Say that POSTHOG_BASE_URL and POSTHOG_PROJECT_ID name the same project under another address.

    It is proved first: the last 35 days that were proved must have the same events there.

    \b
    Example:
      leadpipe source moved
    """
    settings = load_settings(EventsSettings)
    with connect_posthog(settings) as posthog:
        move = move_source(
            posthog,
            open_warehouse(settings),
            config=sync_config(settings),
            author=author,
            although_days_differ=although_days_differ,
            now=datetime.now(UTC),
        )
    address = f"project {move.now[1]} of {move.now[0]}"
    if move.before == move.now:
        console.print(f"This warehouse is filled from {address} already.")
        return
    compared = len(move.equal) + len(move.differing)
    proof = (
        f"{len(move.equal)} of {compared} days have the same events there"
        if compared
        else "nothing could be compared: no day with events was read yet"
    )
    console.print(f"From now on this warehouse is filled from {address}; {proof}.")


COMMANDS = (sync, import_exported, files, runs, source, days, events, repair, lake, warehouse)
