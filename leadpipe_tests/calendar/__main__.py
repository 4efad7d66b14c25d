"""The suite under shifted clocks, one run after the other, and a table of how they went.

Every Python process believes in the date, see `sitecustomize.py`; monotonic time and the browser do not.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
SHIFT = "LEADPIPE_TESTS_SHIFT"

# Moments to begin at: the next day, beyond all retention, the last minutes of a year, a leap day, and the
# end of an ISO year (2026-W53).
MOMENTS: dict[str, datetime | timedelta] = {
    "tomorrow": timedelta(days=1),
    "40-days": timedelta(days=40),
    "new-year": datetime(2026, 12, 31, 23, 58, tzinfo=UTC),
    "leap-day": datetime(2028, 2, 29, 12, tzinfo=UTC),
    "iso-year": datetime(2027, 1, 3, 23, 50, tzinfo=UTC),
}


@dataclass(frozen=True)
class Outcome:
    """How the tests went under one date."""

    date: str
    passed: int
    failed: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether something was run and all of it passed."""
        return self.passed > 0 and self.failed == 0


def shift_to(moment: datetime | timedelta) -> float:
    """The offset to the true time in seconds that leads to a moment."""
    if isinstance(moment, timedelta):
        return moment.total_seconds()
    already = float(os.environ.get(SHIFT) or 0)
    return (moment - datetime.now(UTC)).total_seconds() + already


def run(moment: datetime | timedelta, arguments: list[str]) -> Outcome:
    """Run pytest with every process's clock shifted to a moment."""
    shift = shift_to(moment)
    date = datetime.now(UTC) + timedelta(seconds=shift - float(os.environ.get(SHIFT) or 0))
    path = os.pathsep.join(filter(None, (str(_HERE), os.environ.get("PYTHONPATH"))))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        code = subprocess.run(
            [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments],
            cwd=_ROOT,
            env={**os.environ, SHIFT: str(shift), "PYTHONPATH": path},
            check=False,
        ).returncode
        tests, failed = _counted(report)
    if code and not failed:
        failed = 1  # it ended before it could tell of a test
    return Outcome(
        f"{date:%Y-%m-%d %H:%M}", max(0, tests - failed), failed, time.monotonic() - began
    )


def _counted(report: Path) -> tuple[int, int]:
    """Tests, and those that failed or could not be set up."""
    if not report.exists():
        return 0, 0
    suites = ET.parse(report).getroot().iter("testsuite")
    counts = [
        [int(suite.get(name, 0)) for name in ("tests", "failures", "errors")] for suite in suites
    ]
    return sum(one[0] for one in counts), sum(one[1] + one[2] for one in counts)


def main(arguments: list[str]) -> int:
    """Run under the named dates, or all; the exit code is 1 if a test failed under any."""
    names, for_pytest = _split(arguments)
    parser = argparse.ArgumentParser(prog="python -m leadpipe_tests.calendar", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MOMENTS)}")
    chosen = parser.parse_args(names).names or list(MOMENTS)
    if unknown := sorted(set(chosen) - set(MOMENTS)):
        parser.error(f"{unknown[0]!r} is none of {', '.join(MOMENTS)}")
    outcomes = []
    for name in chosen:
        sys.stdout.write(f"\n=== {name}\n")
        sys.stdout.flush()
        outcomes.append(run(MOMENTS[name], for_pytest))
    lines = [
        f"{name:<10} {one.date} {one.passed:>7} {one.failed:>7} {one.seconds:>8.0f}"
        for name, one in zip(chosen, outcomes, strict=True)
    ]
    head = f"{'clock':<10} {'begins at':<16} {'passed':>7} {'failed':>7} {'seconds':>8}"
    sys.stdout.write("\n".join(("", head, *lines, "")))
    return 0 if all(one.is_good for one in outcomes) else 1


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--` and what after it."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
