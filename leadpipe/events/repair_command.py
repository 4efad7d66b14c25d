"""`leadpipe repair`: what should never be the case, put right by hand."""

import json

import click

from leadpipe.cli.output import console, notes
from leadpipe.connections import open_warehouse
from leadpipe.events.repairing import find_duplicates, repair_duplicates
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings


@click.group()
def repair() -> None:
    """Put right what should never be the case."""


@repair.command()
@click.option("--apply", "is_applied", is_flag=True, help="Do it; without, it is only told.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def duplicates(*, is_applied: bool, as_json: bool) -> None:
    """Look for events that are stored twice, and with --apply leave one row of each.

    The check uuid_is_unique tells of them. It can happen where several machines share a lake: when the
    connection that held a lock is lost within a commit, or a shell writes past the locks. The copy stays that
    PostHog received last; the runs' counts follow. Build the tables again afterwards: `leadpipe rebuild`.

    \b
    Examples:
      leadpipe repair duplicates
      leadpipe repair duplicates --apply
    """
    settings = load_settings()
    warehouse = open_warehouse(settings)
    if is_applied:
        with warehouse.writing("door") as connection:
            found = repair_duplicates(connection)
        with warehouse.connect() as connection:
            publish_tables(connection, settings.published_dir)
    else:
        with warehouse.connect() as connection:
            found = find_duplicates(connection)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "events": found.events,
                    "rows": found.rows,
                    "runs": found.by_run,
                    "days": [str(day) for day in found.days],
                    "applied": is_applied,
                }
            )
        )
        return
    if not found.rows:
        console.print("Every event is stored once.")
        return
    days = f"{found.days[0]}" + (f" to {found.days[-1]}" if len(found.days) > 1 else "")
    console.print(
        f"{found.events:,} events of {days} are stored more than once: {found.rows:,} rows too many, "
        f"brought by {len(found.by_run or {})} runs."
    )
    if is_applied:
        notes.print("They are gone, and the runs' counts follow. Next: leadpipe rebuild")
    else:
        notes.print("Nothing was changed. Next: leadpipe repair duplicates --apply")
