"""What may be written into a HogQL text."""

import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadpipe.errors import ConfigurationError
from leadpipe.posthog import checked_name, utc_literal

DANGEROUS = "'\"`\\{}()[];,\n\r\t\0%*=<>#&|!?@^~+"
HARMLESS = string.ascii_letters + string.digits + "_$-.:/ é漢"


@pytest.mark.parametrize(
    "name", ["$pageview", "listing viewed", "a:b/c.d-e_f", "Éclair 漢字", "x", "n" * 200]
)
def test_usual_names_pass_unchanged(name):
    """A name of letters, digits, spaces and _ $ - . : / is returned as it is."""
    assert checked_name(name, kind="event name") == name


@given(st.text(HARMLESS, max_size=20), st.sampled_from(DANGEROUS), st.text(HARMLESS, max_size=20))
def test_a_dangerous_character_anywhere_is_refused(before, character, after):
    """Quotes, backslashes, braces, parentheses, newlines, NUL and their like never pass."""
    with pytest.raises(ConfigurationError):
        checked_name(before + character + after, kind="event name")


@given(st.text(max_size=300))
def test_what_passes_has_only_allowed_characters(name):
    """Whatever text comes in, nothing but the allowed characters goes out."""
    try:
        passed = checked_name(name, kind="property name")
    except ConfigurationError:
        return
    assert 1 <= len(passed) <= 200
    assert all(c.isalnum() or c in "_$-.:/ " for c in passed)


@pytest.mark.parametrize("name", ["", "n" * 201, "a\n", "\u2028", "a\u00a0b"])
def test_empty_long_and_oddly_spaced_names_are_refused(name):
    """Empty names, names over 200 characters and blanks other than the space are refused."""
    with pytest.raises(ConfigurationError):
        checked_name(name, kind="event name")


def test_the_refusal_names_the_kind_and_the_value():
    """The error shows which setting is wrong, escaped so that it cannot forge a log line."""
    with pytest.raises(ConfigurationError) as caught:
        checked_name("a'\nb", kind="event name")
    assert str(caught.value) == (
        'The event name "a\'\\nb" is refused: a name has 1 to 200 letters, digits, spaces or '
        "_ $ - . : / and nothing else. Correct it in the configuration, or rename it in PostHog."
    )


LAGOS = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01 00:00:00.000000"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=LAGOS), "2025-12-31 23:30:00.000000"),
        (datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC), "2026-01-01 01:02:03.000004"),
    ],
)
def test_a_moment_is_written_in_utc_to_the_microsecond(moment, text):
    """Any zone becomes UTC, always with six digits, so texts of moments sort as moments."""
    assert utc_literal(moment) == f"toDateTime64('{text}', 6, 'UTC')"


def test_a_naive_moment_is_refused():
    """Without a zone a literal would be a guess."""
    with pytest.raises(ValueError, match="has no time zone"):
        utc_literal(datetime(2026, 1, 1))  # noqa: DTZ001 - the case at hand
