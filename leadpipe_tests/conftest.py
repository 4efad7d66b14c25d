"""What all tests share: one clock, a warehouse in a temporary folder, a sandbox, their own environment."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import hypothesis
import pytest
import time_machine

# Nothing is timed: beside other work an example takes as long as it takes.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

# Where there is room for it, all files of the tests are in memory: a commit then waits for no disk. No test
# ends the machine, so none can tell the difference. TMPDIR names another folder.
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4_000_000_000
if (
    not os.environ.get("TMPDIR")
    and os.access(_MEMORY, os.W_OK)
    and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
):
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)

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
    "LEADPIPE_BROKER": "",
    "DAGSTER_PG_URL": "",
    "LEADPIPE_ALERT_TO": "",
    "LEADPIPE_FAILURE_WEBHOOK_URL": "",
    # Nobody's role: what this machine would find in a cloud is not asked for.
    "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1",
    "GCE_METADATA_HOST": "127.0.0.1:1",
    "GCE_METADATA_IP": "127.0.0.1:1",
    # Whatever Python a test starts has the test's clock.
    "PYTHONPATH": os.pathsep.join(
        filter(None, (str(Path(__file__).parent / "calendar"), os.environ.get("PYTHONPATH")))
    ),
}

from leadpipe.settings import Settings, whole_settings  # noqa: E402
from leadpipe.warehouse import Warehouse  # noqa: E402
from leadpipe.warehouse.connection import receipt_of  # noqa: E402
from leadpipe.warehouse.migrations import gather_migrations  # noqa: E402
from leadpipe_tests.clocks import (  # noqa: E402
    NOW,
    OneClock,
    refuse_dates,
    today_before_midnight,
    wait_for_a_day_that_lasts,
)
from posthog_sandbox.process import SandboxProcess  # noqa: E402

# Whatever the domain, its tests may use the page, Dagster, and a browser.
pytest_plugins = [
    "leadpipe_tests.web.fixtures",
    "leadpipe_tests.web.browser.fixtures",
    "leadpipe_tests.dagster_ui.fixtures",
    "leadpipe_tests.security.accounts",
    "leadpipe_tests.postgres",
    "leadpipe_tests.lakes",
    "leadpipe_tests.redis_server",
    "leadpipe_tests.s3_server",
    "leadpipe_tests.cloud",
]


def pytest_collection_finish() -> None:
    """What is imported and collected stays: no collection of garbage goes through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def migrated_once() -> Iterator[None]:
    """A warehouse that is made begins as a copy of one that this process has migrated.

    Which migrations there are is asked each time: a test with other domains has their tables. It was migrated
    at NOW, whatever the clock of the test that is the first to need it.
    """
    open_file = Warehouse._open
    made: dict[tuple[str, ...], bytes] = {}

    def opened(warehouse: Warehouse, stack: ExitStack) -> tuple[duckdb.DuckDBPyConnection, bool]:
        path = warehouse.path
        is_moved = receipt_of(path.resolve()).exists()
        is_odd = "?" in str(path.resolve())
        if warehouse.lake is None and not (path.exists() or is_moved or is_odd):
            names = tuple(gather_migrations())
            if names not in made:
                made[names] = b""  # the one it is made from opens an empty file
                with tempfile.TemporaryDirectory(dir=_HOME, prefix=".migrated-") as folder:
                    first = Warehouse(Path(folder) / path.name)
                    with time_machine.travel(NOW, tick=False), first.connect():
                        pass
                    made[names] = first.path.read_bytes()
            if made[names]:
                path.parent.mkdir(parents=True, exist_ok=True)
                copy = path.with_name(f".{path.name}.{uuid4()}")
                copy.write_bytes(made[names])
                with suppress(FileExistsError):
                    os.link(copy, path)
                copy.unlink()
        return open_file(warehouse, stack)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "_open", opened)
        yield


@pytest.fixture
def machine_clock() -> None:
    """Asked for by a test whose every part keeps the machine's time, because programs run by it.

    The day lasts for the whole test: just before midnight it begins tomorrow.
    """


@pytest.fixture
def todays_clock() -> None:
    """Asked for by a test about whatever day it is: its clock stands at the moment it begins."""


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest) -> Iterator[OneClock]:
    """The test's only clock: it stands at NOW for all that takes part, or is the machine's."""
    asked_for = {"machine_clock", "todays_clock"} & {*request.fixturenames}
    if asked_for:
        refuse_dates(request)
    if "machine_clock" in asked_for:
        wait_for_a_day_that_lasts()
    today = None if "machine_clock" in asked_for else today_before_midnight()
    one = OneClock(today if asked_for else NOW, is_dated=not asked_for)
    yield one
    one.release()


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
def sandbox(
    sandbox_process: SandboxProcess, clock: OneClock, monkeypatch: pytest.MonkeyPatch
) -> SandboxProcess:
    """An empty PostHog sandbox with the test's clock: whoever moves one moves both."""
    sandbox_process.control.reset()
    clock.take_along(sandbox_process.control.set_clock)
    monkeypatch.setattr(sandbox_process.control, "set_clock", clock.set)
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
