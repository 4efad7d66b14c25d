"""`leadpipe visitors`: weekly visitor metrics, synced, listed, imported."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from leadpipe.cli.output import emit, format_options, notes, print_table, step
from leadpipe.connections import open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.events.connecting import event_mapping
from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.settings import InboxSettings
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, load_settings
from leadpipe.visitors.imports import import_weeks, read_weeks
from leadpipe.visitors.status import sync_counts, week_counts
from leadpipe.visitors.waiting import live_visitors
from leadpipe.visitors.week_rows import WeekRow, week_rows
from leadpipe.visitors.weeks import (
    parse_week,
    week_dates,
    week_id,
    week_of,
    weeks_between,
)
from leadpipe.warehouse import Rows, transaction

_COLUMNS = (
    *("id", "week_start", "week_end", "visitors", "pageviews", "signups", "conversion_rate"),
    *("source", "counted_at"),
)


@click.group()
def visitors() -> None:
    """Weekly visitors and signups."""


@visitors.command("sync")
@click.option("--week", help="One week: 2026-W47, or a day of it. Default: all weeks.")
@click.option("--id", "row", help="One row, by its id in `visitors list`.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sync_command(*, week: str | None, row: str | None, as_json: bool) -> None:
    """Compare weeks with PostHog's own count, and store what changed. Ends with 1 if a week failed.

    Weeks counted by hand are never overwritten, and weeks that PostHog's retention hides, wholly or partly,
    stay as they were counted: `frozen` of the skipped ones.

    \b
    Examples:
      leadpipe visitors sync
      leadpipe visitors sync --week 2026-W47
      leadpipe visitors sync --id 202647
    """
    settings = load_settings()
    if sync_weeks(settings, _weeks(settings, week, row), as_json=as_json):
        raise click.exceptions.Exit(1)


def sync_weeks(
    settings: Settings, weeks: Sequence[date] | None = None, *, as_json: bool = False
) -> list[str]:
    """Run the visitors job over weeks (all by default), print what it did; return what went wrong."""
    from leadpipe.execution import run_job  # noqa: PLC0415 - Dagster takes seconds to import

    weeks = weeks or _weeks(settings, None, None)
    with step(f"Counting the visitors of {len(weeks)} weeks", is_said_elsewhere=False):
        outcome = run_job(settings, "visitors", min(weeks), max(weeks))
    statistics = reading.query(
        settings.published_dir,
        "SELECT updated, skipped, failed, total, frozen FROM visitor_syncs WHERE run_id = $run_id",
        {"run_id": outcome.run_id},
    )
    if as_json:
        counts = statistics.as_dicts()[0] if statistics.rows else {}
        problem = {"error": outcome.error, "red_checks": outcome.failed_checks}
        click.echo(json.dumps({**counts, **problem, "run_id": outcome.run_id}, indent=1))
    else:
        emit(statistics, None, title="Visitors synced", empty="Nothing was synced.")
        frozen = statistics.as_dicts()[0]["frozen"] if statistics.rows else 0
        if frozen:
            notes.print(
                f"{frozen} weeks are frozen by retention: PostHog no longer shows them whole; they stay as "
                "they were counted."
            )
        if outcome.error:
            notes.print(f"✗ {outcome.error}", markup=False)
        for name in outcome.failed_checks:
            notes.print(f"! check {name} is red; the Dagster UI says why", markup=False)
    return [outcome.error] if outcome.error else []


def _weeks(settings: Settings, week: str | None, row: str | None) -> list[date]:
    now = datetime.now(UTC)
    known = weeks_between(settings.first_day(now), now.date())
    if week is not None and row is not None:
        raise ConfigurationError("--week and --id say the same thing; give one of them")
    if week is None and row is None:
        return known
    wanted = parse_week(week or row or "")
    if wanted not in known:
        raise ConfigurationError(
            f"The week of {wanted} is not among those that are synced, {known[0]} to {known[-1]}. For "
            "earlier ones set LEADPIPE_START_DATE, or import them."
        )
    return [wanted]


@visitors.command("status")
@format_options
def status_command(*, output: str | None) -> None:
    """How syncs of weekly visitors went: the last one, how many succeeded and failed; and what is stored.

    \b
    Examples:
      leadpipe visitors status
      leadpipe visitors status --json
    """

    def ask(sql: str) -> list[dict[str, object]]:
        return reading.query(settings.published_dir, sql).as_dicts()

    settings = load_settings()
    syncs = sync_counts(ask)
    last = syncs["last"] or {}
    row = {
        "syncs_succeeded": syncs["succeeded"],
        "syncs_failed": syncs["failed"],
        **{
            f"last_sync_{name}": last.get(name)
            for name in ("started_at", "status", "updated", "skipped", "failed", "total", "error")
        },
        **week_counts(ask),
    }
    if output is None:
        print_table(
            ["", ""],
            [[name.replace("_", " "), value] for name, value in row.items()],
            title="Visitors",
        )
        return
    emit(Rows(tuple(row), (tuple(row.values()),)), output, title="Visitors")


@visitors.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Weeks.")
@click.option("--changes", is_flag=True, help="What changed when, instead of what is.")
@format_options
def list_command(*, limit: int, changes: bool, output: str | None) -> None:
    """Visitors, pageviews, signups and signups for 100 visitors per week (UTC); the latest first.

    A week that is over has PostHog's exact count. The one under way has what the page shows at this
    moment; its `source` is `live` where events are here that PostHog's last count did not have.

    \b
    Examples:
      leadpipe visitors list
      leadpipe visitors list --changes
      leadpipe visitors list --csv --limit 200
    """
    settings = load_settings()
    if changes:
        _list_changes(settings, limit, output)
        return
    weeks = _rows_of_weeks(settings, limit)
    if output is None:
        _print_weeks(weeks, title="Visitors per week")
        return
    emit(
        Rows(
            _COLUMNS,
            tuple(
                (
                    *(week_id(row.week), row.week, row.week + timedelta(days=6)),
                    *(row.visitors, row.pageviews, row.signups, row.signup_rate),
                    *(row.source, row.as_of),
                )
                for row in weeks
            ),
        ),
        output,
        title="Visitors per week",
    )


def _list_changes(settings: Settings, limit: int, output: str | None) -> None:
    rows = reading.query(
        settings.published_dir,
        "SELECT changed_at, week_start, visitors_before, visitors, pageviews_before, pageviews, "
        "signups_before, signups, source, run_id FROM visitor_metric_changes "
        "ORDER BY changed_at DESC, week_start DESC LIMIT $limit",
        {"limit": limit},
    )
    if output is None:
        today = datetime.now(UTC).date()
        rows = Rows(
            ("changed_at", "week", *rows.columns[2:]),
            tuple((row[0], week_dates(row[1], today=today), *row[2:]) for row in rows.rows),  # type: ignore[arg-type]
        )
    emit(
        rows,
        output,
        title="Changes of weeks",
        empty="No week yet. Run `leadpipe visitors sync`.",
        without=("run_id",),
        drop=(
            "updated_at",
            "source",
            "week_end",
            "signups_before",
            "pageviews_before",
            "pageviews",
            "visitors_before",
        ),
    )


def _rows_of_weeks(settings: Settings, limit: int) -> list[WeekRow]:
    """The latest weeks, the latest first; the one under way as the page has it at this moment."""
    own = load_settings(InboxSettings)
    with closing(
        live_visitors(settings.published_dir, open_inbox(own), event_mapping(own))
    ) as visitors_now:
        live = visitors_now.weeks()

    def read(ask: reading.Ask) -> list[WeekRow]:
        def dicts(sql: str, values: Mapping[str, object]) -> list[dict[str, object]]:
            return ask(sql, values).as_dicts()

        return week_rows(dicts, live, today=datetime.now(UTC).date(), weeks=limit)[::-1]

    return reading.read_together(settings.published_dir, read)


def _print_weeks(weeks: Sequence[WeekRow], *, title: str) -> None:
    """Weeks by their dates, as people read them, in 80 columns."""
    if not weeks:
        notes.print("No week yet. Run `leadpipe visitors sync`.")
        return
    print_table(
        ["week", "id", "visitors", "pageviews", "signups", "signup rate", "as of"],
        [
            [
                *(row.dates, week_id(row.week), row.visitors, row.pageviews, row.signups),
                *(row.signup_rate, _when(row)),
            ]
            for row in weeks
        ],
        title=title,
    )


def _when(row: WeekRow) -> str:
    if row.as_of is None:
        return "now"
    return f"{row.as_of:%Y-%m-%d %H:%M}" + (", by hand" if row.source == "manual" else "")


@visitors.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Also weeks that PostHog has counted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_command(*, file: Path, replace: bool, as_json: bool) -> None:
    """Import weeks counted by hand from a CSV file; no sync ever overwrites them.

    The columns are week (2025-W03, or a day of it), visitors, signups and, if counted, pageviews. All
    lines are imported or none.

    \b
    Example:
      leadpipe visitors import weeks.csv
    """
    settings = load_settings()
    weeks = read_weeks(file)
    with open_warehouse(settings).connect() as connection:
        with transaction(connection, "visitors"):
            changed = import_weeks(connection, weeks, is_replacing=replace, now=datetime.now(UTC))
        publish_tables(connection, settings.published_dir)
    if as_json:
        click.echo(json.dumps({"imported": len(changed), "unchanged": len(weeks) - len(changed)}))
    else:
        rows = tuple((week_dates(week), week_of(week), weeks[week].visitors) for week in changed)
        emit(
            Rows(("week", "monday", "visitors"), rows),
            None,
            title=f"{len(changed)} weeks imported",
            empty="All of it was there already.",
        )


COMMANDS = (visitors,)
