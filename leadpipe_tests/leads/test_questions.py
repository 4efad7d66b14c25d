"""What a team asks of leads, answered on leads that are known."""

from datetime import UTC, date, datetime, timedelta

from leadpipe.events.ledger import Run, finish_run
from leadpipe.posthog import CallCounts
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import build_marts, event, take_in
from leadpipe_tests.questions import answers

_MONDAY, _MONDAY_BEFORE = date(2026, 11, 16), date(2026, 11, 9)


def lead(name, at, listing, seeker, **fields):
    """A lead of a seeker on a listing."""
    return event(name, at, listing_id=listing, seeker_id=seeker, **fields)


def test_answers_about_leads(warehouse, tmp_path):
    """Four leads of three seekers, one answered and converted, are told apart in every answer."""
    first = datetime(2026, 11, 10, 9, tzinfo=UTC)
    take_in(
        warehouse,
        tmp_path,
        [
            lead("lead_phone", first, "a", "ama", utm_source="newsletter"),
            lead("lead_message", first + timedelta(hours=1), "a", "ama", message_type="email"),
            lead("lead_phone", "09:30:00", "b", "ama"),
            lead("lead_appointment", "23:00:00", "a", "kofi", utm_source="newsletter"),
            lead("lead", NOW - timedelta(hours=2), "b", "esi", lead_type="website"),
        ],
    )
    build_marts(warehouse)
    with warehouse.connect() as connection:
        [(converted,)] = connection.execute(
            "SELECT lead_id FROM leads WHERE seeker_id = 'ama' AND listing_id = 'a'"
        ).fetchall()
        for hours, status in ((2, "contacted"), (50, "converted")):
            connection.execute(
                "INSERT INTO lead_edits VALUES ($1, 'status', $2, 'abena', $3, 'edit-' || $2, '', NULL)",
                [converted, status, first + timedelta(hours=hours)],
            )
        finish_run(connection, Run("run-1", "manual"), calls=CallCounts(1, 0, 0), now=NOW)
    assert answers(warehouse, tmp_path, "leads") == {
        "leads_by_week": [
            (_MONDAY, 3, 3, 0, 0, 0, 0, 0.0),
            (_MONDAY_BEFORE, 1, 0, 0, 0, 1, 0, 100.0),
        ],
        "leads_by_source": [
            ("(none)", 2, 2, 15.0, 0, 0.0),
            ("newsletter", 2, 3, 40.0, 1, 50.0),
        ],
        "time_to_first_response": [
            (_MONDAY, 3, 0, None, None),
            (_MONDAY_BEFORE, 1, 1, 2.0, 2.0),
        ],
        "unanswered_leads_by_age": [("under a day", 2, 40, 0), ("1 to 3 days", 1, 30, 0)],
        "leads_by_hour": [
            (9, 2, 2, 0, 0, 0),
            (10, 2, 0, 1, 0, 1),
            (23, 1, 0, 0, 1, 0),
        ],
        "repeat_seekers": [("1", 2, 2, 0), ("2", 1, 3, 1)],
    }
