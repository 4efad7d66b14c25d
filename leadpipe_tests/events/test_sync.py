"""The sync against the sandbox: what PostHog has is in the warehouse, once, and that is proved."""

from datetime import date, timedelta

from leadpipe_tests.events.builders import NOW, TODAY, event, load, rows


def test_a_day_is_loaded_and_found_complete(sandbox, settings, warehouse):
    """Every event of the day arrives, and both counts agree."""
    sandbox.control.insert([event("property_view", f"10:00:{s:02d}", listing_id="a") for s in range(5)])
    report = load(settings, warehouse, [date(2026, 11, 20)])
    assert (report.ingested.new, report.incomplete_days) == (5, ())
    assert rows(warehouse, "SELECT count(*), min(listing_id) FROM raw_events") == [(5, "a")]
