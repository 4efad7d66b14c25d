"""Text from outside: half emoji become U+FFFD and nothing else changes; numbers are read or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadpipe.text import mended_json, phone_text, whole_values, without_marks

_ANY = st.text(st.characters(codec=None))  # with lone surrogates
_CLEAN = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (rb'"see you \ud83d"', '"see you �"'),
        (rb'"see you \uD83D"', '"see you �"'),
        (rb'"\udc00 and \ud83d\ud83d."', '"� and ��."'),
        (rb'"\ud83d\ude00"', r'"\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00\ude00"', r'"�\ud83d\ude00�"'),
        (rb'"\\ud83d"', r'"\\ud83d"'),
        (rb'"\\ud83d\ude00"', r'"\\ud83d�"'),
        (rb'"\\\ud83d"', '"\\\\�"'),
        (rb'"\\\\ud83d"', r'"\\\\ud83d"'),
        (rb'"\\udc00"', r'"\\udc00"'),
        (rb'"\ud83dx\u00e9"', r'"�x\u00e9"'),
        (rb'"\ud7ff\ue000"', r'"\ud7ff\ue000"'),
        (rb'{"\ud83d": 1}', '{"�": 1}'),
        (b"\xff \\ud83d", None),
    ],
)
def test_half_an_emoji_becomes_a_replacement_character(given_, expected):
    """Whole pairs and escaped backslashes stay; what is no UTF-8 is somebody else's business."""
    mended = mended_json(given_)
    assert mended == (b"\xff \xef\xbf\xbd" if expected is None else expected.encode())


@given(_ANY)
def test_json_of_any_text_is_mended_to_what_python_would_replace(text):
    """Whatever text is written as JSON in ASCII, it comes back with each lone surrogate replaced."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # joins pairs
    expected = "".join("�" if "\ud800" <= each <= "\udfff" else each for each in text)
    for level in (json.dumps(text), json.dumps({text: [text]})):
        assert json.loads(mended_json(level.encode())) in (expected, {expected: [expected]})
    assert whole_values({text: [text, 1, None]}) == {expected: [expected, 1, None]}


@given(_CLEAN)
def test_text_that_is_whole_is_not_touched(text):
    """Valid text in JSON, escaped or not, keeps every byte; so does JSON within JSON."""
    for escaped in (True, False):
        once = json.dumps(text, ensure_ascii=escaped)
        twice = json.dumps(once, ensure_ascii=escaped)
        for data in (once.encode(), twice.encode()):
            assert mended_json(data) == data


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("08031234567", "08031234567"),
        (" (0803) 123-4567 ", "(0803) 123-4567"),
        ("803.123.4567", "803.123.4567"),
        ("8031234567.0", "8031234567"),
        ("+2348031234567.00", "+2348031234567"),
        ("803123456.0", "803123456"),
        ("8031234567.5", "8031234567.5"),
        ("0803123.0000", "0803123.0000"),
        ("2.348031234567e12", "2348031234567"),
        ("2.348031234567E+12", "2348031234567"),
        ("8.031234567e+09", "8031234567"),
        ("8.031234567000e9", "8031234567"),
        ("2.34803e+12", None),
        ("8.0312345675e+09", None),
        ("\u200b+234\u00a0803\u00a01234567\u202c", "+234 803 1234567"),
        ("\ufeff08031234567\u200f", "08031234567"),
        ("0803\u2060123\u00004567", "08031234567"),
        ("\u200b", ""),
    ],
)
def test_a_phone_number_is_what_was_meant_or_none(spelling, expected):
    """A column of floats and invisible marks are undone; digits that are lost are not made up."""
    assert phone_text(spelling) == expected


@given(_CLEAN)
def test_taking_marks_away_twice_takes_no_more(text):
    """What is left has no marks, and no blanks at its ends."""
    once = without_marks(text)
    assert (without_marks(once), once.strip()) == (once, once)
