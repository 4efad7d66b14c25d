"""One test, one clock: every part of a test reads the same time.

Belongs here: the moment at which the tests' clock stands, and holding it. A test's process, the programs
it starts, the sandbox and the sandbox partner stand at `NOW`, unless the test asks for another clock:
`todays_clock` stands at the moment the test begins, `machine_clock` is held nowhere, for tests of programs
that run by it. In neither may anything be dated: `refuse_dates` looks.
"""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from time import sleep
from types import CodeType, FunctionType

import pytest
import time_machine

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = NOW.date()
HELD_AT = "LEADPIPE_TESTS_HELD_AT"  # read by calendar/sitecustomize.py in the programs we start
_LONGEST_TEST = timedelta(minutes=3)

SetClock = Callable[[datetime | None], None]


class OneClock:
    """The clock of a test: held at a moment in all its parts, or the machine's.

    Args:
        held_at: the moment, or None for the machine's time.
        is_dated: the moment is NOW, so that events may have dates.
    """

    current: "OneClock | None" = None

    def __init__(self, held_at: datetime | None, *, is_dated: bool) -> None:
        self.held_at: datetime | None = None
        self.is_dated = is_dated
        self._others: list[SetClock] = []
        self._travel: time_machine.travel | None = None
        OneClock.current = self
        if held_at is not None:
            self._hold(held_at)

    def take_along(self, set_clock: SetClock) -> None:
        """Let another process stand where this clock stands, from now on."""
        set_clock(self.held_at)
        self._others.append(set_clock)

    def set(self, moment: datetime | None) -> None:
        """Move the clock of every part."""
        if self.held_at is None or moment is None:
            raise AssertionError(
                "One test, one clock: it is the machine's for all parts of a test that asks for "
                "machine_clock, and is held for all parts of any other."
            )
        self.release()
        self._hold(moment)
        for set_clock in self._others:
            set_clock(moment)

    def _hold(self, moment: datetime) -> None:
        text = moment.astimezone(UTC).isoformat()
        self._travel = time_machine.travel(text, tick=False)
        self._travel.start()
        os.environ[HELD_AT] = text
        self.held_at = moment

    def release(self) -> None:
        """Let this process's clock run again; safe to call twice."""
        os.environ.pop(HELD_AT, None)
        self.held_at = None
        if self._travel is not None:
            self._travel.stop()
            self._travel = None


def let_pass(seconds: float) -> None:
    """Let time pass where the test's clock stands, as it does between a person's two commands."""
    clock = OneClock.current
    if clock is not None and clock.held_at is not None:
        clock.set(clock.held_at + timedelta(seconds=seconds))


def today_before_midnight() -> datetime:
    """Now, or a while before the day ends, so that a test may let time pass."""
    now = datetime.now(UTC)
    return min(now, datetime.combine(now, time(23, 50), UTC))


def wait_for_a_day_that_lasts() -> None:
    """Just before midnight, wait for tomorrow."""
    now = datetime.now(UTC)
    left = datetime.combine(now.date() + timedelta(days=1), time(), UTC) - now
    if left < _LONGEST_TEST:
        sleep(left.total_seconds() + 1)


def on_its_day(at: datetime) -> datetime:
    """A moment of the days around NOW, for a test whose clock stands there.

    Raises:
        AssertionError: the test's clock is another.
    """
    if OneClock.current is not None and not OneClock.current.is_dated:
        raise AssertionError(
            f"One test, one clock: {at:%Y-%m-%d %H:%M} is a date of tests whose clock stands at NOW, "
            "this one's is today's; give a moment relative to datetime.now(UTC)."
        )
    return at


def refuse_dates(request: pytest.FixtureRequest) -> None:
    """Fail a test with today's or the machine's clock that uses a constant date or moment.

    What the test, its fixtures, and the tests' functions that they call name is looked at.

    Raises:
        AssertionError: it does.
    """
    fixtures = request.node._fixtureinfo.name2fixturedefs
    used = [fixtures[name][-1].func for name in request.fixturenames if name in fixtures]
    found = sorted(set(_dates([request.function, *used])))
    if found:
        raise AssertionError(
            f"One test, one clock: {request.node.name} asks for the clock of today, but uses "
            f"{', '.join(found)}; make that relative to datetime.now(UTC) inside the test."
        )


def _dates(functions: list[object]) -> Iterator[str]:
    seen: set[int] = set()
    while functions:
        function = functions.pop()
        if not isinstance(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        if not function.__module__.startswith("leadpipe_tests."):
            continue
        if function.__module__ in {__name__, "leadpipe_tests.conftest"}:
            continue
        for name in _names(function.__code__):
            value = function.__globals__.get(name)
            if isinstance(value, date):
                yield f"{name} of {function.__module__}"
            else:
                functions.append(value)


def _names(code: CodeType) -> Iterator[str]:
    """Every global that a function names, also in functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
