"""`leadpipe tables`: which tables are published, where, and how any DuckDB reads them."""

from pathlib import Path

import click

from leadpipe.cli.output import emit, format_options, notes
from leadpipe.published.reading import published_tables, views_sql
from leadpipe.settings import Settings, load_settings


@click.command()
@click.option(
    "--sql",
    "script",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write SQL that makes a view of each table to this file, for a DuckDB of your own.",
)
@click.option(
    "--personal",
    is_flag=True,
    help="With --sql: also the tables with personal data, as they are published at the moment.",
)
@format_options
def tables(*, script: Path | None, personal: bool, output: str | None) -> None:
    """Published tables: where their Parquet files are, and how many rows they have.

    \b
    Examples:
      leadpipe tables
      leadpipe tables --sql tables.sql     then: duckdb -init tables.sql
    """
    folder = load_settings(Settings).published_dir
    if script is None:
        emit(
            published_tables(folder),
            output,
            title="Published tables",
            drop=("files", "is_personal"),
        )
        return
    script.write_text(views_sql(folder, with_personal=personal), encoding="utf-8")
    notes.print(f"Written: {script}. Open it with `duckdb -init {script}`.")


COMMANDS = (tables,)
