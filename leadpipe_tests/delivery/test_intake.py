"""Captured leads come into the outbox from the days that changed, however old those are."""

from datetime import timedelta

from leadpipe.delivery.intake import IntakeReport, take_in_events
from leadpipe.events.versions import mark_changed
from leadpipe_tests.clocks import NOW
from leadpipe_tests.delivery.builders import lead
from leadpipe_tests.events.builders import event, take_in

_OLD = NOW - timedelta(days=200)


def taken_in(warehouse):
    """What a delivery takes in."""
    with warehouse.writing("delivery") as connection:
        return take_in_events(connection, region="US", now=NOW)


def test_only_days_that_changed_are_looked_at(warehouse, tmp_path):
    """What is there already costs nothing, and a lead that comes late for an old day is taken."""
    earlier = [
        event("lead_captured", moment, **lead(number))
        for number, moment in enumerate((_OLD, NOW - timedelta(hours=1)))
    ]
    take_in(warehouse, tmp_path, earlier)
    assert taken_in(warehouse) == IntakeReport(new=2)
    assert taken_in(warehouse) == IntakeReport()
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM lead_deliveries")
    late = event("lead_captured", _OLD + timedelta(minutes=1), **lead(3))
    take_in(warehouse, tmp_path, [late], run_id="run-2")
    assert taken_in(warehouse) == IntakeReport(new=2), "both of the old day, not that of today"
    with warehouse.writing("door") as connection:
        mark_changed(connection, [NOW.date()], [])
    assert taken_in(warehouse) == IntakeReport(new=1)
