"""Days, sources and the number of a week: exact, from the events that are here."""

from datetime import date, timedelta

import pytest

from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.visitors.counted import Counted, WeekVisitors, weeks_of
from leadpipe.visitors.weeks import week_dates
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, take_in

_WEEK = date(2026, 11, 16)
_IN_WEEK = NOW
_AFTER = NOW + timedelta(days=9)


def viewed(minutes, person, device, **properties):
    """A page view so many minutes ago."""
    moment = NOW - timedelta(minutes=minutes)
    return event("$pageview", moment, person_id=person, distinct_id=device, **properties)


def published(tmp_path, events):
    """The folder of a publication of events."""
    warehouse = Warehouse(tmp_path / "leadpipe.duckdb")
    take_in(warehouse, tmp_path, events)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "published")
    return tmp_path / "published"


def test_a_day_counts_each_person_once(tmp_path):
    """Two devices of a person are one visitor; without one the device's person counts, else the device."""
    folder = published(
        tmp_path,
        [
            viewed(1, "ama", "phone"),
            viewed(2, "ama", "desk"),
            viewed(3, None, "desk"),
            viewed(4, None, "unknown"),
            viewed(24 * 60, "ama", "phone"),
            event("user_signed_up", NOW, person_id="kofi"),
        ],
    )
    assert reading.query(folder, "SELECT * FROM visitor_days ORDER BY date").rows == (
        (TODAY - timedelta(days=1), 1, 1, 0),
        (TODAY, 2, 4, 1),
    )


def test_sources_are_those_that_the_events_tell(tmp_path):
    """Campaigns and sites as sent, `$direct` and blanks as none; page views and signups add up."""
    google = {"utm_source": " google ", "utm_medium": "cpc", "utm_campaign": "autumn"}
    folder = published(
        tmp_path,
        [
            viewed(1, "ama", "phone", **google),
            viewed(2, "ama", "phone", **google),
            viewed(3, "kofi", "desk", utm_source="", **{"$referring_domain": "news.example.com"}),
            viewed(4, "kofi", "desk", utm_source=None, **{"$referring_domain": "$direct"}),
            event("user_signed_up", NOW, person_id="ama", **google),
        ],
    )
    assert reading.query(
        folder, "SELECT * EXCLUDE (date) FROM visitor_sources ORDER BY ALL NULLS LAST"
    ).rows == (
        ("google", "cpc", "autumn", None, 1, 2, 1),
        (None, None, None, "news.example.com", 1, 1, 0),
        (None, None, None, None, 1, 1, 0),
    )


@pytest.mark.parametrize(
    ("live", "counted", "number"),
    [
        (5, None, WeekVisitors(5, "live", None)),
        (5, Counted(4, "posthog", _IN_WEEK), WeekVisitors(5, "live", None)),
        (5, Counted(7, "posthog", _IN_WEEK), WeekVisitors(7, "posthog", _IN_WEEK)),
        (5, Counted(4, "posthog", _AFTER), WeekVisitors(4, "posthog", _AFTER)),
        (5, Counted(4, "manual", _IN_WEEK), WeekVisitors(4, "manual", _IN_WEEK)),
        (None, Counted(4, "posthog", _IN_WEEK), WeekVisitors(4, "posthog", _IN_WEEK)),
    ],
)
def test_a_week_has_one_number(live, counted, number):
    """PostHog's once it is over or a person's own; before that the one that knows more."""
    here = {} if live is None else {_WEEK: live}
    there = {} if counted is None else {_WEEK: counted}
    assert weeks_of(here, there) == {_WEEK: number}


@pytest.mark.parametrize(
    ("week", "said"),
    [
        (date(2026, 11, 23), "23–29 Nov"),
        (date(2026, 11, 30), "30 Nov–6 Dec"),
        (date(2025, 12, 29), "29 Dec–4 Jan"),
        (date(2024, 12, 30), "30 Dec 2024–5 Jan 2025"),
        (date(2025, 3, 3), "3–9 Mar 2025"),
    ],
)
def test_a_week_is_called_by_its_days(week, said):
    """Nobody counts weeks; the year is told where the week ends in another."""
    assert week_dates(week, today=date(2026, 11, 20)) == said
