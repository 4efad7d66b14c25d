"""`leadpipe visitors`: weekly visitor metrics, synced, listed, imported."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from leadpipe.cli.output import emit, format_options, notes, print_table
from leadpipe.connections import open_warehouse
from leadpipe.errors import ConfigurationError
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, load_settings
from leadpipe.visitors.imports import import_weeks, read_weeks
from leadpipe.visitors.status import sync_counts, week_counts
from leadpipe.visitors.weeks import parse_week, weeks_between
from leadpipe.warehouse import Rows, transaction

_COLUMNS = (
    "id, week_start, week_end, visitors, pageviews, signups, conversion_rate, source, updated_at"
)


@click.group()
def visitors() -> None:
    """Weekly visitors, signups and conversion."""


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
    """Visitors, pageviews, signups and conversion per ISO week (UTC); the latest first.

    \b
    Examples:
      leadpipe visitors list
      leadpipe visitors list --changes
      leadpipe visitors list --csv --limit 200
    """
    folder = load_settings().published_dir
    query = (
        "SELECT changed_at, week_start, visitors_before, visitors, pageviews_before, pageviews, "
        "signups_before, signups, source, run_id FROM visitor_metric_changes "
        "ORDER BY changed_at DESC, week_start DESC LIMIT $limit"
        if changes
        else f"SELECT {_COLUMNS} FROM visitor_metrics ORDER BY week_start DESC LIMIT $limit"
    )
    emit(
        reading.query(folder, query, {"limit": limit}),
        output,
        title="Changes of weeks" if changes else "Visitors per week",
        empty="No week yet. Run `leadpipe visitors sync`.",
        without=("run_id",),
    )


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
        with transaction(connection):
            changed = import_weeks(connection, weeks, is_replacing=replace, now=datetime.now(UTC))
        publish_tables(connection, settings.published_dir)
    if as_json:
        click.echo(json.dumps({"imported": len(changed), "unchanged": len(weeks) - len(changed)}))
    else:
        rows = tuple((week, week + timedelta(days=6), weeks[week].visitors) for week in changed)
        emit(
            Rows(("from", "to", "visitors"), rows),
            None,
            title=f"{len(changed)} weeks imported",
            empty="All of it was there already.",
        )


COMMANDS = (visitors,)
