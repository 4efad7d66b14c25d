"""A lead's history on a line of time: in order, in words, and none of a note's."""

from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.leads.book import LeadHistory
from leadpipe.leads.edits import Edit
from leadpipe.leads.timeline import NARROW, WIDE, marks, moments

_AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def action(hours, **fields):
    """What a seeker did."""
    return {"action_type": "lead_phone", "points": 30, "run_id": "b", "action_id": "1"} | {
        "at": _AT + hours * _HOUR,
        **fields,
    }


def history(*actions, edits=()):
    """A lead's history of two runs."""
    return LeadHistory({}, actions, ({"run_id": "a"}, {"run_id": "b"}), edits)


def test_everything_is_in_the_order_of_time_and_in_words():
    """Actions with points and the run that brought them, and changes with who made them."""
    edits = tuple(
        Edit(0, f"e{n}", "lead", kind, value, "ada", _AT + hours * _HOUR, undoes=undoes)
        for n, (kind, value, hours, undoes) in enumerate(
            [
                ("status", "contacted", 1, None),
                ("note", "lives in the blue house", 2, None),
                ("note", "", 3, "e1"),
                ("status", "new", 4, "e0"),
                ("erased", "", 5, None),
            ]
        )
    )
    found = moments(
        history(
            action(6, action_type="lead_message", message_type="direct_message"),
            action(0),
            edits=edits,
        )
    )
    assert [(moment.kind, moment.words, moment.number) for moment in found] == [
        ("action", "phone, 30 points", 2),
        ("status", "ada called it contacted", 0),
        ("note", "ada wrote a note", 0),
        ("note", "ada took a note back", 0),
        ("status", "ada took a change back", 0),
        ("note", "ada wrote a note, which was erased", 0),
        ("action", "direct message, 30 points", 2),
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_line_has_its_ends_and_no_two_marks_on_each_other(width):
    """The first and the last moment are at the ends; those at one moment stand above each other."""
    found = moments(history(action(0), action(0), action(0), action(5), action(10)))
    placed = marks(found, width=width)
    assert (placed[0].x, placed[-1].x) == (16, width - 16)
    assert placed[3].x == width // 2
    assert len({(mark.x, mark.row) for mark in placed}) == len(placed)


def test_no_moment_is_left_out_where_there_is_no_room():
    """The last mark of a full column counts those that follow; changes have fewer rows than actions."""
    edits = tuple(
        Edit(0, f"e{n}", "lead", "note", "x", "ada", _AT + 10 * _HOUR, undoes=None)
        for n in range(3)
    )
    placed = marks(moments(history(*[action(0)] * 6, edits=edits)), width=WIDE)
    assert [(mark.moment.kind, mark.row, mark.more) for mark in placed] == [
        *(("action", row, 0) for row in range(3)),
        ("action", 3, 2),
        ("note", 0, 0),
        ("note", 1, 1),
    ]


def test_one_moment_is_a_line_too():
    """A lead with a single action stands at the left; one without anything has no marks."""
    assert [mark.x for mark in marks(moments(history(action(0))), width=WIDE)] == [16]
    assert marks([], width=WIDE) == []
