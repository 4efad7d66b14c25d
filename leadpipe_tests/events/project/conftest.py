"""The command line against the sandbox, in a folder of the test's own."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from click.testing import CliRunner, Result

import leadpipe.cli
from leadpipe_tests.clocks import let_pass


@pytest.fixture
def yesterday(todays_clock) -> datetime:
    """Ten o'clock on the day before."""
    return datetime.combine(datetime.now(UTC) - timedelta(days=1), time(10), UTC)


@pytest.fixture
def run(yesterday, sandbox, monkeypatch, tmp_path, runs_forgotten) -> Callable[..., Result]:
    """Types a command; the settings are those of the sandbox and the test's own folder."""
    for name, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "LEADPIPE_START_DATE": (yesterday - timedelta(days=2)).date().isoformat(),
        "LEADPIPE_LOCK_TIMEOUT_SECONDS": "2",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)

    def typed(*arguments: str) -> Result:
        let_pass(1)
        return CliRunner().invoke(leadpipe.cli.main, arguments)

    return typed
