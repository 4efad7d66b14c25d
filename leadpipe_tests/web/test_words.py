"""Times on pages, in words."""

from datetime import timedelta

import pytest

from leadpipe.durations import duration
from leadpipe.moments import ago
from leadpipe_tests.clocks import NOW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-7_200, "in 2 h"),
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (7_200, "2 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 d ago"),
        (30 * 86_400, "30 d ago"),
        (31 * 86_400, "2026-10-21"),
    ],
)
def test_how_long_ago(seconds, words):
    """Minutes, hours and days; the day itself after a month."""
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (-3, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (7_300, "2 h"),
        (86_400, "1 d"),
        (100_800, "1 d 4 h"),
        (400 * 86_400 + 3_600, "400 d"),
    ],
)
def test_how_long(seconds, words):
    """Two parts at most."""
    assert duration(seconds) == words
