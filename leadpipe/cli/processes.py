"""Programs that a command starts, watches, and takes down again."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from leadpipe.settings import child_environment

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
