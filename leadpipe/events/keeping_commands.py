"""`leadpipe lake` and `leadpipe warehouse`: a lake's files and its past, and moving a warehouse."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import duckdb

from leadpipe.cli.output import console, emit, format_options, notes, print_table, step
from leadpipe.connections import open_warehouse
from leadpipe.errors import WarehouseError
from leadpipe.events.relocating import relocate
from leadpipe.events.settings import EventsSettings
from leadpipe.events.wiping import wipe_now
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import Rows, choose, looking_back, maintain, rows_of, snapshots


@click.group()
def lake() -> None:
    """A lake's files kept in order, and what its tables were."""


@lake.command("maintain")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def maintain_lake(*, as_json: bool) -> None:
    """Merge small files, let old states expire, remove files that nobody needs; Dagster does so every night.

    States older than LEADPIPE_LAKE_KEEP_DAYS cannot be looked at afterwards. It can run beside syncs: they
    wait for it a table at a time.

    \b
    Example:
      leadpipe lake maintain
    """
    settings = load_settings(Settings)
    done = maintain(
        open_warehouse(settings),
        keep=timedelta(days=settings.lake_keep_days),
        now=datetime.now(UTC),
    )
    counts = {
        "files before": done.before.files,
        "files now": done.after.files,
        "bytes before": done.before.size,
        "bytes now": done.after.size,
        "states before": done.before.snapshots,
        "states now": done.after.snapshots,
        "files removed": done.files_removed,
        "orphans removed": done.orphans_removed,
    }
    if as_json:
        click.echo(json.dumps({**counts, "tables busy": list(done.tables_busy)}))
        return
    print_table(["", ""], list(counts.items()), title="Lake")
    if done.tables_busy:
        notes.print(
            f"Written by others meanwhile, so left for next time: {', '.join(done.tables_busy)}."
        )


@lake.command("forget")
def forget() -> None:
    """Leave no byte of what was deleted in the lake's files, now; the nightly audit does so when it has to.

    Every state but that of now goes, too, so that `lake at` reaches no further back. Nobody writes meanwhile.

    \b
    Example:
      leadpipe lake forget
    """
    warehouse = open_warehouse(load_settings(Settings))
    if warehouse.lake is None:
        raise WarehouseError(
            f"The warehouse {warehouse.path} is a file; `leadpipe days audit` writes it anew after deletions."
        )
    with step("Writing files anew without what was deleted"):
        size = wipe_now(warehouse)
    console.print(f"No file of the lake has a deleted row any more; {size:,} bytes are left.")


@lake.command("history")
@click.option(
    "--run", "run_id", help="Only the states that this run made; the start of its id is enough."
)
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1), help="At most.")
@format_options
def history(*, run_id: str | None, limit: int, output: str | None) -> None:
    """The states that a lake's tables can be seen in, the newest first, and the runs that made them.

    \b
    Examples:
      leadpipe lake history
      leadpipe lake history --run 5f0c --json
    """
    found = [
        one
        for one in snapshots(open_warehouse(load_settings(Settings)))
        if run_id is None or (one.run_id or "").startswith(run_id)
    ]
    rows = [
        (
            one.number,
            one.made_at,
            one.run_id,
            one.what,
            ", ".join(f"{kind.replace('_', ' ')}: {count}" for kind, count in one.changes.items()),
        )
        for one in found[:limit]
    ]
    emit(
        Rows(("state", "made_at", "run_id", "what", "changes"), tuple(rows)),
        output,
        title="States of the lake",
        empty="No state of such a run is kept.",
        drop=("changes", "what"),
    )


@lake.command("at")
@click.argument("when")
@click.argument("select")
@format_options
def look_at_past(*, when: str, select: str, output: str | None) -> None:
    """Answer SELECT from the lake's tables as they were WHEN: a time (UTC), or a run's id or its start.

    Of a run it is its last state. Tables of what people typed and what is under way have no past.

    \b
    Examples:
      leadpipe lake at 2026-12-24T10:00 "SELECT count(*) FROM draw_participants"
      leadpipe lake at 5f0c "SELECT event, count(*) FROM raw_events GROUP BY event"
    """
    warehouse = open_warehouse(load_settings(Settings))
    chosen = choose(snapshots(warehouse), when)
    with looking_back(warehouse, chosen) as past:
        try:
            rows = rows_of(past.execute(select))
        except duckdb.Error as error:
            raise WarehouseError(
                f"The question cannot be answered from the state of {chosen.made_at:%Y-%m-%d %H:%M:%S} UTC: "
                f"{str(error).splitlines()[0]}"
            ) from error
    emit(rows, output, title=f"As of {chosen.made_at:%Y-%m-%d %H:%M:%S} UTC", empty="No rows.")


@click.group()
def warehouse() -> None:
    """Where the warehouse is."""


@warehouse.command("move")
@click.argument("to")
def move_warehouse(*, to: str) -> None:
    """Move everything from a file to a lake or back, TO being what LEADPIPE_WAREHOUSE will be.

    Stop all programs of leadpipe first. Every table is compared with its source before anything is final;
    until then, and whatever happens, the source is in force. It is kept: a file under the name FILE.moved, a
    lake as it is.

    \b
    Examples:
      leadpipe warehouse move ducklake:postgres
      leadpipe warehouse move data/leadpipe.duckdb
    """
    settings = load_settings(EventsSettings)
    target = load_settings(Settings, LEADPIPE_WAREHOUSE=to)
    with step(f"Moving to {to}"):
        report = relocate(
            open_warehouse(settings),
            open_warehouse(target),
            landing=settings.landing_dir,
            now=datetime.now(UTC),
        )
    console.print(
        f"{len(report.tables)} tables with {report.rows:,} rows are in {to}, each as it was."
    )
    console.print(f"Set LEADPIPE_WAREHOUSE={to} wherever leadpipe runs, then start it.")
    notes.print(f"The source is kept: {Path(report.kept).name if target.lake else report.kept}.")


COMMANDS = (lake, warehouse)
