"""`leadpipe backup` and `leadpipe restore`: everything in one archive, and back."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from leadpipe.cli.output import console, notes
from leadpipe.connections import open_warehouse
from leadpipe.published.tables import publish_tables
from leadpipe.settings import load_settings
from leadpipe.warehouse import back_up
from leadpipe.warehouse import restore as bring_back


@click.command()
@click.argument("archive", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backup(*, archive: Path | None, as_json: bool) -> None:
    """Copy the warehouse and what lies beside it to ARCHIVE, also while syncs run.

    In it: the warehouse, what waits in the inboxes, accounts, the first day, score rules. It holds personal
    data. Of a lake it is everything, catalog, files and state, as they were at one moment, in one DuckDB
    file: it can be restored to a lake or to a file.

    \b
    Examples:
      leadpipe backup
      leadpipe backup backups/monday.tar.gz
    """
    settings = load_settings()
    now = datetime.now(UTC)
    target = archive or settings.data_dir / "backups" / f"leadpipe-{now:%Y%m%d-%H%M%S}.tar.gz"
    report = back_up(open_warehouse(settings), target, kept=settings.kept_files(), now=now)
    if as_json:
        click.echo(
            json.dumps({"archive": str(report.path), "tables": report.tables, "bytes": report.size})
        )
    else:
        console.print(f"{report.path}: {sum(report.tables.values()):,} rows, {report.size:,} bytes")


@click.command()
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
def restore(*, archive: Path) -> None:
    """Bring ARCHIVE back to a data folder where no warehouse is, or an empty lake; verified before.

    \b
    Example:
      leadpipe restore backups/monday.tar.gz
    """
    settings = load_settings()
    report = bring_back(archive, open_warehouse(settings), folder=settings.data_dir)
    with open_warehouse(settings).connect() as connection:
        publish_tables(connection, settings.published_dir, is_anew=True)
    console.print(f"{len(report.tables)} tables with {sum(report.tables.values()):,} rows are back")
    notes.print("Leads under way when the backup was made are asked for before anything is sent.")


COMMANDS = (backup, restore)
