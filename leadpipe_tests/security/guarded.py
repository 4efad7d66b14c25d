"""The page and the Dagster UI as programs, as the services in docs/operations.md start them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leadpipe_tests.dagster_ui.processes import answers, environment, free_port, program, wait_for
from posthog_sandbox.process import SandboxProcess


@dataclass(frozen=True)
class Guarded:
    """Their ports, and the Dagster UI's process."""

    page: int
    dagster: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The Dagster UI without a proxy."""
        return f"http://127.0.0.1:{self.dagster}"


@contextmanager
def guarded(folder: Path, sandbox: SandboxProcess, **extra: str) -> Iterator[Guarded]:
    """Start `leadpipe dagster --daemon` and `leadpipe serve` over a data folder, and end them."""
    page, dagster = free_port(), free_port()
    env = environment(
        sandbox,
        DAGSTER_HOME="",
        LEADPIPE_DATA_DIR=str(folder / "data"),
        LEADPIPE_WEB_PORT=str(page),
        LEADPIPE_DAGSTER_URL=f"http://127.0.0.1:{dagster}",
        PYTHONWARNINGS="ignore",  # of what Dagster imports
        **extra,
    )
    ui = ["-m", "leadpipe", "dagster", "--daemon", "--port", str(dagster)]
    with (
        program(ui, log=folder / "dagster.log", cwd=folder, env=env) as process,
        program(["-m", "leadpipe", "serve"], log=folder / "page.log", cwd=folder, env=env),
    ):
        try:
            for url in (f"http://127.0.0.1:{dagster}/healthz", f"http://127.0.0.1:{page}/healthz"):
                wait_for(url, lambda url=url: answers(url), seconds=120, every=0.5)  # type: ignore[misc]
            yield Guarded(page, dagster, process)
        except BaseException as error:
            for log in sorted(folder.glob("*.log")):
                error.add_note(f"{log.name}:\n{log.read_text(errors='replace')[-4_000:]}")
            raise


def grown(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> int:
    """The memory that a process has in bytes."""
    status = Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(status[1]) * os.sysconf("SC_PAGE_SIZE")
