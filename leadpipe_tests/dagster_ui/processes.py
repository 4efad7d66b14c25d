"""Programs that the tests start and always end: the Dagster UI, its daemon, leadpipe's own commands.

Belongs here: starting, waiting with deadlines, ending. What is asserted is the tests' business.
"""

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from leadpipe.http.trust import authorities
from posthog_sandbox.process import SandboxProcess

REPOSITORY = Path(__file__).parents[2]
_Answer = TypeVar("_Answer")
_END_SECONDS = 60.0
_MONITORING = "poll_interval_seconds: 15\n"
# Below those that the system gives to clients, and to servers that leave the choice to it.
_PORTS = range(20_000, 32_000)


def wait_for(
    what: str, ask: Callable[[], _Answer | None], *, seconds: float, every: float = 0.1
) -> _Answer:
    """Ask every so many seconds until there is an answer; fail with `what` after `seconds`."""
    give_up_at = time.monotonic() + seconds
    while (answer := ask()) is None:
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
    return answer


def environment(sandbox: SandboxProcess, **extra: str) -> dict[str, str]:
    """The environment of a leadpipe that reads from the sandbox."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ["PYTHONPATH"])),
        "PYTHONWARNINGS": "default",
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        **extra,
    }


@contextmanager
def program(
    arguments: list[str], *, log: Path, cwd: Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program with all its children in a group of their own, which is ended on leaving."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # code servers that outlived their parent


@dataclass(frozen=True)
class DagsterUi:
    """A running webserver with its daemon."""

    url: str
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """What GraphQL answers; an error in the answer fails the test."""
        answer = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            timeout=60.0,
            trust_env=False,
            verify=authorities(is_loopback=True),
        ).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def kill(self, *, spare: int | None = None) -> None:
        """Kill webserver, daemon, code servers and runs at once, as a power loss does; or all but one."""
        groups = {process.pid for process in self.programs}
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True
        ).stdout
        for pid, group in (map(int, line.split()) for line in listed.splitlines()):
            if group in groups and pid != spare:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in self.programs:
            process.wait(_END_SECONDS)


@contextmanager
def dagster_ui(
    home: Path, env: Mapping[str, str], *, seconds: float = 120.0, file: str = "dagster.yaml"
) -> Iterator[DagsterUi]:
    """The webserver and the daemon on this repository's own instance and workspace files.

    Runs are looked at more often than every 15 s: nobody's test waits for that.
    """
    shutil.copy(REPOSITORY / "workspace.yaml", home)
    instance = (REPOSITORY / file).read_text(encoding="utf-8")
    assert instance.count(_MONITORING) == 1, instance
    quick = instance.replace(_MONITORING, "poll_interval_seconds: 3\n")
    (home / "dagster.yaml").write_text(quick, encoding="utf-8")
    port = free_port()
    ui = DagsterUi(f"http://127.0.0.1:{port}")
    env = {
        **env,
        "DAGSTER_HOME": str(home),
        # One planned event an asset instead of one a day: a run over a year is submitted at once.
        "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "true",
    }
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> None:
            command = ["-m", *arguments, "-w", "workspace.yaml"]
            ui.programs.append(
                stack.enter_context(program(command, log=home / f"{name}.log", cwd=home, env=env))
            )

        try:
            # One after the other: both would make the tables of an empty instance.
            start("webserver", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port))
            wait_for(
                "the Dagster UI",
                lambda: answers(f"{ui.url}/server_info"),
                seconds=seconds,
                every=0.5,
            )
            start("daemon", "dagster._daemon", "run")
            yield ui
        except BaseException as error:
            for log in sorted(home.glob("*.log")):
                error.add_note(f"{log.name}:\n{log.read_text(errors='replace')[-4_000:]}")
            raise


def answers(url: str) -> bool | None:
    """Whether something answers with 200; None if not yet."""
    trusted = authorities(is_loopback=True)
    try:
        answer = httpx.get(url, timeout=20, trust_env=False, verify=trusted)
    except httpx.HTTPError:
        return None
    return True if answer.status_code == 200 else None


def free_port() -> int:
    """A port for a program that has to be told one: nobody listens there, and no other test gets it.

    It stays this process's until that ends, whatever runs beside it.
    """
    folder = Path(tempfile.gettempdir()) / f"leadpipe-tests-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for port in random.SystemRandom().sample(_PORTS, 500):
        mark = os.open(folder / str(port), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(mark)
        else:
            return port
    raise AssertionError(f"500 ports between {_PORTS[0]} and {_PORTS[-1]} are taken")
