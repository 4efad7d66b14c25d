"""The rules of the code base that no linter holds: who may read what, and what no file may say."""

import re
import subprocess
from pathlib import Path

import pytest

from leadpipe.domains import DOMAINS

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("leadpipe", "posthog_sandbox")
_SOURCES = sorted(path for name in _PACKAGES for path in (_ROOT / name).rglob("*.py"))
# Written apart so that this file does not break its own rule.
_HOSTS = re.compile("|".join((r"pypi\.or" + "g", r"pythonhosted\.or" + "g", r"npmjs\.or" + "g")))


def lines_with(pattern: str, *, outside: tuple[str, ...]) -> list[str]:
    """Lines of the packages that match, in files not below the folders or files named."""
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
        (r"\bos\.(environ|getenv)\b", ("leadpipe/settings.py", "leadpipe/terminal.py")),
        (r"\bduckdb\.connect\(", ("leadpipe/warehouse/",)),
        # It finds no table of a lake, and is in another time zone: `another_cursor` is the way.
        (r"\.cursor\(\)", ("leadpipe/warehouse/", "leadpipe/postgres")),
        (r"\bRETURNING\b", ("leadpipe/leads/edits",)),  # refused by a lake; those are not in it
        (r"^\s*(import|from) (chdb|hogql_parser|pyarrow)\b", ("posthog_sandbox/",)),
        (
            r"^\s*(import|from) numpy\b",
            ("posthog_sandbox/", "leadpipe/draws/", "leadpipe/warehouse/filters"),
        ),
        (r"(?<![.\w])(?<!def )print\(", ("posthog_sandbox/server.py",)),
        (r"\bposthog_sandbox\b", ("leadpipe/cli/demo", "posthog_sandbox/")),
    ],
)
def test_each_outside_thing_is_touched_in_one_place(pattern, outside):
    """The environment, the database, the sandbox, its packages and stdout each belong to one folder."""
    assert lines_with(pattern, outside=outside) == []


# Where events come in is every domain's to use.
_SHARED = {"events", "inbox"}
_EXCEPTIONS = {("leadpipe/rebuild.py", "events")}  # a rebuild is a run of the ledger


def test_a_domain_uses_anothers_tables_not_its_functions():
    """A domain imports itself, where events come in, and the ground floor; the frames import no domain."""
    names = "|".join(DOMAINS)
    imports = re.compile(rf"^\s*(?:from|import) leadpipe\.({names})\b", re.MULTILINE)
    wrong = []
    for path in (_ROOT / "leadpipe").rglob("*.py"):
        place = path.relative_to(_ROOT)
        own = place.parts[1] if place.parts[1] in DOMAINS else None
        allowed = {own} | _SHARED if own else set()
        wrong += [
            f"{place} imports {used}"
            for used in imports.findall(path.read_text())
            if used not in allowed and (str(place), used) not in _EXCEPTIONS
        ]
    assert wrong == []


@pytest.mark.parametrize(
    ("files", "foreign"),
    [
        ("posthog_sandbox/**/*.py", "leadpipe|leadpipe_tests|dagster"),
        ("leadpipe_tests/posthog_sandbox/*.py", "leadpipe|dagster"),
    ],
)
def test_what_is_tested_against_stands_by_itself(files, foreign):
    """The sandbox and its tests import nothing of what is tested against them."""
    imports = re.compile(rf"^\s*(import|from) ({foreign})\b(?!_)", re.MULTILINE)
    paths = list(_ROOT.glob(files))
    assert paths
    assert [str(path) for path in paths if imports.search(path.read_text())] == []


def test_no_module_is_named_after_nothing():
    """A module's name says what is in it."""
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "stuff"}
    assert [path.name for path in _SOURCES if path.stem in vague] == []


def test_every_module_says_what_belongs_in_it():
    """Each module of the packages begins with a docstring."""
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
