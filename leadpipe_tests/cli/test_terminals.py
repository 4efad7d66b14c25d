"""The command line in terminals as they are: narrow, dumb, not UTF-8, closed too early; and Tab in bash."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest

import leadpipe.cli
from leadpipe.cli import processes
from leadpipe_tests.dagster_ui.processes import REPOSITORY

_PLAIN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Prints a table, a note and an error, as a command does.
_COMMAND = """
import click
import leadpipe.cli
from leadpipe.cli import output
from leadpipe.errors import LeadpipeError
from leadpipe.warehouse import Rows

@leadpipe.cli.main.command('shown')
@output.format_options
@click.argument('rows', type=int)
def shown(output, rows):
    emit(Rows(('lead_id', 'state', 'why'), (('64d7498197eb', '✓', 'é → è'),) * rows), output,
         title='Leads …', drop=('why',))
    if rows < 100:
        raise LeadpipeError('nothing more to say of the lead ✗ ' + '/a/path' * 5)

emit = output.emit
leadpipe.cli.main.get_command = lambda context, name: shown
leadpipe.cli.main(prog_name='leadpipe')
"""


def on_a_terminal(*words: object, width: int = 80, **environment: str) -> str:
    """What a program shows on a terminal of a width; `environment` in place of the locale of the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8", "COLUMNS", "NO_COLOR"))
    }
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    shown = b""
    with subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kept | {"TERM": "xterm"} | environment,
    ) as process:
        os.close(theirs)
        while True:
            try:
                some = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            if not some:
                break
            shown += some
        process.wait(60)
    os.close(ours)
    return shown.decode("utf-8", "replace").replace("\r\n", "\n")


def test_a_terminal_gets_what_fits_it():
    """A table and its note in lines of its width; an error in lines of whole words."""
    shown = _PLAIN.sub("", on_a_terminal("-c", _COMMAND, "shown", "3", width=22, LANG="C.UTF-8"))
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[:3] == ["Leads …", "lead id   state  why", "64d74981  ✓      é → è"[:22]]
    assert "Error: nothing more to" in lines
    assert all(len(line) <= 22 or "/a/path" in line for line in lines)
    assert "/a/path" * 5 in shown


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C"},
        {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"},
        {"PYTHONIOENCODING": "ascii", "LANG": "en_US.UTF-8"},
    ],
    ids=str,
)
def test_a_terminal_of_ascii_gets_ascii(environment):
    """Signs are spelled, and the columns stand below one another all the same."""
    shown = _PLAIN.sub("", on_a_terminal("-c", _COMMAND, "shown", "3", **environment))
    lines = shown.splitlines()
    assert shown.isascii()
    assert [line.rstrip() for line in lines[:3]] == [
        "Leads ...",
        "lead id       state  why",
        "64d7498197eb  ok     ? -> ?",
    ]
    assert "nothing more to say of the lead x" in shown


def test_a_terminal_of_another_code_page_keeps_what_it_has():
    """cp1252 has é and …, but no ✓."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "shown", "3"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    )
    lines = done.stdout.decode("cp1252").splitlines()
    assert lines[0] == "Leads …"
    assert lines[2] == "64d7498197eb  ok     é -> è"
    assert b"Traceback" not in done.stderr


def test_colours_are_left_out_where_they_are_not_wanted():
    """NO_COLOR has none, a dumb terminal no escapes at all."""
    shown = on_a_terminal("-c", _COMMAND, "shown", "3", NO_COLOR="1", LANG="C.UTF-8")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", shown)
    assert "\x1b" not in on_a_terminal("-c", _COMMAND, "shown", "3", TERM="dumb", LANG="C.UTF-8")


@pytest.mark.parametrize("kind", [(), ("--csv",), ("--json",)], ids=str)
@pytest.mark.parametrize("read", [0, 1])
def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path, kind, read):
    """As in `leadpipe leads list | head -1`: no traceback, nothing said on the way out."""
    script = tmp_path / "command.py"
    script.write_text(_COMMAND)
    with subprocess.Popen(
        [sys.executable, script, "shown", "50000", *kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(read):
            process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) in (0, 1)
    assert said == b""


def completed(line: str, *, shell_script: str, folder: Path) -> list[str]:
    """What bash offers when Tab is pressed at the end of a line, after it has read the script."""
    words = line.split(" ")
    script = (
        f"{shell_script}\n"
        f"COMP_WORDS=({' '.join(word or chr(34) * 2 for word in words)})\n"
        f"COMP_CWORD={len(words) - 1}\n"
        f"COMP_LINE={line!r}\n"
        "declared=$(complete -p leadpipe)\n"
        "function=${declared#* -F }\n"
        "${function%% *} leadpipe\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        [str(shutil.which("bash")), "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_tab_completes_in_bash(tmp_path):
    """Commands, their commands, options and the values of options, by the line that is documented."""
    program = tmp_path / "leadpipe"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from leadpipe.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    told = subprocess.run(
        [program, "completion", "bash"], capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout

    def offered(line: str) -> list[str]:
        return completed(line, shell_script=told, folder=tmp_path)

    assert offered("leadpipe li") == ["listings"]
    assert offered("leadpipe leads s") == ["show", "status"]
    assert "--min-score" in offered("leadpipe leads list --")
    assert offered("leadpipe leads list --status cont") == ["contacted"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell, tmp_path):
    """Made by click for the name `leadpipe`, however it was started; its help says where the line goes."""
    done = subprocess.run(
        [sys.executable, "-m", "leadpipe", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert f"_LEADPIPE_COMPLETE={shell}_complete" in done.stdout
    command = leadpipe.cli.main.get_command(click.Context(leadpipe.cli.main), "completion")
    assert command is not None
    assert f"leadpipe completion {shell}" in str(command.help)


def test_completing_commands_imports_none_of_them(tmp_path):
    """Tab is pressed often: the names and the lines of help are known without the commands."""
    code = (
        "import json, sys, click\n"
        "from leadpipe.cli import main\n"
        "items = main.shell_complete(click.Context(main), 'l')\n"
        "print(json.dumps([[i.value, i.help] for i in items]), 'rich' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert '["leads", "Who wants' in done.stdout
    assert done.stdout.strip().endswith("False")


def test_a_command_is_said_as_it_can_be_typed_here(tmp_path, monkeypatch):
    """`leadpipe` where the shell finds this program, else its path; and how to get the short way."""
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("leadpipe", "activate", "python"):
        (bin_folder / name).touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [".venv/bin/leadpipe", "demo"])
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert processes.program("up") == ".venv/bin/leadpipe up"
    assert processes.activation() == ". .venv/bin/activate"
    monkeypatch.setenv("PATH", str(bin_folder))
    assert processes.program("up") == "leadpipe up"
    assert processes.activation() is None


def test_another_leadpipe_that_the_shell_finds_is_not_this_one(tmp_path, monkeypatch):
    """And without a program of that name, Python runs the module."""
    ours, other = tmp_path / "our place", tmp_path / "other"
    for folder in (ours, other):
        folder.mkdir()
        (folder / "leadpipe").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(other))
    monkeypatch.setattr(sys, "executable", str(ours / "python"))
    monkeypatch.setattr(sys, "argv", ["leadpipe/__main__.py"])
    assert processes.program("up") == "'our place/leadpipe' up"
    (ours / "leadpipe").unlink()
    assert processes.program("up") == "'our place/python' -m leadpipe up"
