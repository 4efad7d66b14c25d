"""The ledger: a run is one sync, however many parts it takes, and is over with the last of them."""

from datetime import date, timedelta

import pytest

from leadpipe.events.ledger import Run, begin_run, finish_run, mark_interrupted, settle
from leadpipe.living import living
from leadpipe.posthog import CallCounts
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows

FIRST, SECOND = date(2026, 11, 3), date(2026, 11, 20)
HOUR = timedelta(hours=1)


def part(name: str, *, attempt: str | None = None, parts: int = 2) -> Run:
    """A part of the sync `one`."""
    return Run("one", "scheduled", part_id=name, attempt_id=attempt or name, parts=parts)


def begin(warehouse, run, day=FIRST, *, now=NOW):
    """A part begins."""
    with warehouse.writing("door") as connection:
        begin_run(connection, run, days=[day], now=now)


def finish(warehouse, run, *, error=None, now=NOW):
    """A part ends, after three calls."""
    with warehouse.writing("door") as connection:
        finish_run(connection, run, calls=CallCounts(3, 1, 0), now=now, error=error)


def clear_up(warehouse, landing, *, now=NOW):
    """What whoever comes next does."""
    with warehouse.writing("door") as connection:
        mark_interrupted(connection, landing=landing, now=now)


def state(warehouse):
    """The run's status, error, and whether it has ended."""
    return rows(warehouse, "SELECT status, error, finished_at IS NOT NULL FROM runs")


def test_a_run_is_over_with_its_last_part(warehouse):
    """Counts add up, the window is the whole, and it runs until no part is left."""
    begin(warehouse, part("a"))
    finish(warehouse, part("a"), now=NOW + HOUR)
    assert state(warehouse) == [("running", None, False)]
    begin(warehouse, part("b"), SECOND, now=NOW + 2 * HOUR)
    finish(warehouse, part("b"), now=NOW + 3 * HOUR)
    columns = "status, parts, window_start, window_end, api_calls, retries, started_at, finished_at"
    assert rows(warehouse, f"SELECT {columns} FROM runs") == [
        ("succeeded", 2, FIRST, SECOND, 6, 2, NOW, NOW + 3 * HOUR)
    ]
    assert rows(
        warehouse, "SELECT part_id, attempt, status, window_start, window_end FROM run_parts"
    ) == [("a", 1, "succeeded", FIRST, FIRST), ("b", 1, "succeeded", SECOND, SECOND)]


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_run_has_failed_if_a_part_has(warehouse, failed_first):
    """Whichever part it was, with its error; not before the last one is over."""
    errors = ["no key", None] if failed_first else [None, "no key"]
    for name, error in zip("ab", errors, strict=True):
        assert state(warehouse) in ([], [("running", None, False)])
        begin(warehouse, part(name))
        finish(warehouse, part(name), error=error)
    assert state(warehouse) == [("failed", "no key", True)]


def test_another_attempt_at_a_part_makes_it_good(warehouse):
    """A retry that comes after all else was over is the same part of the same run."""
    for name, error in (("a", "no key"), ("b", None)):
        begin(warehouse, part(name))
        finish(warehouse, part(name), error=error)
    begin(warehouse, part("a", attempt="a again"))
    assert state(warehouse) == [("running", None, False)]
    finish(warehouse, part("a", attempt="a again"))
    assert state(warehouse) == [("succeeded", None, True)]
    assert rows(warehouse, "SELECT part_id, attempt_id, attempt, status FROM run_parts") == [
        ("a", "a", 1, "failed"),
        ("b", "b", 1, "succeeded"),
        ("a", "a again", 2, "succeeded"),
    ]


def test_a_step_that_is_run_again_is_the_same_attempt(warehouse):
    """Dagster retries a step within one run: nothing is counted twice."""
    for _ in range(2):
        begin(warehouse, part("a", parts=1))
        finish(warehouse, part("a", parts=1))
    assert rows(warehouse, "SELECT attempt, status FROM run_parts") == [(1, "succeeded")]
    assert rows(warehouse, "SELECT status, parts FROM runs") == [("succeeded", 1)]


def test_a_part_in_the_queue_is_not_dead(warehouse, tmp_path):
    """A run that waits for its next part runs on, for as long as a queue may take; then it is closed."""
    begin(warehouse, part("a"))
    finish(warehouse, part("a"))
    clear_up(warehouse, tmp_path, now=NOW + 5 * HOUR)
    assert state(warehouse) == [("running", None, False)]
    clear_up(warehouse, tmp_path, now=NOW + 6 * HOUR)
    assert state(warehouse) == [("interrupted", "1 of its 2 parts never ran", True)]
    begin(warehouse, part("b"), now=NOW + 7 * HOUR)
    finish(warehouse, part("b"), now=NOW + 8 * HOUR)
    assert state(warehouse) == [("succeeded", None, True)]


def test_a_living_part_is_left_alone_beside_a_dead_one(warehouse, tmp_path):
    """Who is alive is asked of each part; the run is interrupted when no part of it goes on."""
    begin(warehouse, part("a"))
    begin(warehouse, part("b"))
    with living(tmp_path, "b"):
        clear_up(warehouse, tmp_path)
        assert state(warehouse) == [("running", None, False)]
        assert rows(warehouse, "SELECT part_id, status FROM run_parts ORDER BY part_id") == [
            ("a", "interrupted"),
            ("b", "running"),
        ]
    finish(warehouse, part("b"))
    assert state(warehouse) == [("interrupted", "the process ended before the run did", True)]


def test_a_command_lives_under_its_runs_id(warehouse, tmp_path):
    """Between its parts the command is alive; once it is killed, nobody will start the others."""
    begin(warehouse, part("one"))
    finish(warehouse, part("one"))
    with living(tmp_path, "one"):
        clear_up(warehouse, tmp_path, now=NOW + 9 * HOUR)
        assert state(warehouse) == [("running", None, False)]
    clear_up(warehouse, tmp_path, now=NOW + 9 * HOUR)
    assert state(warehouse) == [("interrupted", "1 of its 2 parts never ran", True)]


def test_nothing_is_given_up_that_goes_on(warehouse):
    """Whoever gives up waiting closes no run of which a part has begun meanwhile."""
    begin(warehouse, part("a"))
    with warehouse.writing("door") as connection:
        settle(connection, ["one"], is_given_up=True)
    assert state(warehouse) == [("running", None, False)]


def test_runs_of_one_name_only_are_parts(warehouse):
    """Parts of one sync that run after another sync began are still the first one's."""
    other = Run("two", "manual")
    begin(warehouse, part("a"))
    finish(warehouse, part("a"))
    begin(warehouse, other)
    finish(warehouse, other, error="no key")
    begin(warehouse, part("b"))
    finish(warehouse, part("b"))
    assert rows(warehouse, "SELECT run_id, status, parts FROM runs ORDER BY run_id") == [
        ("one", "succeeded", 2),
        ("two", "failed", 1),
    ]
