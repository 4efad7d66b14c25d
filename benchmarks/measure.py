"""Run commands in turn, each as a process of its own, and print medians, ratios and peak memory.

Machines are noisy: only figures of one run are compared, and the ratio counts.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Figures:
    """One command's runs: wall and CPU seconds of each, and the largest resident set of any, in MB.

    CPU seconds are those of the command and of what it started; empty where a command does not tell them.
    """

    seconds: tuple[float, ...]
    peak_megabytes: float
    cpu_seconds: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        """The median of the wall seconds."""
        return statistics.median(self.seconds)

    @property
    def median_cpu(self) -> float:
        """The median of the CPU seconds."""
        return statistics.median(self.cpu_seconds)


def run_in_turn(commands: Mapping[str, Sequence[str]], *, runs: int = 3) -> dict[str, Figures]:
    """Run every command `runs` times, A B A B …, each `python -m` with the given arguments.

    A command prints the seconds of what is measured as its last line, with a second number those of CPU;
    imports do not count.

    Raises:
        RuntimeError: a command failed.
    """
    seconds: dict[str, list[list[float]]] = {name: [] for name in commands}
    peaks: dict[str, float] = dict.fromkeys(commands, 0.0)
    for _ in range(runs):
        for name, arguments in commands.items():
            took, peak = _run([sys.executable, "-m", *arguments])
            seconds[name].append(took)
            peaks[name] = max(peaks[name], peak)
    return {
        name: Figures(
            tuple(took[0] for took in seconds[name]),
            peaks[name],
            tuple(took[1] for took in seconds[name] if len(took) > 1),
        )
        for name in commands
    }


def _run(command: Sequence[str]) -> tuple[list[float], float]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if process.stdout:
        process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return list(map(float, output.strip().splitlines()[-1].split())), usage.ru_maxrss / 1024


def print_figures(title: str, figures: Mapping[str, Figures], *, against: str) -> None:
    """A line a command: median, spread, ratio to the command `against`, CPU seconds, peak memory."""
    print(f"\n{title}")
    base = figures[against].median
    for name, figure in figures.items():
        spread = f"{min(figure.seconds):.2f} to {max(figure.seconds):.2f}"
        ratio = f"{figure.median / base:.2f} x {against}"
        cpu = f"{figure.median_cpu:7.2f} s CPU" if figure.cpu_seconds else ""
        print(
            f"  {name:<28} {figure.median:7.2f} s  ({spread})  {ratio:<24} {cpu} "
            f"{figure.peak_megabytes:6.0f} MB"
        )


class Stopwatch:
    """Measures a block and prints its seconds, wall and CPU, as `run_in_turn` wants them."""

    def __enter__(self) -> "Stopwatch":
        self._started, self._cpu_started = time.perf_counter(), cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        print(
            f"{time.perf_counter() - self._started:.3f} {cpu_seconds() - self._cpu_started:.3f}",
            flush=True,
        )


def cpu_seconds() -> float:
    """Of this process and of those it has started and waited for."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def forget_peak() -> None:
    """Let the peak of this process's memory begin again at what it has now; on Linux."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """The largest resident set of this process since `forget_peak`, or since it began."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
