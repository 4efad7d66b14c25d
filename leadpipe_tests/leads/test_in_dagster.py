"""The asset `leads`: what people said comes in with the next run, and the run says how much."""

import dagster as dg

from leadpipe.leads import assets
from leadpipe.resources import WarehouseResource
from leadpipe_tests.events.builders import rows, settings_of
from leadpipe_tests.leads.builders import publish_leads, say


def test_a_run_takes_in_what_people_said(tmp_path):
    """Its metadata counts the edits; the second run has none to take in, and the check holds after both."""
    warehouse = publish_leads(tmp_path)
    [(lead_id,)] = rows(warehouse, "SELECT lead_id FROM leads WHERE seeker_id = 'yaw'")
    say(tmp_path, lead_id, "qualified")
    found = []
    for _ in range(2):
        result = dg.materialize(
            [assets.leads, assets.every_lead_event_is_in_one_record],
            resources={
                "warehouse": WarehouseResource(database=str(warehouse.path)),
                "settings": settings_of(warehouse),
            },
        )
        [event] = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        found.append((metadata["edits taken in"].value, metadata["runs built"].value))
        assert [check.passed for check in result.get_asset_check_evaluations()] == [True]
    assert found == [(1, 1), (0, 0)]
    assert rows(warehouse, "SELECT status FROM leads WHERE lead_id = $1", lead_id) == [
        ("qualified",)
    ]
