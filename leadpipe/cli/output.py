"""How commands print rows: tables for people, JSON and CSV for programs."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from leadpipe.cli.fitting import GAP, Column, blocks, fit, pair
from leadpipe.csv_cells import csv_cell
from leadpipe.moments import ago
from leadpipe.terminal import is_unicode, said_to, unseen_as_json, visible
from leadpipe.text import whole
from leadpipe.warehouse import Rows

_LINES_AT_ONCE = 1_000
_NOTHING = "·"
# Commands take the start of such an id.
_IDS = {"lead_id", "listing", "listing_id", "seeker_id", "run_id", "dagster_run_id", "uuid"}
_ROOM_OF_A_VALUE = 24
_EXACT = "leadpipe.exact"


class _VisibleConsole(Console):
    """A console that no text can play tricks on: every string it prints goes through `visible`.

    In signs that the terminal has, and in lines of whole words: one that is too long can still be copied.
    """

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own
        return super().render_str(said_to(self.file, text), **options)

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - rich's own
        """As rich does; `soft_wrap` is for what is no screen, and for words that would be broken."""
        words = [word for text in objects if isinstance(text, str) for word in text.split()]
        if words and _is_screen(self.file) and max(map(cell_len, words)) <= self.width:
            options["soft_wrap"] = False
        super().print(*objects, **options)


def _is_screen(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())


console = _VisibleConsole(highlight=False, emoji=False, soft_wrap=True)
notes = _VisibleConsole(stderr=True, highlight=False, emoji=False, soft_wrap=True)


@dataclass(frozen=True)
class Screen:
    """What a table is printed on.

    Args:
        now: how long ago something was is said by it.
        width: in columns; None is a file or a program, which gets all of everything.
        is_exact: times to the second and ids whole, also on a terminal.
    """

    now: datetime
    width: int | None = None
    is_exact: bool = False

    @property
    def says_times(self) -> bool:
        """Whether times are said to the second."""
        return self.width is None or self.is_exact

    @classmethod
    def of_stdout(cls) -> "Screen":
        """What stdout is, and what was asked for with `--exact`."""
        width = shutil.get_terminal_size().columns if _is_screen(sys.stdout) else None
        context = click.get_current_context(silent=True)
        return cls(datetime.now(UTC), width, bool(context and context.meta.get(_EXACT)))


def exact_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--exact`, which the tables know without the command."""

    def keep(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
        context.meta[_EXACT] = value or context.meta.get(_EXACT, False)

    return click.option(
        "--exact",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="On a terminal too: ids whole, times to the second.",
    )(command)


def format_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--exact`, `--json` and `--csv`; the command gets `output` as None, 'json' or 'csv'."""
    for name in ("csv", "json"):
        command = click.option(
            f"--{name}", "output", flag_value=name, type=str, help=f"Print {name.upper()}."
        )(command)
    return exact_option(command)


def emit(
    rows: Rows,
    output: str | None,
    *,
    title: str,
    empty: str = "Nothing yet.",
    without: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
) -> None:
    """Print rows to stdout in the chosen format; tables leave out the columns `without`.

    A narrow screen does without the columns `drop`, the least important first.

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
            drop=drop,
        )


def print_json(content: object, *, default: Callable[[object], object] = str) -> None:
    """Print JSON for programs: every value as it is, nothing in it that a terminal would obey."""
    text = json.dumps(content, default=default, ensure_ascii=not is_unicode(sys.stdout), indent=1)
    click.echo(unseen_as_json(whole(text)))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str,
    drop: Sequence[str] = (),
    screen: Screen | None = None,
) -> None:
    """A table for people, that fits the screen, or blocks where it cannot; numbers to the right.

    Two columns without headers are names and values.

    Args:
        columns: their names.
        rows: a value a column.
        title: stands above.
        drop: what a narrow screen does without, the least important first.
        screen: None is stdout.
    """
    screen = screen or Screen.of_stdout()
    console.print(title, style="bold underline", markup=False)
    shown = [
        _column(name, [row[index] for row in rows], screen, is_of_pairs=not any(columns))
        for index, name in enumerate(columns)
    ]
    is_pairs = not any(column.header for column in shown) and len(shown) == 2  # noqa: PLR2004 - a pair
    if is_pairs and screen.width is not None and _is_too_wide(shown, screen.width):
        names, values = (column.cells for column in shown)
        for name, value in zip(names, values, strict=True):
            _print_lines(pair(name, value, screen.width))
        return
    cut = "…" if is_unicode(console.file) else "..."
    fitted = fit(shown, screen.width, drop=drop, cut=cut, is_exact=screen.is_exact)
    if fitted is None:
        _print_lines(blocks(shown, screen.width or 0, said_to(console.file, _NOTHING)))
        return
    for line in fitted.header():
        console.print(line, style="bold", markup=False, overflow="ignore", crop=False)
    _print_lines(fitted.lines())
    if fitted.left_out:
        notes.print(
            f"Not shown here: {', '.join(fitted.left_out)}. A wider terminal or --json has them.",
            style="dim",
            markup=False,
        )


def print_grid(
    cells: Sequence[str], *, title: str, most: int, screen: Screen | None = None
) -> None:
    """Short texts in columns, as many a line as fit, `most` at most."""
    screen = screen or Screen.of_stdout()
    console.print(title, style="bold underline", markup=False)
    texts = [said_to(console.file, cell) for cell in cells]
    widest = max(map(cell_len, texts), default=0)
    a_line = most if screen.width is None else (screen.width + GAP) // (widest + GAP)
    a_line = max(1, min(a_line, most))
    for start in range(0, len(texts), a_line):
        line = [set_cell_size(text, widest) for text in texts[start : start + a_line]]
        _print_lines([(" " * GAP).join(line).rstrip()])


@contextmanager
def step(text: str, *, is_said_elsewhere: bool = True) -> Iterator[None]:
    """Show on stderr that something is under way: a line that moves on a terminal, one line elsewhere.

    Args:
        text: what is done, without an end.
        is_said_elsewhere: whether a file or a program gets the line, too.
    """
    if not _is_screen(notes.file) or notes.is_dumb_terminal:
        if is_said_elsewhere:
            notes.print(f"{text} …", markup=False)
        yield
        return
    with notes.status(f"{text} …", spinner="line"):  # its signs are ASCII
        yield
    notes.print(f"✓ {text}", markup=False)


def _is_too_wide(columns: Sequence[Column], width: int) -> bool:
    """Whether a value beside its name would be broken, or have no room."""
    names, values = columns
    return names.widest + GAP + max(values.least, min(values.widest, _ROOM_OF_A_VALUE)) > width


def _print_lines(lines: Iterable[str]) -> None:
    """Lines that fit, or have a word that is not to be broken."""
    for some in _batched(lines, _LINES_AT_ONCE):
        console.print("\n".join(some), markup=False, no_wrap=True, overflow="ignore", crop=False)


def _batched(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    each = iter(lines)
    while some := list(islice(each, size)):
        yield some


def _column(
    name: str, values: Sequence[object], screen: Screen, *, is_of_pairs: bool = False
) -> Column:
    present = [value for value in values if value is not None]
    # What is typed again is shown as it is typed.
    is_id = name == "id" or name.endswith("_id")
    header = name.removeprefix("events_").replace("_", " ").strip()
    if not screen.says_times and all(isinstance(value, datetime) for value in present):
        header = header.removesuffix(" at")  # which is followed by a time, not by `2 h ago`
    return Column(
        name,
        header,
        tuple(
            said_to(console.file, _text(value, screen, is_id=is_id, is_alone=is_of_pairs))
            for value in values
        ),
        is_number=bool(present)
        and all(isinstance(value, int | float | Decimal) for value in present),
        is_empty=not present,
        is_id=name in _IDS,
    )


def _text(value: object, screen: Screen, *, is_id: bool = False, is_alone: bool = False) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return _time(value, screen, is_alone=is_alone)
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return str(value) if is_id else f"{value:,}"
    return str(value).replace("\r\n", " ").replace("\n", " ")


def _time(value: datetime, screen: Screen, *, is_alone: bool) -> str:
    """To the second for programs; `2 h ago` for people, and both where there is room."""
    exact = value.strftime("%Y-%m-%d %H:%M:%S")
    if screen.says_times or value.tzinfo is None:
        return exact
    said = ago(value, screen.now)
    return f"{exact} ({said})" if is_alone and not exact.startswith(said) else said


def _json_value(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)
