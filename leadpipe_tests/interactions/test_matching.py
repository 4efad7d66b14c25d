"""Which events are there already: nearest first, within five seconds, one event an interaction."""

import pytest

from leadpipe.interactions.matching import missing
from leadpipe.interactions.schema import Interaction


def at(*milliseconds: int, notes: str = "") -> list[Interaction]:
    """Interactions at so many milliseconds."""
    content = (("notes", notes),) if notes else ()
    return [Interaction(moment, content) for moment in milliseconds]


@pytest.mark.parametrize(
    ("existing", "events", "expected"),
    [
        pytest.param([0], [5_000], [], id="five seconds are within"),
        pytest.param([0], [-5_000], [], id="before as well as after"),
        pytest.param([0], [5_001], [5_001], id="a millisecond more is not"),
        pytest.param([0], [1_000, 4_000], [4_000], id="one interaction, one event: the nearest"),
        pytest.param([0, 8_000], [4_000, 0], [], id="the nearest is taken, the other is free"),
        pytest.param([0, 6_000], [3_000], [], id="equally near"),
        pytest.param([0, 5_000], [4_000, 9_000], [9_000], id="nearest before most"),
        pytest.param([], [1, 2], [1, 2], id="near each other, both new"),
        pytest.param([1], [1, 2], [2], id="the other of two near each other"),
    ],
)
def test_the_rule(existing, events, expected):
    """Pairs form nearest first; what is left over is new."""
    assert missing(at(*existing), at(*events)) == at(*expected)
    assert missing(at(*existing), at(*reversed(events))) == at(*expected)


def test_content_decides_between_events_equally_near():
    """Of two events at one time, the one with the interaction's own content is it."""
    said, other = at(1_000, notes="a") + at(1_000, notes="b")
    assert missing([said], [said, other]) == [other]
    assert missing([other], [said, other]) == [said]


def test_an_event_said_twice_is_one():
    """The same time and content from two uuids is one interaction."""
    assert missing([], at(7, 7)) == at(7)
