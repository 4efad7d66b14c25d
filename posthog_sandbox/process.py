"""The sandbox as a process of its own, for tests and demos.

Belongs here: starting, waiting until ready, stopping. Does not belong here: the server (`server.py`)
and ClickHouse, which must never live in a process that forks.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import IO, Self

from posthog_sandbox.control import SandboxControl

READY_PREFIX = "sandbox ready at "
PROJECT_API_KEY = "phc_sandbox"
_STOP_SECONDS = 10.0
_TAIL_LINES = 30


class SandboxFailed(RuntimeError):  # noqa: N818 - reads as what happened
    """The sandbox did not become ready; the message ends with the tail of its stderr."""


class SandboxProcess:
    """A running sandbox; stop it, or use it as a context manager.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        api_key: the personal API key that it accepts.
        project_id: the one project that it has.
        project_api_key: a project key to send events with; any other is taken too.
        pid: of the server process.
        control: levers for tests, see `SandboxControl`.
    """

    def __init__(
        self, process: subprocess.Popen[str], *, url: str, api_key: str, project_id: str
    ) -> None:
        self._process = process
        self.url = url
        self.api_key = api_key
        self.project_id = project_id
        self.project_api_key = PROJECT_API_KEY
        self.pid = process.pid
        self.control = SandboxControl(url)

    @classmethod
    def start(
        cls,
        *,
        port: int = 0,
        events: int = 0,
        days: int = 60,
        end: datetime | None = None,
        seed: int = 1,
        project_timezone: str = "UTC",
        live: float = 0,
        webhook: str | None = None,
        data_dir: Path | None = None,
        api_key: str = "phx_sandbox",
        project_id: str = "1",
        startup_timeout: float = 60.0,
    ) -> Self:
        """Start a sandbox and wait until it answers.

        Args:
            port: 0 picks a free one.
            events: rows of generated traffic; 0 starts empty.
            days: the traffic's length, ending at `end`.
            end: default now; must know its time zone.
            seed: same seed, events, days and end give the same rows.
            project_timezone: the zone in which naive date literals are read.
            live: further events a minute while it runs.
            webhook: where page views are posted as they come in.
            data_dir: default a temporary one; kept if given, and used again as it is.
            api_key: the personal API key to accept.
            project_id: the project's number.
            startup_timeout: seconds until it counts as failed.

        Raises:
            SandboxFailed: it ended, or was not ready in time.
        """
        command = [
            *(sys.executable, "-m", "posthog_sandbox", "serve", "--exit-with-parent"),
            *("--port", str(port), "--events", str(events), "--days", str(days)),
            *("--seed", str(seed), "--project-timezone", project_timezone),
            *("--live", str(live), "--api-key", api_key, "--project-id", project_id),
        ]
        if end is not None:
            command += ["--end", end.isoformat()]
        if webhook is not None:
            command += ["--webhook", webhook]
        if data_dir is not None:
            command += ["--data-dir", str(data_dir.absolute())]
        with tempfile.TemporaryFile("w+") as stderr:
            process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=Path(__file__).parents[1],
            )
            try:
                url = _ready_url(process, deadline=time.monotonic() + startup_timeout)
            except BaseException as error:
                _end(process)
                if not isinstance(error, SandboxFailed):
                    raise
                stderr.seek(0)
                tail = "".join(deque(stderr, _TAIL_LINES))
                raise SandboxFailed(f"{error} Its last words:\n{tail}") from None
        return cls(process, url=url, api_key=api_key, project_id=project_id)

    def stop(self) -> None:
        """End the process and wait for it; safe to call twice."""
        self.control.close()
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"SandboxProcess(url={self.url!r}, pid={self.pid})"


def _ready_url(process: subprocess.Popen[str], *, deadline: float) -> str:
    """The address in the ready line; read in a thread, so that silence cannot hold us."""
    stdout = process.stdout
    if stdout is None:
        raise SandboxFailed("The sandbox has no stdout to announce itself on.")
    lines: list[str] = []
    reader = threading.Thread(target=_read_line, args=(stdout, lines), daemon=True)
    reader.start()
    reader.join(max(0.0, deadline - time.monotonic()))
    if reader.is_alive():
        raise SandboxFailed(
            "The sandbox was not ready in time; give it fewer events or a longer startup_timeout."
        )
    if lines and lines[0].startswith(READY_PREFIX):
        return lines[0].removeprefix(READY_PREFIX).strip()
    raise SandboxFailed(f"The sandbox ended with exit code {process.wait(_STOP_SECONDS)}.")


def _read_line(stream: IO[str], lines: list[str]) -> None:
    lines.append(stream.readline())


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
    if process.stdout is not None:
        process.stdout.close()
