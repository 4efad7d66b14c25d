"""A year is backfilled from the running UI: real webserver, real daemon, one run."""

from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.warehouse import Warehouse
from leadpipe_tests.dagster_ui.builders import ASSETS as SYNCED
from leadpipe_tests.dagster_ui.processes import dagster_ui, environment, wait_for
from leadpipe_tests.events.builders import rows

EVENTS, DAYS = 3_000, 365
LAUNCH = """
mutation Launch($days: [String!]!) {
  launchPartitionBackfill(backfillParams: {
    partitionNames: $days
    selector: {
      partitionSetName: "sync_partition_set"
      repositorySelector: {
        repositoryName: "__repository__", repositoryLocationName: "leadpipe.definitions"
      }
    }
  }) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}
"""
BACKFILL = """
query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill {
      status numPartitions error { message }
      runs { id status jobName stats { ... on RunStatsSnapshot { startTime endTime } } }
    }
  }
}
"""
ASSETS = """
{ assetNodes {
    assetKey { path }
    partitionStats { numMaterialized numFailed numPartitions }
    assetMaterializations(limit: 1) { metadataEntries {
      __typename label ... on IntMetadataEntry { intValue }
    } }
    assetChecksOrError { ... on AssetChecks { checks {
      name executionForLatestMaterialization { status evaluation { success } }
    } } }
} }
"""


@pytest.mark.long
def test_a_year_is_one_run(machine_clock, sandbox, tmp_path):
    """A 365-day backfill launched through the UI's GraphQL is one run; all its days are materialised."""
    now = datetime.now(UTC)
    first = now.date() - timedelta(days=DAYS - 1)
    days = [(first + timedelta(days=n)).isoformat() for n in range(DAYS)]
    # Late ones come within three days: none appears while the test lasts.
    sandbox.control.generate(EVENTS, days=DAYS - 5, end=now - timedelta(days=4))
    env = environment(
        sandbox,
        LEADPIPE_START_DATE=first.isoformat(),
        LEADPIPE_DATA_DIR=str(tmp_path / "data"),
    )
    with dagster_ui(tmp_path, env) as ui:
        launched = ui.ask(LAUNCH, days=days)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched

        def ended():
            backfill = ui.ask(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]
            return backfill if backfill["status"] != "REQUESTED" else None

        backfill = wait_for("the end of the backfill", ended, seconds=180, every=1.0)
        nodes = {node["assetKey"]["path"][0]: node for node in ui.ask(ASSETS)["assetNodes"]}
        assets = {name: node for name, node in nodes.items() if name in SYNCED}

    runs = backfill.pop("runs")
    assert backfill == {"status": "COMPLETED_SUCCESS", "numPartitions": DAYS, "error": None}
    assert [(run["status"], run["jobName"]) for run in runs] == [("SUCCESS", "sync")]
    every_day = {"numMaterialized": DAYS, "numFailed": 0, "numPartitions": DAYS}
    assert {name: node["partitionStats"] for name, node in assets.items()} == {
        "raw_events": every_day,
        "listing_analytics": every_day,
        "leads": None,
        "listings": None,
        "published_tables": None,
    }
    warehouse = Warehouse(tmp_path / "data" / "leadpipe.duckdb", lock_timeout_seconds=10.0)
    ((stored, changed_days),) = rows(
        warehouse, "SELECT count(*), count(DISTINCT event_date) FROM raw_events"
    )
    numbers = {
        entry["label"]: entry["intValue"]
        for entry in assets["raw_events"]["assetMaterializations"][0]["metadataEntries"]
        if entry["__typename"] == "IntMetadataEntry"
    }
    assert (numbers["events new"], numbers["days changed"], numbers["days incomplete"]) == (
        stored,
        changed_days,
        0,
    )
    assert stored > EVENTS * 0.8
    assert rows(warehouse, "SELECT kind, status, events_new FROM runs") == [
        ("backfill", "succeeded", stored)
    ]
    assert {
        check["name"]: check["executionForLatestMaterialization"]["status"]
        for node in assets.values()
        for check in node["assetChecksOrError"].get("checks", [])
    } == {
        "every_day_is_complete": "SUCCEEDED",
        "uuid_is_unique": "SUCCEEDED",
        "every_uuid_is_one_event": "SUCCEEDED",
        "webhook_events_are_confirmed": "SUCCEEDED",
        "events_are_fresh": "SUCCEEDED",
        "every_lead_event_is_in_one_record": "SUCCEEDED",
        "no_hour_is_impossible": "SUCCEEDED",
        "totals_equal_their_hours": "SUCCEEDED",
        "published_tables_equal_the_warehouse": "SUCCEEDED",
    }
