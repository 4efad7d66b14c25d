"""What commands print: nothing a terminal would obey, and no traceback where it lacks a character."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from leadpipe.cli import output
from leadpipe.terminal import unseen_as_json, visible
from leadpipe.warehouse import Rows

_SPOOF = "\x1b[31mred\x1b[0m \u202egnirts\u2066 \x9b2J a\nb :house: \x07"
_SHOWN = r"\x1b[31mred\x1b[0m \u202egnirts\u2066 \x9b2J a b :house: \x07"
_ROWS = Rows(("listing_id", "views"), ((_SPOOF, 3), ("é₦🏠", 4)))
_ANY = st.text(st.characters(codec="utf-8"))


def printed(capsys, kind):
    """What a command prints for the rows."""
    output.emit(_ROWS, kind, title=f"Listings of {_SPOOF}")
    return capsys.readouterr().out


def test_a_table_shows_what_would_have_been_obeyed(capsys):
    """Escapes, direction marks and bells are written out; a line break is a blank."""
    out = printed(capsys, None)
    assert [line.rstrip() for line in out.splitlines()] == [
        *(f"Listings of {_SHOWN}".replace(" a b ", " a\nb ")).splitlines(),
        f"listing id{' ' * (len(_SHOWN) - 10)}  views",
        f"{_SHOWN}      3",
        f"é₦🏠{' ' * (len(_SHOWN) - 4)}      4",
    ]


def test_programs_get_every_character(capsys):
    """JSON says them by escapes, CSV has them as they are."""
    out = printed(capsys, "json")
    assert json.loads(out) == [
        {"listing_id": _SPOOF, "views": 3},
        {"listing_id": "é₦🏠", "views": 4},
    ]
    assert visible(out) == out
    assert list(csv.reader(io.StringIO(printed(capsys, "csv")))) == [
        ["listing_id", "views"],
        [_SPOOF, "3"],
        ["é₦🏠", "4"],
    ]


def test_csv_on_a_terminal_is_for_eyes(capsys, monkeypatch):
    """Nobody's program reads it there."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert visible(printed(capsys, "csv")).count("\x1b") == 0


def test_messages_are_as_safe_as_tables(capsys):
    """Whatever is printed goes through the same console."""
    output.console.print(f"wrong: {_SPOOF}", markup=False, soft_wrap=True)
    output.notes.print(_SPOOF, markup=False)
    table = Table("x")
    table.add_row(_SPOOF)
    output.console.print(table)
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert visible(text) == text
        assert r"\x1b[31mred" in text


@given(_ANY)
def test_json_made_safe_is_the_same_json(text):
    """Writing out what cannot be seen changes no value, and leaves nothing a terminal would obey."""
    safe = unseen_as_json(json.dumps({text: text}, ensure_ascii=False))
    assert json.loads(safe) == {text: text}
    assert visible(safe) == safe


@given(_ANY)
def test_what_is_visible_stays_visible(text):
    """Once written out, it is written out."""
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1:strict", "PYTHONUTF8": "0"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_a_terminal_that_lacks_characters_ends_no_command(tmp_path, environment):
    """It shows other signs, or ? for them; JSON escapes them, and CSV for a program is UTF-8."""
    code = (
        "import click\n"
        "import leadpipe.cli\n"
        "from leadpipe.cli import output\n"
        "from leadpipe.errors import LeadpipeError\n"
        "from leadpipe.warehouse import Rows\n"
        "@leadpipe.cli.main.command('shown')\n"
        "@output.format_options\n"
        "@click.option('--fail', is_flag=True)\n"
        "def shown(output, fail):\n"
        "    if fail:\n"
        "        raise LeadpipeError('no \\U0001f3e0')\n"
        "    emit(Rows(('name',), (('\\u20a6 \\U0001f3e0',), ('z',))), output, title='\\u2713')\n"
        "emit = output.emit\n"
        "leadpipe.cli.main.get_command = lambda context, name: shown\n"
        "leadpipe.cli.main()\n"
    )

    def typed(*words):
        return subprocess.run(
            [sys.executable, "-c", code, "shown", *words],
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )

    table, as_json, as_csv, failed = typed(), typed("--json"), typed("--csv"), typed("--fail")
    assert (table.returncode, table.stderr) == (0, b"")
    assert [line.strip() for line in table.stdout.splitlines()] == [b"ok", b"name", b"NGN  ?", b"z"]
    assert json.loads(as_json.stdout.decode("ascii")) == [{"name": "₦ 🏠"}, {"name": "z"}]
    assert as_csv.stdout.decode("utf-8") == "name\n₦ 🏠\nz\n"
    assert (failed.returncode, failed.stderr.strip()) == (1, b"Error: no ?")
