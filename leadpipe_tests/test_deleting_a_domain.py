"""A domain is deleted with its folder, its tests and its line: everything else works as before."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leadpipe_tests.deleting import copy_without, environment, run, run_tests

_DOMAIN = "draws"
_QUICK = (
    "test_domains.py",
    "test_walls.py",
    "warehouse",
    "published",
    "listings",
    "web/test_page.py",
    "web/test_access.py",
    "web/test_cron.py",
    "dagster_ui/test_definitions.py",
)
"""Everything that gathers from the domains, and a domain beside; `make test-domains` runs all tests."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code without the domain."""
    return copy_without(_DOMAIN, tmp_path_factory.mktemp("without"))


def test_the_rest_is_green(copy):
    """What gathers from the domains, and a domain beside, passes its tests."""
    done = run_tests(copy, *(f"leadpipe_tests/{name}" for name in _QUICK))
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_command_its_assets_and_its_jobs_are_gone(copy):
    """Nothing of it is left in the command line, in Dagster and among the published tables."""
    said = run(copy, "leadpipe", "--help")
    assert said.returncode == 0, said.stderr
    assert f"\n  {_DOMAIN} " not in said.stdout
    assert "\n  sync " in said.stdout
    (copy / "left.py").write_text(
        '"""What is left."""\n'
        "from leadpipe.definitions import defs\n"
        "from leadpipe.published.tables import table_names\n"
        "graph = defs.resolve_asset_graph()\n"
        "print(*(key.to_user_string() for key in graph.get_all_asset_keys()))\n"
        "print(*(job.name for job in defs.resolve_all_job_defs()))\n"
        "print(*table_names())\n"
    )
    left = run(copy, "left")
    assert left.returncode == 0, left.stderr
    assert "raw_events" in left.stdout
    assert _DOMAIN.removesuffix("s") not in left.stdout


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
