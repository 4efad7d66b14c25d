"""Benchmarks still run: what they measure moves, and nobody starts them for months."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.warehouse import Warehouse
from leadpipe_tests.dagster_ui.processes import REPOSITORY
from posthog_sandbox.process import SandboxProcess

EVENTS = 300


def served(module):
    """The address of a benchmark's server with a few events ready."""
    command = [sys.executable, "-m", module, str(EVENTS)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def replay():
    """The server of pages alone."""
    yield from served("benchmarks.replay")


@pytest.fixture(scope="module")
def lanes():
    """The server of pages and of exports."""
    yield from served("benchmarks.lane_server")


def measured(*command):
    """The seconds that a side prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout.split()[0])


@pytest.mark.parametrize("side", ["fetch", "naive", "leadpipe"])
def test_each_side_of_the_extraction_takes_every_event(replay, side):
    """A side that misses one ends with an error; one that cannot start any more does so too."""
    assert measured("benchmarks.extract", side, replay, str(EVENTS), "100") > 0


@pytest.mark.parametrize("side", ["pages", "fetch", "script", "query", "download", "folder"])
def test_each_side_of_the_lanes_takes_every_event(lanes, side):
    """The same for lanes: leadpipe's sides end with an error unless every day is proved."""
    assert measured("benchmarks.lanes", side, lanes, str(EVENTS)) > 0


def test_each_side_of_a_changed_mapping_ends_with_the_days_proved(tmp_path):
    """Loaded, synced, typed again, read again, in turn; a day that differs afterwards is an error."""
    end = datetime.now(UTC) - timedelta(days=4)
    (tmp_path / "data").mkdir()
    with SandboxProcess.start(events=EVENTS, days=5, end=end) as sandbox:
        for side in ("load", "nothing", "stored", "lacking"):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.mapping", side, str(tmp_path), sandbox.url],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert float(done.stdout.split()[-1]) > 0, done.stdout
            read = int(done.stderr.split()[-3].replace(",", ""))
            assert (read > 0) == (side in ("load", "lacking")), done.stderr


@pytest.mark.file_only("copies a history's file")
def test_each_step_of_a_sync_is_measured(tmp_path):
    """Two syncs of a small history: all new events come in, and what is published equals the warehouse."""
    command = [sys.executable, "-m", "benchmarks.steps"]
    folder = tmp_path / "built"
    for arguments in (
        ["build", "22000", str(folder)],
        ["sync", str(folder)],
        ["sync", str(folder)],
    ):
        done = subprocess.run(
            [*command, *arguments],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "listings" in json.loads(done.stdout.splitlines()[-1])
    with Warehouse(folder / "leadpipe.duckdb").connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(lead_type) = (SELECT sum(total_actions) FROM leads) FROM raw_events"
        ).fetchone()
    assert found == (26_000, True)
