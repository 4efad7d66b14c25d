"""The proof of deliveries, in short: `make test-deliveries` runs it in its long form."""

import pytest

from leadpipe_tests.delivery.proof import Tally, deliveries, fuzz, kills

pytestmark = pytest.mark.usefixtures("machine_clock")


def test_nasty_partners_have_each_lead_once(partner, tmp_path):
    """They die in mid-answer, respell, divide their lists and have clocks of their own."""
    found = deliveries(partner, tmp_path, leads=60, seed=1)
    assert (found.lost, found.twice, found.once + found.waiting) == (0, 0, 60)
    assert found.once >= 50


def test_killed_deliveries_are_finished_by_the_next(partner, tmp_path):
    """At whatever step or moment."""
    found, done = kills(partner, tmp_path, kills=2, seed=1)
    assert done >= 2
    assert found == Tally(found.leads, once=found.leads)


def test_what_nobody_should_send_stops_nothing(tmp_path):
    """Leads, answers, notices, lists and files; the good ones behind them arrive."""
    found = fuzz(tmp_path, items=1_500, seed=1, batch=150)
    assert found.stopped == 0
    assert min(found.leads, found.answers, found.notices, found.lists, found.files) > 0
