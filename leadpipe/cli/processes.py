"""Programs that a command starts, watches, and takes down again."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import httpx

from leadpipe.http.trust import authorities
from leadpipe.settings import child_environment

_LOOK_SECONDS = 0.2
_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 1.0


def run_until_stopped(
    commands: Sequence[Sequence[str]],
    extra: Mapping[str, str],
    *,
    urls: Sequence[str] = (),
    on_ready: Callable[[], None] = lambda: None,
) -> int:
    """Run programs until one ends or we are told to stop; each gets the chance to end by itself.

    Args:
        commands: a program and its arguments each.
        extra: added to the environment of all.
        urls: what the programs answer at once they are ready.
        on_ready: called when each of the urls has answered.

    Returns:
        The exit code of the program that ended first; 0 when we were told to stop.
    """
    stopping = threading.Event()
    # Before the start: a program of ours would ignore the signals that we ignore.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    processes: list[subprocess.Popen[bytes]] = []
    silent = list(urls)
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
            if silent and not (silent := [url for url in silent if not _answers(url)]):
                on_ready()
        return 0
    finally:
        _stop(processes)


def replace_with(command: Sequence[str], extra: Mapping[str, str]) -> NoReturn:
    """Become a program: it has our process, its signals and its end.

    Args:
        command: the program and its arguments.
        extra: added to its environment.
    """
    os.execve(command[0], list(command), child_environment(extra))  # noqa: S606 - our own programs


def _answers(url: str) -> bool:
    try:
        trusted = authorities(is_loopback=True)
        return httpx.get(url, timeout=_ANSWER_SECONDS, trust_env=False, verify=trusted).is_success
    except httpx.HTTPError:
        return False


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


def program(words: str = "") -> str:
    """How a command is typed here: with a path, unless the shell finds this very program.

    Args:
        words: the command and its options.
    """
    typed, beside = Path(sys.argv[0]), Path(sys.executable).with_name("leadpipe")
    ours = [each for each in (typed, beside) if each.name == "leadpipe" and each.exists()]
    found = shutil.which("leadpipe")
    if found and any(each.samefile(found) for each in ours):
        name = "leadpipe"
    elif ours:
        name = _from_here(ours[0])
    else:
        name = f"{_from_here(Path(sys.executable))} -m leadpipe"
    return f"{name} {words}".rstrip()


def activation() -> str | None:
    """The line after which `leadpipe` is found; None where it is found already, or there is no such line."""
    script = Path(sys.executable).with_name("activate")
    if program() == "leadpipe" or not script.exists():
        return None
    return f". {_from_here(script)}"


def _from_here(path: Path) -> str:
    whole = str(path.absolute())
    return shlex.quote(min(os.path.relpath(whole), whole, key=len))
