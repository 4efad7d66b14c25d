"""The weekly metrics against `raw_events`: equal, or a reason that helps."""

from datetime import date, timedelta

import pytest

from leadpipe.inspecting import all_inspections
from leadpipe.inspecting.parts import known_faults
from leadpipe.settings import Settings
from leadpipe.visitors.agreement import Difference, compare_with_events
from leadpipe.visitors.metrics import WeekCounts, store_week
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import take_in
from leadpipe_tests.visitors.test_live import pageview

WEEK = date(2026, 11, 9)
SETTINGS = Settings(_env_file=None)


@pytest.fixture
def loaded(warehouse, tmp_path):
    """A warehouse with a whole week: two visitors, three pageviews."""
    views = [
        pageview(number, person, device, WEEK, created_at=NOW)
        for number, (person, device) in enumerate([("p1", "d1"), ("p2", "d2"), ("p2", "d3")], 1)
    ]
    take_in(warehouse, tmp_path, views)
    days = [WEEK + timedelta(days=number) for number in range(7)]
    with warehouse.writing("visitors") as connection:
        connection.execute("DELETE FROM event_days")
        connection.executemany(
            "INSERT INTO event_days (event_date, version, read_until, posthog_events, "
            "warehouse_events, checked_at) VALUES (?, 1, ?, 3, 3, ?)",
            [[day, NOW, NOW] for day in days],
        )
    return warehouse


def compared(warehouse, visitors, pageviews, *, now=NOW, source="posthog", sql=None):
    """Compare after PostHog has counted so much."""
    with warehouse.connect() as connection:
        store_week(
            connection,
            WEEK,
            WeekCounts(visitors, pageviews, 0),
            None,
            source=source,
            run_id=None,
            now=NOW,
        )
        if sql:
            connection.execute(sql)
        return compare_with_events(connection, SETTINGS, now=now, is_whole=True)


def test_equal_counts_agree(loaded):
    """The same visitors and pageviews are no difference."""
    assert compared(loaded, 2, 3) == (1, ())


def test_weeks_by_hand_are_not_compared(loaded):
    """What a person counted is not PostHog's to confirm."""
    assert compared(loaded, 99, None, source="manual") == (0, ())


@pytest.mark.parametrize(
    ("visitors", "pageviews", "sql", "reason"),
    [
        (
            1,
            3,
            None,
            (
                "PostHog has merged or split persons since the events were read; "
                "`leadpipe sync --from 2026-11-09 --to 2026-11-15 --full` reads them anew"
            ),
        ),
        (
            3,
            5,
            None,
            "PostHog counted 2 pageviews that came later; the next sync has them",
        ),
        (
            1,
            1,
            None,
            "2 pageviews were deleted in PostHog, or came after it had counted",
        ),
        (
            3,
            5,
            "UPDATE event_days SET posthog_events = 4 WHERE event_date = '2026-11-10'",
            "1 days differ from PostHog; see `leadpipe days --incomplete`",
        ),
        (
            3,
            5,
            "DELETE FROM event_days WHERE event_date < '2026-11-11' AND event_date <> '2026-11-09'",
            "1 days of the week are not loaded; see LEADPIPE_START_DATE",
        ),
    ],
)
def test_a_difference_is_explained(loaded, visitors, pageviews, sql, reason):
    """The reason follows from what is known of the week's days."""
    assert compared(loaded, visitors, pageviews, sql=sql) == (
        1,
        (Difference(WEEK, visitors, 2, pageviews, 3, reason, is_over=True),),
    )


def test_the_current_week_may_differ(loaded):
    """Two counts of a week that is not over were taken at different moments."""
    _, (difference,) = compared(loaded, 3, 4, now=NOW - timedelta(days=8))
    assert (difference.is_over, difference.reason) == (
        False,
        "the week is not over: the two were counted at different moments",
    )


def test_a_week_that_agreed_is_compared_again_when_something_changed(loaded):
    """Neither is looked at while count and events stay; one that differs is, until it agrees."""

    def again(sql=None, *, is_whole=False):
        with loaded.connect() as connection:
            if sql:
                connection.execute(sql)
            looked, differences = compare_with_events(
                connection, SETTINGS, now=NOW, is_whole=is_whole
            )
        return looked, [one.week for one in differences]

    assert compared(loaded, 2, 3) == (1, ())
    assert again() == (0, [])
    assert again(is_whole=True) == (1, [])
    counted = "UPDATE visitor_metrics SET pageviews = {}"
    assert again(counted.format(4)) == (1, [WEEK])
    assert again() == (1, [WEEK])
    assert again(counted.format(3)) == (1, [])
    a_day = "event_date = '2026-11-10'"
    lost = f"DELETE FROM raw_events WHERE event_date BETWEEN '{WEEK}' AND '{WEEK}'::DATE + 6; "
    assert again(f"{lost} UPDATE event_days SET version = 2 WHERE {a_day}") == (1, [WEEK])


def test_weeks_that_differ_do_not_redden_the_night(loaded):
    """Merged persons make old weeks differ for good; the check of the night is of other things."""
    assert len(compared(loaded, 1, 3)[1]) == 1
    names = [one.name for one in all_inspections()]
    with loaded.connect() as connection:
        assert known_faults(connection, names) == []
        assert connection.execute("SELECT sum(faults) FROM inspections").fetchall() == [(1,)]
