"""What all tests share: a warehouse in a temporary folder, a sandbox, and an environment of their own."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

# Before anything of leadpipe is imported: the partitions begin where the settings say.
_HOME = Path(tempfile.mkdtemp(prefix="leadpipe-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ |= {
    "LEADPIPE_START_DATE": min(
        date(2026, 1, 1), datetime.now(UTC).date() - timedelta(days=400)
    ).isoformat(),
    "LEADPIPE_DATA_DIR": str(_HOME / "data"),
    "DAGSTER_HOME": "",
    "POSTHOG_API_KEY": "",
    "POSTHOG_PROJECT_ID": "",
    "POSTHOG_PROJECT_API_KEY": "",
    "POSTHOG_BASE_URL": "",
    "LEADPIPE_WAREHOUSE": "",
    "LEADPIPE_ALERT_TO": "",
    "LEADPIPE_FAILURE_WEBHOOK_URL": "",
}

from leadpipe.settings import Settings, whole_settings  # noqa: E402
from leadpipe.warehouse import Warehouse  # noqa: E402
from posthog_sandbox.process import SandboxProcess  # noqa: E402

# Whatever the domain, its tests may use the page, Dagster, and a browser.
pytest_plugins = [
    "leadpipe_tests.web.fixtures",
    "leadpipe_tests.web.browser.fixtures",
    "leadpipe_tests.dagster_ui.fixtures",
]

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own, without anybody's .env."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty warehouse."""
    return Warehouse(tmp_path / "data" / "leadpipe.duckdb", lock_timeout_seconds=5.0)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    """One sandbox for all tests; use `sandbox`, which empties it."""
    with SandboxProcess.start() as process:
        yield process


@pytest.fixture
def sandbox(sandbox_process: SandboxProcess) -> SandboxProcess:
    """An empty PostHog sandbox whose clock stands at NOW."""
    sandbox_process.control.reset()
    sandbox_process.control.set_clock(NOW)
    return sandbox_process


@pytest.fixture
def settings(tmp_path: Path, sandbox: SandboxProcess) -> Settings:
    """Settings for the sandbox, with everything in the test's own folder."""
    return whole_settings()(
        _env_file=None,
        posthog_api_key=sandbox.api_key,
        posthog_project_id=sandbox.project_id,
        posthog_project_api_key=sandbox.project_api_key,
        posthog_base_url=sandbox.url,
        data_dir=tmp_path / "data",
        dagster_home=tmp_path,
    )
