"""A domain is deleted with its folder, its tests and its line: everything else works as before."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from leadpipe.cli import main
from leadpipe.definitions import build_defs
from leadpipe_tests.dagster_ui.builders import shown_of
from leadpipe_tests.deleting import DELETABLE, copy_without, environment, run, run_tests

_DOMAIN = "draws"
_LEFT = """
from datetime import UTC, datetime
from pathlib import Path
from leadpipe.connections import open_warehouse
from leadpipe.definitions import build_defs
from leadpipe.rebuild import rebuild
from leadpipe.settings import load_settings
from leadpipe.web.app import create_app

settings = load_settings(data_dir=Path("data"))
create_app(settings)
graph = build_defs(settings=settings).resolve_asset_graph()
print(*(key.to_user_string() for key in graph.executable_asset_keys))
rebuild(settings, now=datetime.now(UTC))
with open_warehouse(settings).connect() as connection:
    print(*(table for (table,) in connection.execute("SHOW TABLES").fetchall()))
"""
_QUICK = (
    "test_domains.py",
    "test_walls.py",
    "warehouse/test_upgrade.py",
    "published/test_publication.py",
    "published/test_equality.py::test_the_check_is_part_of_every_sync",
    "listings/test_pages.py",
    "web/test_page.py",
    "web/test_cron.py",
    "dagster_ui/test_definitions.py",
)
"""What gathers from the domains, and a domain beside; `make test-domains` runs all tests of what is left."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code without the domain."""
    return copy_without(_DOMAIN, tmp_path_factory.mktemp("without"))


def test_the_rest_is_green(copy):
    """What gathers from the domains, and a domain beside, passes its tests."""
    done = run_tests(copy, *(f"leadpipe_tests/{name}" for name in _QUICK))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "domain",
    [
        pytest.param(domain, marks=() if domain == _DOMAIN else pytest.mark.long)
        for domain in DELETABLE
    ],
)
def test_leadpipe_works_without_it(domain, tmp_path):
    """Command line, Dagster, the page and the warehouse have what the others bring, and nothing of it."""
    copy = copy_without(domain, tmp_path / "copy")
    brought = importlib.import_module(f"leadpipe.{domain}.tables").TABLES
    said = run(copy, "leadpipe", "--help")
    assert said.returncode == 0, said.stderr
    listed = said.stdout.partition("Commands:")[2]
    commands = set(re.findall(r"^  ([a-z-]+) ", listed, flags=re.MULTILINE))
    own = set(importlib.import_module(f"leadpipe.{domain}").COMMANDS)
    assert commands == set(main.list_commands(click.Context(main))) - own
    (copy / "left.py").write_text(_LEFT)
    left = run(copy, "left")
    assert left.returncode == 0, left.stderr
    assets, tables = (set(line.split()) for line in left.stdout.splitlines())
    every = {
        key.to_user_string() for key in build_defs().resolve_asset_graph().executable_asset_keys
    }
    assert assets == every - set(shown_of(domain))
    assert "raw_events" in tables
    assert tables & set(brought) == set()


def test_the_walls_stand(copy):
    """No contract of the import linter names the domain."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"],
        cwd=copy,
        env=environment(copy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
