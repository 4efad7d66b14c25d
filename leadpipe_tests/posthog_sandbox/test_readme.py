"""The sandbox's README: its commands start it, and what it says to ask is answered."""

import argparse
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint

import httpx

from leadpipe_tests.docs.markdown import ROOT, blocks
from leadpipe_tests.posthog_sandbox.asking import HTTP
from posthog_sandbox.__main__ import main
from posthog_sandbox.process import SandboxProcess

_PAGE = ROOT / "posthog_sandbox" / "README.md"
_ADDRESS = "http://127.0.0.1:8010"


def _commands(program: str) -> list[list[str]]:
    """The words after the program, of every command on the page."""
    return [
        words[1:]
        for block in blocks(_PAGE, "bash")
        for line in block.text.replace("\\\n", " ").splitlines()
        if (words := shlex.split(line)) and words[0] == program
    ]


def _curl(words: list[str], address: str) -> httpx.Response:
    """What curl would get."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-X", default="POST")
    parser.add_argument("-d", default="")
    asked = parser.parse_args(words)
    assert asked.url.startswith(_ADDRESS)
    headers = dict(line.split(": ", 1) for line in asked.H)
    return HTTP.request(
        asked.X, asked.url.replace(_ADDRESS, address), headers=headers, content=asked.d
    )


def test_the_command_is_the_module() -> None:
    """`posthog-sandbox`, as it is installed, is what `python -m posthog_sandbox` runs."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert EntryPoint("", scripts["posthog-sandbox"], "console_scripts").load() is main


def test_what_it_prints_is_on_the_page() -> None:
    """The first command prints the page's text, on a free port instead of its own."""
    first = _commands("posthog-sandbox")[0]
    process = subprocess.Popen(
        [sys.executable, "-m", "posthog_sandbox", *first, "--port", "0", "--events", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    ready, *keys = [process.stdout.readline() for _ in range(4)]
    process.terminate()
    process.communicate(timeout=60)
    [text] = blocks(_PAGE, "text")
    shown = text.text.splitlines(keepends=True)
    assert (ready.rpartition(":")[0], keys) == (shown[0].rpartition(":")[0], shown[1:])


def test_what_is_sent_by_curl_is_taken(sandbox: SandboxProcess) -> None:
    """Query, capture and levers answer 200, or as the fault before them says."""
    answers = [_curl(words, sandbox.url) for words in _commands("curl")]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[0].json()["columns"] == ["event", "count()"]
