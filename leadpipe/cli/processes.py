"""Programs that a command starts, watches, and takes down again; what they need to run at all."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from leadpipe.settings import Settings, child_environment

_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30.0


def run_until_stopped(commands: Sequence[Sequence[str]], extra: Mapping[str, str]) -> int:
    """Run programs until one ends or we are told to stop; each gets the chance to end by itself.

    Args:
        commands: a program and its arguments each.
        extra: added to the environment of all.

    Returns:
        The exit code of the program that ended first; 0 when we were told to stop.
    """
    stopping = threading.Event()
    # Before the start: a program of ours would ignore the signals that we ignore.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            processes.append(  # noqa: PERF401 - those that started are stopped if the next one cannot
                subprocess.Popen(  # noqa: S603 - our own programs
                    list(command), env=child_environment(extra), start_new_session=True
                )
            )
        while not stopping.wait(_LOOK_SECONDS):
            ended = [process for process in processes if process.poll() is not None]
            if ended:
                return ended[0].returncode
        return 0
    finally:
        _stop(processes)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGINT)
    for process in running:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ensure_dagster_home(settings: Settings) -> Path:
    """Dagster's home, with leadpipe's `dagster.yaml` put there if it has none; runs are kept from then on."""
    home = (settings.dagster_home or Path.cwd()).resolve()
    if not (home / "dagster.yaml").exists():
        home.mkdir(parents=True, exist_ok=True)
        package = Path(str(files("leadpipe")))
        # In a wheel it lies in the package, in a clone beside it.
        found = next(
            file
            for folder in (package, package.parent)
            if (file := folder / "dagster.yaml").exists()
        )
        shutil.copyfile(found, home / "dagster.yaml")
    return home


def program(words: str) -> str:
    """How the reader types a command: with the path by which this program was started, where it needs one."""
    typed = Path(sys.argv[0])
    name = (
        "leadpipe"
        if shutil.which("leadpipe") or typed.name != "leadpipe"
        else os.path.relpath(typed)
    )
    return f"`{name} {words}`"
