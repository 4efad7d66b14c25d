"""Totals that follow the days that change, against totals of all days anew, whatever happened to events."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from leadpipe.events.versions import mark_changed
from leadpipe.listings import listings
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.ranges import contiguous
from leadpipe_tests.events.builders import table
from leadpipe_tests.orders import orders

_FIRST = date(2026, 11, 16)
_INSERT = """
    INSERT INTO raw_events BY NAME
    SELECT uuid() AS uuid, 'any' AS event, $at::TIMESTAMPTZ AS timestamp,
           $at::TIMESTAMPTZ::DATE AS event_date,
           hour($at::TIMESTAMPTZ) AS event_hour, $at::TIMESTAMPTZ AS created_at, $who AS distinct_id,
           $person AS person_id, $listing AS listing_id, $person AS seeker_id, $what AS meaning,
           CASE WHEN $what = 'lead' THEN ['phone', 'whatsapp', 'email'][1 + length($who)] END AS lead_type,
           CASE WHEN $what = 'share' THEN [NULL, 'email', 'od"d'][1 + length($who)] END AS platform,
           CASE WHEN $what = 'sale' THEN 12.5 END AS price, 'run' AS run_id
"""
# Counted in one pass over the events, in no step.
_COUNTED = """
    SELECT listing_id, count(*) FILTER (meaning = 'view'), count(*) FILTER (meaning = 'lead'),
           count(DISTINCT person_id) FILTER (meaning = 'view'),
           count(DISTINCT seeker_id) FILTER (meaning = 'lead'), min(timestamp), max(timestamp)
    FROM raw_events GROUP BY listing_id
"""
_TOTALS = """
    SELECT listing_id, total_views, total_leads, unique_views, unique_leads, first_activity_at,
           last_activity_at
    FROM listings
"""

_new_event = st.fixed_dictionaries(
    {
        "at": st.builds(
            lambda day, hour: datetime(2026, 11, 16, hour, tzinfo=UTC) + timedelta(days=day),
            st.integers(0, 5),
            st.integers(0, 3),
        ),
        "listing": st.sampled_from(["a", "a|b", "c"]),
        "who": st.sampled_from(["", "1", "22"]),
        "person": st.sampled_from(["p", "q", "b|p"]),
        "what": st.sampled_from(["view", "view", "lead", "share", "sale"]),
    }
)
_new_events = st.tuples(st.just("new"), st.lists(_new_event, min_size=1, max_size=12))
_some = st.integers(0, 4)
_changes = st.one_of(
    _new_events,
    st.tuples(st.just("a person is merged into p"), st.sampled_from(["q", "b|p"])),
    st.tuples(st.just("events are deleted"), _some),
    st.tuples(st.just("a day is emptied"), _some),
    st.tuples(st.just("events move to another day"), _some),
    st.tuples(st.just("events move to another listing"), _some),
    st.tuples(st.just("nothing"), st.none()),
)
_SOME_EVENTS = "hash(rowid) % 5 = {}"
_STATEMENTS = {
    "a person is merged into p": ("UPDATE raw_events SET person_id = 'p' ", "person_id = '{}'"),
    "events are deleted": ("DELETE FROM raw_events ", _SOME_EVENTS),
    "a day is emptied": ("DELETE FROM raw_events ", f"event_date = DATE '{_FIRST}' + {{}}"),
    "events move to another day": (
        "UPDATE raw_events SET event_date = event_date + 1, timestamp = timestamp + INTERVAL 1 DAY ",
        _SOME_EVENTS,
    ),
    "events move to another listing": ("UPDATE raw_events SET listing_id = 'c' ", _SOME_EVENTS),
}


def change(connection, what, with_what):
    """Let it happen to the events, and to the versions of their days."""
    if what == "nothing":
        return
    if what == "new":
        for event in with_what:
            connection.execute(_INSERT, event)
        days = {event["at"].date() for event in with_what}
    else:
        statement, condition = _STATEMENTS[what]
        where = f"WHERE {condition.format(with_what)}"
        days = {
            day + timedelta(days=later)
            for (day,) in connection.execute(
                f"SELECT DISTINCT event_date FROM raw_events {where}"
            ).fetchall()
            for later in (0, 1)
        }
        connection.execute(statement + where)
    mark_changed(connection, sorted(days), [])


def sync(connection):
    """Build what changed."""
    build_listing_analytics(connection, contiguous(stale_days(connection)))
    build_listings(connection)


@pytest.mark.parametrize("most_replaced", [0, 5], ids=["day by day", "all days where many changed"])
@examples(
    max_examples=orders(8),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=_new_events, later=st.lists(_changes, min_size=1, max_size=5))
def test_totals_that_follow_equal_totals_anew(warehouse, most_replaced, first, later):
    """After any sequence of syncs, merges, corrections and deletions each total is what the events say."""
    with warehouse.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr(listings, "_MOST_REPLACED", most_replaced)
        connection.execute("BEGIN TRANSACTION")
        for one in (first, *later):
            change(connection, *one)
            sync(connection)
            assert table(connection, _TOTALS) == table(connection, _COUNTED)
        names = ("listings", "listing_days", "listing_people", "listing_day_builds")
        followed = [table(connection, f"FROM {name}") for name in names]
        build_listings(connection, is_anew=True)
        assert [table(connection, f"FROM {name}") for name in names] == followed
        connection.execute("ROLLBACK")


def test_days_that_did_not_change_are_not_read(warehouse, monkeypatch):
    """A total follows the day that changed alone: what is wrong elsewhere stays until all is made anew."""
    monkeypatch.setattr(listings, "_MOST_REPLACED", 0)
    at = datetime(2026, 11, 16, 10, tzinfo=UTC)
    view = {"at": at, "listing": "a", "who": "", "person": "p", "what": "view"}
    with warehouse.connect() as connection:
        change(connection, "new", [view, view | {"at": at + timedelta(days=1)}])
        sync(connection)
        connection.execute("UPDATE listings SET total_views = 100")
        change(connection, "new", [view | {"at": at + timedelta(days=2)}])
        sync(connection)
        views = "SELECT total_views, unique_views FROM listings"
        assert connection.execute(views).fetchall() == [(101, 1)]
        build_listings(connection, is_anew=True)
        assert connection.execute(views).fetchall() == [(3, 1)]


def test_people_of_one_number_are_told_apart(warehouse, monkeypatch):
    """The number by which a person's other days are found is no proof: the texts are."""
    monkeypatch.setattr(listings, "_MOST_REPLACED", 0)
    at = datetime(2026, 11, 16, 10, tzinfo=UTC)
    view = {"at": at, "listing": "a", "who": "", "person": "p", "what": "view"}
    with warehouse.connect() as connection:
        change(connection, "new", [view])
        sync(connection)
        connection.execute(
            "UPDATE listing_people SET pair = md5_number_lower(concat_ws('|', false, 'a', 'q'))"
        )
        change(connection, "new", [view | {"person": "q", "at": at + timedelta(days=1)}])
        sync(connection)
        assert connection.execute("SELECT unique_views FROM listings").fetchall() == [(2,)]
