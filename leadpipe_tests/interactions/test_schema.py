"""From an event's properties to an interaction, or to the reason why there is none."""

import pytest

from leadpipe.interactions.schema import Interaction, parse_interaction, parse_time, time_text

_LEAST = {"contactOutcome": "conversation", "loggedAt": "2026-11-20T14:00:00.000Z"}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-11-20T14:00:00.120Z", "2026-11-20T14:00:00.120Z"),
        ("2026-11-20T09:00:00-05:00", "2026-11-20T14:00:00.000Z"),
        ("2026-11-20 19:45:00+0545", "2026-11-20T14:00:00.000Z"),
        ("2026-11-20T14:00", "2026-11-20T14:00:00.000Z"),
        ("2026-11-20T14:00:00.999999Z", "2026-11-20T14:00:00.999Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times_of_any_offset_become_utc_milliseconds(text, written):
    """Without an offset a time is UTC; what is finer than a millisecond is cut off."""
    moment = parse_time(text)
    assert moment is not None
    assert time_text(moment) == written


@pytest.mark.parametrize(
    "text", ["", "2026-11-20", "20261120T140000Z", "yesterday", "0001-01-01T00:00+14:00", 5, None]
)
def test_what_is_no_time(text):
    """A date alone, a number or a year that UTC does not have is no time."""
    assert parse_time(text) is None


def test_empty_fields_are_left_out_and_notes_trimmed():
    """Null, blank and missing are the same; notes lose the blanks at their ends."""
    found = parse_interaction(
        {**_LEAST, "notes": " \tCalled.\n ", "blocker": None, "nextAction": "", "other": 1}
    )
    moment = parse_time(_LEAST["loggedAt"])
    assert moment is not None
    assert found == Interaction(moment, (("contactOutcome", "conversation"), ("notes", "Called.")))
    assert parse_interaction({**_LEAST, "notes": "  "}) == parse_interaction(_LEAST)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"loggedAt": None}, "loggedAt is missing"),
        ({"loggedAt": 1763647200}, "loggedAt is not an ISO 8601 time"),
        ({"contactOutcome": None}, "contactOutcome is missing"),
        (
            {"contactOutcome": "Jane Doe"},
            "contactOutcome is none of not_reached, brief_contact, conversation",
        ),
        (
            {"notReachedReason": ["x"]},
            "notReachedReason is none of try_again_later, invalid_number",
        ),
        ({"notes": {"a": 1}}, "notes is not a text"),
    ],
)
def test_what_is_rejected_and_why(changes, reason):
    """The reason names the field and what it may be, not the value."""
    assert parse_interaction({**_LEAST, **changes}) == reason
