"""One test, one clock: it stands for all parts of a test, nobody has another, and any date will do."""

import ast
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leadpipe_tests.calendar.__main__ import MOMENTS, run
from leadpipe_tests.clocks import NOW, refuse_dates
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.posthog_sandbox.asking import rows as asked

_ROOT = Path(__file__).parents[1]
_OURS = sorted(
    path
    for folder in ("leadpipe", "leadpipe_tests")
    for path in (_ROOT / folder).rglob("*")
    if path.suffix in {".py", ".sql", ".hogql"}
)
# A database's own clock. The sandbox answers HogQL's by its own, see `hogql_calls.py`.
_DATABASE_CLOCK = re.compile(
    r"\b(now|today|yesterday|now64|get_current_time\w*|transaction_timestamp)\s*\(\)"
    r"|\b(current_date|current_timestamp|current_time|localtimestamp|localtime)\b",
    re.IGNORECASE,
)
_HOGQL = ("posthog_sandbox/", "leadpipe_tests/posthog_sandbox/", "leadpipe_tests/test_clocks.py")
# What people type into a shell of their own, whose data the test puts beside the same clock.
_OF_PEOPLE = ("leadpipe_tests/docs/test_seeds.py",)
_READS_THE_CLOCK = {"now", "today", "utcnow", "time", "time_ns"}
# Partitions begin where the settings say when the program starts.
_AT_IMPORT = {"leadpipe/partitions.py", "leadpipe_tests/conftest.py"}
_TELL = "from datetime import *; print(datetime.now(timezone.utc).isoformat())"


def test_every_part_stands_at_the_same_moment(sandbox, clock):
    """This process, a program it starts and the sandbox agree, also after the clock was moved."""
    for moment in (NOW, NOW + timedelta(days=9, microseconds=7)):
        clock.set(moment)
        told = subprocess.run([sys.executable, "-c", _TELL], capture_output=True, check=True)
        assert datetime.now(UTC) == datetime.fromisoformat(told.stdout.decode().strip()) == moment
        ((there,),) = asked(sandbox, "SELECT now()")
        assert datetime.fromisoformat(there) == moment


def test_monotonic_time_goes_on():
    """What waits for so many seconds still ends."""
    before = time.monotonic()
    time.sleep(0.01)
    assert time.monotonic() > before


def test_the_sandboxs_clock_cannot_be_moved_alone(machine_clock, sandbox):
    """In a test by the machine's clock the sandbox keeps it too, whoever asks for another."""
    with pytest.raises(AssertionError, match="One test, one clock"):
        sandbox.control.set_clock(datetime.now(UTC))


@pytest.mark.parametrize("asked_for", ["machine_clock", "todays_clock"])
def test_dates_are_refused_where_the_clock_is_todays(asked_for):
    """A constant that a test, its fixture or a helper names is found, and so is one inside a function."""

    def inside():
        return [NOW for _ in range(1)]

    for function in (direct, through_a_helper, inside):
        request: Any = SimpleNamespace(
            function=function,
            fixturenames=[asked_for],
            node=SimpleNamespace(name="a test", _fixtureinfo=SimpleNamespace(name2fixturedefs={})),
        )
        with pytest.raises(AssertionError, match=r"uses NOW of leadpipe_tests\.test_clocks"):
            refuse_dates(request)


def direct():
    """Names the moment itself."""
    return NOW


def through_a_helper():
    """Calls what names it."""
    return direct()


def test_an_event_by_time_of_day_has_the_day_before_now(todays_clock, warehouse, tmp_path):
    """Such an event is refused where the clock is today's; one with a moment is not."""
    with pytest.raises(AssertionError, match="2026-11-20 10:00 is a date of tests"):
        event("lead", "10:00:00")
    assert take_in(warehouse, tmp_path, [event("lead", datetime.now(UTC))]).fetched == 1


def texts(path: Path) -> list[tuple[int, str]]:
    """What could be SQL in a file: all of it, or a module's texts without its docstrings."""
    content = path.read_text()
    if path.suffix != ".py":
        return [(1, re.sub(r"--.*", "", content))]
    tree = ast.parse(content)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
    ]


def test_no_database_is_asked_for_the_time():
    """DuckDB, SQLite and ClickHouse have clocks that nobody holds: moments are bound as parameters."""
    found = [
        f"{path.relative_to(_ROOT)}:{line}: {match[0]}"
        for path in _OURS
        if not str(path.relative_to(_ROOT)).startswith((*_HOGQL, *_OF_PEOPLE))
        for line, text in texts(path)
        if " " in text  # a word alone is a name
        if (match := _DATABASE_CLOCK.search(text))
    ]
    assert found == []


def clock_at_import(tree: ast.Module) -> list[int]:
    """Lines that ask for the time when the module is imported, before any test has its clock."""
    waiting: list[ast.AST] = list(tree.body)
    found = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [
                *node.decorator_list,
                *node.args.defaults,
                *filter(None, node.args.kw_defaults),
            ]
        elif not isinstance(node, ast.Lambda):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in _READS_THE_CLOCK
                and ast.unparse(node.func.value) in {"datetime", "date", "time"}
            ):
                found.append(node.lineno)
            waiting += ast.iter_child_nodes(node)
    return found


def test_no_module_reads_the_clock_when_it_is_imported():
    """A constant made of the time is another clock than the test's, minutes or a day away."""
    found = [
        f"{name}:{line}"
        for path in _OURS
        if path.suffix == ".py" and (name := str(path.relative_to(_ROOT))) not in _AT_IMPORT
        for line in clock_at_import(ast.parse(path.read_text()))
    ]
    assert found == []


def test_the_look_at_modules_sees_what_it_should():
    """Constants and defaults are found, functions are not."""
    module = ast.parse(
        "A = datetime.now(UTC)\n"
        "def f(at=date.today()): return time.time()\n"
        "B = [lambda: datetime.now(UTC)]\n"
        "class C:\n    at = time.time()\n"
    )
    assert sorted(clock_at_import(module)) == [1, 2, 5]


_SELECTION = [
    "draws/test_assets.py::test_a_date_from_the_list_to_recorded_results",
    "visitors/test_metrics.py",
]


def test_a_leap_day_is_a_day_like_any_other(machine_clock):
    """A few tests pass under a clock that is years ahead; `make test-calendar` runs all under five."""
    tests = [f"leadpipe_tests/{name}" for name in _SELECTION]
    outcome = run(MOMENTS["leap-day"], ["-q", "-p", "no:cacheprovider", *tests])
    assert (outcome.date[:10], outcome.is_good) == ("2028-02-29", True)
