"""A sandbox of today, settings that begin some days ago, and a Dagster instance."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import OneClock
from leadpipe_tests.dagster_ui.builders import HISTORY_DAYS
from leadpipe_tests.dagster_ui.engines import PLACES, Engines
from posthog_sandbox.process import SandboxProcess


@pytest.fixture
def posthog(todays_clock: None, sandbox: SandboxProcess) -> SandboxProcess:
    """An empty sandbox whose day is the one on which the test begins, as Dagster's is."""
    return sandbox


@pytest.fixture
def today(todays_clock: None, clock: OneClock) -> date:
    """Today in UTC, for as long as the test takes."""
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


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """What Dagster reads its SQLite storage by, in all tests."""
    made = Engines()
    with pytest.MonkeyPatch.context() as patch:
        for place in PLACES:
            patch.setattr(place, made)
        yield made


@pytest.fixture(autouse=True)
def engines_of_a_test(engines: Engines) -> Iterator[None]:
    """No connection outlives the test."""
    yield
    engines.close()


@pytest.fixture
def runs_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this test keep no runs: making Dagster's tables takes a second each time."""
    monkeypatch.setattr(
        "leadpipe.execution.dagster_instance", lambda _: dg.DagsterInstance.ephemeral()
    )
