"""How commands print rows: tables for people, JSON and CSV for programs."""

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from leadpipe.csv_cells import csv_cell
from leadpipe.terminal import is_unicode, unseen_as_json, visible
from leadpipe.text import whole
from leadpipe.warehouse import Rows

_WIDTH_OF_A_FILE = 180


class _VisibleConsole(Console):
    """A console that no text can play tricks on: every string it prints goes through `visible`."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own
        return super().render_str(visible(text), **options)


console = _VisibleConsole(highlight=False, emoji=False, soft_wrap=False)
if not console.is_terminal:
    console.width = _WIDTH_OF_A_FILE
notes = _VisibleConsole(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` and `--csv`; the command gets `output` as 'table', 'json' or 'csv'."""
    for name in ("csv", "json"):
        command = click.option(
            f"--{name}", "output", flag_value=name, type=str, help=f"Print {name.upper()}."
        )(command)
    return command


def emit(
    rows: Rows,
    output: str | None,
    *,
    title: str,
    empty: str = "Nothing yet.",
    without: tuple[str, ...] = (),
) -> None:
    """Print rows to stdout in the chosen format; tables leave out the columns `without`.

    In CSV a text that a spreadsheet would take for a formula is quoted with an apostrophe; +15551234567 is
    none. A file or a program gets it in UTF-8, whatever the terminal's encoding is.
    """
    if output == "json":
        print_json(rows.as_dicts(), default=_json_value)
    elif output == "csv":
        if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8", errors="replace")
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(rows.columns)
        shown = visible if sys.stdout.isatty() else str
        writer.writerows([csv_cell(value, shown) for value in row] for row in rows.rows)
    elif not rows.rows:
        notes.print(empty)
    else:
        kept = [index for index, column in enumerate(rows.columns) if column not in without]
        print_table(
            [rows.columns[index] for index in kept],
            [[row[index] for index in kept] for row in rows.rows],
            title=title,
        )


def print_json(content: object, *, default: Callable[[object], object] = str) -> None:
    """Print JSON for programs: every value as it is, nothing in it that a terminal would obey."""
    text = json.dumps(content, default=default, ensure_ascii=not is_unicode(sys.stdout), indent=1)
    click.echo(unseen_as_json(whole(text)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str) -> None:
    """A table for people: numbers to the right, times to the second."""
    console.print(title, style="bold underline", markup=False)
    has_header = any(columns)
    table = Table(header_style="bold", box=None, pad_edge=False, show_header=has_header)
    for index, column in enumerate(columns):
        values = [row[index] for row in rows if row[index] is not None]
        is_number = all(isinstance(value, int | float | Decimal) for value in values)
        table.add_column(
            column.removeprefix("events_").replace("_", " "),
            justify="right" if values and is_number else "left",
            overflow="fold",
        )
    # What is typed again is shown as it is typed.
    are_ids = [column == "id" or column.endswith("_id") for column in columns]
    for row in rows:
        table.add_row(
            *(
                escape(str(value) if is_id and isinstance(value, int) else _text(value))
                for value, is_id in zip(row, are_ids, strict=True)
            )
        )
    console.print(table)


def _text(value: object) -> str:
    if value is None:
        return "·"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("\r\n", " ").replace("\n", " ")


def _json_value(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)
