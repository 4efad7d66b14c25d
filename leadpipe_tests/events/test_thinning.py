"""A key whose user may not see all properties: nothing stored is lowered, and it is said."""

from datetime import timedelta

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.events.findings import findings
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load, rows

_DAY = TODAY - timedelta(days=1)


@pytest.fixture
def loaded(sandbox, settings, warehouse):
    """Three leads, read by a key whose user sees all."""
    sandbox.control.insert(
        [
            event("lead_phone", f"0{hour}:00:00", listing_id="L", utm_source="ad", empty="")
            for hour in (1, 2, 3)
        ]
    )
    load(settings, warehouse, [_DAY])


def said(settings):
    """What the check says of properties."""
    with connect_posthog(settings) as posthog:
        found = list(findings(settings, posthog, now=NOW))
    return [one.text for one in found if one.what == "properties"]


def test_a_key_that_sees_less_is_told(sandbox, settings, warehouse, loaded):
    """The property is named, with the next step; a full read lowers nothing of what is stored."""
    assert said(settings) == []
    sandbox.control.hide_properties("utm_source", "listing_id")
    (text,) = said(settings)
    assert text.startswith("PostHog no longer shows listing_id, utm_source of events that had it")
    assert "Make the key as a user who sees all" in text
    before = rows(warehouse, "SELECT * FROM raw_events ORDER BY uuid")
    report = load(settings, warehouse, [_DAY], run_id="run-2", is_full=True)
    assert (report.incomplete_days, report.ingested.changed_days) == ((), ())
    assert rows(warehouse, "SELECT * FROM raw_events ORDER BY uuid") == before


def test_what_the_native_table_forgets_is_not_hidden(sandbox, settings, loaded):
    """Empty values and another print are no access control."""
    sandbox.control.native_json()
    assert said(settings) == []
