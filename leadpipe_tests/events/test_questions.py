"""What a team asks of events and syncs, answered on days that are known."""

from datetime import UTC, date, datetime, timedelta

from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, load
from leadpipe_tests.questions import answers

_DAY, _WEEK_BEFORE = date(2026, 11, 20), date(2026, 11, 12)


def test_answers_about_events(warehouse, settings, sandbox, tmp_path):
    """Two days, of which PostHog has an event more of the later one, and an event that cannot be used."""
    call = {"listing_id": "a", "seeker_id": "ama"}
    long_ago = datetime(2026, 11, 12, 9, tzinfo=UTC)
    sandbox.control.insert(
        [
            event("lead_phone", "10:00:00", **call),
            event("lead_phone", long_ago, **call),
            event("lead_phone", long_ago + timedelta(hours=1), **call),
            event("lead", "11:00:00", lead_type="telepathy", **call),
        ]
    )
    load(settings, warehouse, [_WEEK_BEFORE, _DAY], now=NOW)
    with warehouse.connect() as connection:
        connection.execute(
            "UPDATE event_days SET posthog_events = posthog_events + 1, differs_since = checked_at "
            "WHERE event_date = $day",
            {"day": _DAY},
        )
        [(since,)] = connection.execute(
            "SELECT differs_since FROM event_days WHERE event_date = $day", {"day": _DAY}
        ).fetchall()
        [(calls,)] = connection.execute("SELECT api_calls FROM runs").fetchall()
        [(reason,)] = connection.execute(
            "SELECT rejected_reason FROM raw_events WHERE rejected_reason IS NOT NULL"
        ).fetchall()
    found = answers(warehouse, tmp_path, "events")
    [(*numbers, detail)] = found.pop("days_that_differ")
    assert numbers == [_DAY, "differs", 3, 2, 1, 0, since]
    assert detail
    at = datetime(2026, 11, 20, 11, tzinfo=UTC)
    assert found == {
        "days_proved": [
            ("differs", 1, _DAY, _DAY, 2),
            ("proved", 1, _WEEK_BEFORE, _WEEK_BEFORE, 2),
        ],
        "events_week_over_week": [
            ("lead_phone", 1, 2, -50.0),
            ("lead", 1, 0, None),
        ],
        "rejected_events": [("lead", reason, 1, at, at)],
        "syncs_by_day": [(NOW.date(), 1, 0, 4, 0, 1, calls, 0)],
    }
