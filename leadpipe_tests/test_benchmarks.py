"""The benchmark of the extraction still runs: what it measures moves, and nobody starts it for months."""

import subprocess
import sys

import pytest

from leadpipe_tests.dagster_ui.processes import REPOSITORY

EVENTS = 300


@pytest.fixture(scope="module")
def replay():
    """The address of a server with a few events ready."""
    command = [sys.executable, "-m", "benchmarks.replay", str(EVENTS)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


@pytest.mark.parametrize("side", ["fetch", "naive", "leadpipe"])
def test_each_side_of_the_extraction_takes_every_event(replay, side):
    """A side that misses one ends with an error; one that cannot start any more does so too."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.extract", side, replay, str(EVENTS), "100"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) > 0, done.stdout
