"""A sandbox whose clock runs, settings that begin some days ago, and a Dagster instance."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.dagster_ui.builders import HISTORY_DAYS
from posthog_sandbox.process import SandboxProcess

_LONGEST_TEST = timedelta(seconds=60)


@pytest.fixture
def posthog(sandbox: SandboxProcess) -> SandboxProcess:
    """An empty sandbox that keeps real time, as Dagster does."""
    sandbox.control.set_clock(None)
    return sandbox


@pytest.fixture
def today() -> date:
    """Today in UTC, and for as long as a test takes: just before midnight it waits for tomorrow."""
    now = datetime.now(UTC)
    if (now + _LONGEST_TEST).date() != now.date():
        time.sleep(_LONGEST_TEST.total_seconds())
    return datetime.now(UTC).date()


@pytest.fixture
def live(tmp_path: Path, posthog: SandboxProcess, today: date) -> Settings:
    """Settings for the running sandbox that begin `HISTORY_DAYS` ago; the whole range is small."""
    return whole_settings()(
        _env_file=None,
        posthog_api_key=posthog.api_key,
        posthog_project_id=posthog.project_id,
        posthog_base_url=posthog.url,
        data_dir=tmp_path / "data",
        dagster_home=tmp_path,
        start_date=today - timedelta(days=HISTORY_DAYS),
    )


@pytest.fixture
def stored(live: Settings) -> Warehouse:
    """The warehouse of `live`."""
    return Warehouse(live.warehouse_path, lock_timeout_seconds=5.0)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that is forgotten, but can be asked while the test lasts."""
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def runs_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this test keep no runs: making Dagster's tables takes a second each time."""
    monkeypatch.setattr(
        "leadpipe.execution.dagster_instance", lambda _: dg.DagsterInstance.ephemeral()
    )
