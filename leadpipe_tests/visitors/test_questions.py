"""What a team asks of visitors, answered on weeks that are known."""

from datetime import UTC, date, datetime, timedelta

from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, load, rows
from leadpipe_tests.questions import answers

_MONDAY, _BEFORE = date(2026, 11, 16), date(2026, 11, 9)


def test_answers_about_visitors(warehouse, settings, sandbox, tmp_path):
    """Two weeks, of which one was counted again later; one of two visitors came back."""
    seen = [(_BEFORE, 1), (_BEFORE, 2), (_MONDAY, 1), (_MONDAY, 3)]
    sandbox.control.insert(
        [
            event(
                "$pageview",
                datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
                distinct_id=f"device-{person}",
            )
            for day, person in seen
        ]
    )
    load(settings, warehouse, [_BEFORE, _MONDAY])
    later = NOW - timedelta(hours=1)
    with warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO visitor_metrics VALUES "
            "('202646', $before, $before + 6, 2, 2, 1, 50.0, 'posthog', $later, $later), "
            "('202647', $monday, $monday + 6, 3, 3, 0, 0.0, 'posthog', $later, $later)",
            {"before": _BEFORE, "monday": _MONDAY, "later": later},
        )
        connection.execute(
            "INSERT INTO visitor_metric_changes VALUES "
            "($before, NULL, 3, NULL, 2, NULL, 1, 'posthog', 'run-1', $then), "
            "($before, 3, 2, 2, 2, 1, 1, 'posthog', 'run-2', $later)",
            {"before": _BEFORE, "then": NOW - timedelta(days=5), "later": later},
        )
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(4,)]
    assert answers(warehouse, tmp_path, "visitors") == {
        "visitors_week_over_week": [
            (_MONDAY, 3, 2, 50.0, 0, 0.0, "posthog"),
            (_BEFORE, 2, None, None, 1, 50.0, "posthog"),
        ],
        "visitors_who_came_back": [(_MONDAY, 2, 0, 0.0), (_BEFORE, 2, 1, 50.0)],
        "weeks_that_changed": [(_BEFORE, 3, 2, -1, "posthog", later)],
    }
