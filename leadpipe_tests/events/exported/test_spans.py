"""Spans of received time: everything received is in one, none is longer than PostHog exports."""

import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from leadpipe.events.exported.spans import LONGEST, Span, plan_spans

_START = datetime(2026, 1, 5, tzinfo=UTC)
_HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    """So many hours after the start."""
    return _START + hours * _HOUR


@given(
    hours=st.dictionaries(st.integers(0, 1_500), st.integers(0, 900), max_size=60),
    until=st.integers(1, 1_600),
    most_rows=st.integers(1, 1_000),
)
def test_every_hour_is_in_exactly_one_span(hours, until, most_rows):
    """Spans are in order, apart, at most a week, not in the future, and hold every hour that has rows."""
    received = {at(hour): rows for hour, rows in hours.items()}
    spans = plan_spans(received, until=at(until), most_rows=most_rows)
    for span in spans:
        assert span.start < span.end <= min(at(until), span.start + LONGEST)
    for one, other in itertools.pairwise(spans):
        assert one.end <= other.start
    for hour, rows in received.items():
        if rows and hour < at(until):
            assert sum(s.covers(Span(hour, min(hour + _HOUR, at(until)))) for s in spans) == 1
    assert sum(span.rows for span in spans) == sum(n for h, n in received.items() if h < at(until))


def test_spans_have_about_as_many_rows_as_asked_for():
    """Quiet hours share a span; one that has more than enough is a span by itself."""
    received = {at(0): 40, at(1): 60, at(2): 1, at(3): 500, at(4): 2}
    spans = plan_spans(received, until=at(5), most_rows=100)
    assert spans == [
        Span(at(0), at(2), 100),
        Span(at(2), at(3), 1),
        Span(at(3), at(4), 500),
        Span(at(4), at(5), 2),
    ]


def test_rows_that_show_late_are_in_the_span():
    """A span goes on for a day after its last hour: rows are exported by when they became visible."""
    spans = plan_spans({at(0): 1, at(100): 1}, until=at(1_000))
    assert spans == [Span(at(0), at(25), 1), Span(at(100), at(125), 1)]


def test_what_was_brought_is_not_exported_again():
    """Hours within spans that were brought are left out."""
    received = {at(hour): 10 for hour in range(10)}
    spans = plan_spans(received, until=at(10), brought=[Span(at(2), at(7))], most_rows=1_000)
    assert spans == [Span(at(0), at(2), 20), Span(at(7), at(10), 30)]
    assert plan_spans(received, until=at(10), brought=[Span(at(0), at(10))]) == []
