"""The rules of the code base that no linter holds: who may read what, and what no file may say."""

import re
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_SOURCES = sorted((_ROOT / "leadpipe").rglob("*.py"))
# Written apart so that this file does not break its own rule.
_HOSTS = re.compile("|".join((r"pypi\.or" + "g", r"pythonhosted\.or" + "g", r"npmjs\.or" + "g")))


def lines_with(pattern: str, *, outside: tuple[str, ...]) -> list[str]:
    """Lines of the package that match, in files not below the folders or files named."""
    found = re.compile(pattern)
    return [
        f"{path.relative_to(_ROOT)}:{number}: {line.strip()}"
        for path in _SOURCES
        if not str(path.relative_to(_ROOT)).startswith(outside)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if found.search(line)
    ]


@pytest.mark.parametrize(
    ("pattern", "outside"),
    [
        (r"\bos\.(environ|getenv)\b", ("leadpipe/settings.py",)),
        (r"\bduckdb\.connect\(", ("leadpipe/warehouse/", "leadpipe/sandbox/")),
        (r"^\s*(import|from) (chdb|hogql_parser|pyarrow)\b", ("leadpipe/sandbox/",)),
        (r"^\s*(import|from) numpy\b", ("leadpipe/sandbox/", "leadpipe/draws/")),
        (r"\bprint\(", ("leadpipe/cli/", "leadpipe/sandbox/")),
    ],
)
def test_each_outside_thing_is_touched_in_one_place(pattern, outside):
    """The environment, the database, the sandbox's packages and stdout each belong to one folder."""
    assert lines_with(pattern, outside=outside) == []


def test_no_module_is_named_after_nothing():
    """A module's name says what is in it."""
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "stuff"}
    assert [path.name for path in _SOURCES if path.stem in vague] == []


def test_every_module_says_what_belongs_in_it():
    """Each module of the package begins with a docstring."""
    assert [str(path) for path in _SOURCES if not path.read_text().startswith('"""')] == []


def test_no_file_names_a_package_registry():
    """The lock has names, versions and hashes only."""
    files = subprocess.run(
        ["git", "ls-files"], cwd=_ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    files = files or [str(path.relative_to(_ROOT)) for path in _ROOT.rglob("*.py")]
    texts = [_ROOT / name for name in files if (_ROOT / name).suffix not in (".png", ".ico")]
    assert [str(path) for path in texts if path.exists() and _HOSTS.search(path.read_text())] == []


def test_every_query_file_gives_grain_and_inputs():
    """A SQL or HogQL file opens with its grain, so that it explains itself in any SQL tool."""
    files = [*_ROOT.glob("leadpipe/*/*.sql"), *_ROOT.glob("leadpipe/*/*.hogql")]
    assert len(files) >= 7
    assert [str(path) for path in files if "-- grain:" not in path.read_text()] == []
