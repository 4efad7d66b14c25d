"""Weeks counted by hand: read from CSV, all of them or none."""

from datetime import date

import pytest

from leadpipe.errors import ConfigurationError
from leadpipe.visitors.imports import import_weeks, read_weeks
from leadpipe.visitors.metrics import WeekCounts, store_week
from leadpipe.visitors.weeks import parse_week
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows

W03 = date(2025, 1, 13)
W04 = date(2025, 1, 20)


def csv_file(folder, text):
    """A file with a text."""
    path = folder / "weeks.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_weeks_are_read_however_they_are_named(tmp_path):
    """A week is written by its number or by one of its days; pageviews may be missing."""
    text = "\ufeffWeek, Visitors ,signups,pageviews\r\n2025-W03,100,4,\r\n2025-01-22,50,1,80\r\n"
    assert read_weeks(csv_file(tmp_path, text)) == {
        W03: WeekCounts(100, None, 4),
        W04: WeekCounts(50, 80, 1),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("week,visitors\n2025-W03,1\n", "has no column signups; its first line should be"),
        ("week,visitors,signups\n", "has no weeks, only a header"),
        ("", "has no column week and no column visitors and no column signups"),
        (b"week,visitors,signups\n\xff", "cannot be read as CSV"),
        (
            (
                "week,visitors,signups\n2025-W60,1,1\n2025-W03,-1,0\n2025-W04,many,0\n2025-W05,1,1\n"
                "2025-01-27,2,2\n"
            ),
            (
                "line 2: '2025-W60' is no week; .*line 3: visitors is '-1'; .*line 4: visitors is 'many'; "
                ".*line 6: 2025-W05 is there twice. Nothing was imported"
            ),
        ),
        (
            "week,visitors,signups,pageviews\n2025-W03,9,1,8\n",
            "line 2: 8 pageviews cannot come from 9",
        ),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path, text, message):
    """Every wrong line is named with its number, and none is imported."""
    with pytest.raises(ConfigurationError, match=message):
        read_weeks(csv_file(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    """The error has the path."""
    with pytest.raises(ConfigurationError, match=r"nothing.csv cannot be read as CSV"):
        read_weeks(tmp_path / "nothing.csv")


def imported(warehouse, weeks, *, is_replacing=False):
    """Import weeks."""
    with warehouse.writing("visitors") as connection:
        return import_weeks(connection, weeks, is_replacing=is_replacing, now=NOW)


def test_importing_again_changes_nothing(warehouse):
    """The same file twice is the same table; a corrected week is replaced."""
    weeks = {W03: WeekCounts(100, None, 4), W04: WeekCounts(50, 80, 1)}
    assert imported(warehouse, weeks) == [W03, W04]
    assert imported(warehouse, weeks) == []
    assert imported(warehouse, weeks | {W04: WeekCounts(51, 80, 1)}) == [W04]
    assert rows(warehouse, "SELECT id, visitors, source FROM visitor_metrics ORDER BY id") == [
        ("202503", 100, "manual"),
        ("202504", 51, "manual"),
    ]


def test_a_week_posthog_counted_is_replaced_only_on_request(warehouse):
    """Without --replace nothing of the file is imported, with it the number by hand stays."""
    with warehouse.writing("visitors") as connection:
        store_week(
            connection, W04, WeekCounts(7, 9, 0), None, source="posthog", run_id="run-1", now=NOW
        )
    weeks = {W03: WeekCounts(100, None, 4), W04: WeekCounts(50, None, 1)}
    with pytest.raises(ConfigurationError, match="PostHog has counted 2025-W04 already"):
        imported(warehouse, weeks)
    assert rows(warehouse, "SELECT id, source FROM visitor_metrics") == [("202504", "posthog")]
    assert imported(warehouse, weeks, is_replacing=True) == [W03, W04]
    assert rows(warehouse, "SELECT id, visitors, source FROM visitor_metrics ORDER BY id") == [
        ("202503", 100, "manual"),
        ("202504", 50, "manual"),
    ]


@pytest.mark.parametrize("text", ["2025-W03", "2025W3", "202503", "2025-01-13", " 2025-01-19 "])
def test_a_week_can_be_written_in_many_ways(text):
    """By ISO number, by row id, or by any of its days."""
    assert parse_week(text) == W03


@pytest.mark.parametrize(
    "text", ["", "W03", "2025-W00", "2025-W54", "202599", "next week", "2025-13-01"]
)
def test_what_is_no_week_is_refused(text):
    """The error shows how to write one."""
    with pytest.raises(ConfigurationError, match="is no week; write 2026-W47"):
        parse_week(text)
