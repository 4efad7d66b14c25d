"""Time zones: names are checked, and a day begins when its zone says, whatever clocks do there."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.zones import begin_of, checked_zone, clock_text, day_in

_ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "posixrules", "Factory"}))


@settings(max_examples=500, deadline=None)
@given(_ZONES, st.dates(date(1970, 1, 2), date(2036, 12, 31)))
def test_a_day_is_from_its_beginning_to_the_next(zone, day):
    """A moment before it is an earlier day; its own moments are it, if the zone did not skip the day."""
    begin, end = begin_of(day, zone), begin_of(day + timedelta(days=1), zone)
    assert day_in(zone, begin - timedelta(microseconds=1)) < day
    assert begin <= end
    if begin < end:
        assert day_in(zone, begin) == day_in(zone, end - timedelta(microseconds=1)) == day


@pytest.mark.parametrize(
    ("zone", "day", "begin"),
    [
        ("Africa/Lagos", date(2026, 11, 21), "2026-11-20T23:00:00"),
        ("America/New_York", date(2026, 11, 1), "2026-11-01T04:00:00"),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00"),  # midnight was skipped
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00"),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00"),  # the day was skipped
    ],
)
def test_days_begin_where_clocks_change_at_midnight(zone, day, begin):
    """With the first moment of the day."""
    assert begin_of(day, zone) == datetime.fromisoformat(begin).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["", "Lagos", "localtime", "../UTC", "America", "UTC+1", "africa/lagos"]
)
def test_what_is_no_zone_is_refused(name):
    """The message names it and how zones are written."""
    with pytest.raises(ValueError, match="is no time zone; write an IANA name such as UTC"):
        checked_zone(name)


def test_the_warehouse_knows_every_zone():
    """What passes as a setting is a zone in SQL, too."""
    with duckdb.connect() as connection:
        known = {
            name
            for (name,) in connection.execute("SELECT name FROM pg_timezone_names()").fetchall()
        }
    unknown = set()
    for name in available_timezones() - known:
        try:
            unknown.add(checked_zone(name))
        except ValueError:
            continue
    assert unknown == set()


@pytest.mark.parametrize(
    ("moment", "zone", "text"),
    [
        ("2026-11-21T11:30:00Z", "UTC", "11:30"),
        ("2026-11-21T11:30:00Z", "Pacific/Auckland", "00:30"),
        ("2026-11-21T10:30:00Z", "Pacific/Auckland", "21 Nov 23:30"),
        ("2025-12-31T23:30:00Z", "UTC", "2025-12-31 23:30"),
    ],
)
def test_a_moment_is_shown_as_clocks_do(moment, zone, text):
    """The time where it is today there, else with the day, and with the year if it is another."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert clock_text(datetime.fromisoformat(moment), now, zone) == text
