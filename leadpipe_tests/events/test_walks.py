"""Whatever happens in PostHog, in whatever order, the warehouse ends as what PostHog shows."""

import pytest

from leadpipe_tests.events.walks.grounds import Grounds, told
from leadpipe_tests.events.walks.making import make_walk
from leadpipe_tests.events.walks.shortening import shortened
from leadpipe_tests.events.walks.steps import Audit, Sync

_SEEDS = range(1, 9)


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_random_walk_ends_as_posthog_shows_it(sandbox, seed):
    """Event by event, with marts and published tables that follow from that; `make test-walks` goes on."""
    walk = make_walk(seed)
    problems = Grounds(sandbox, sandbox.control.set_clock).problems(walk)
    assert not problems, told(walk, problems)


def test_a_seed_is_a_walk_and_leaving_a_kind_out_changes_no_other_step():
    """So that a failure can be looked at again, and narrowed down."""
    walk = make_walk(5)
    assert make_walk(5) == walk != make_walk(6)
    without = make_walk(5, without=["deletions", "merges"])
    kept = [step for step in walk.steps if not step.kinds & {"deletions", "merges"}]
    assert list(without.steps) == kept != list(walk.steps)


def test_a_failing_walk_is_told_with_the_steps_it_needs():
    """All others are left out, however many there are."""
    walk = next(
        walk
        for walk in map(make_walk, range(1, 99))
        if Audit() in walk.steps and Sync() in walk.steps[: walk.steps.index(Audit())]
    )

    def fails(part):
        return Audit() in part.steps and Sync() in part.steps[: part.steps.index(Audit())]

    assert shortened(walk, fails).steps == (Sync(), Audit())
