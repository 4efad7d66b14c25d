"""Each asset check is green on a warehouse that is right, and red on one that was tampered with."""

import dagster as dg
import pytest

from leadpipe.definitions import build_defs
from leadpipe.settings import Settings
from leadpipe_tests.dagster_ui.builders import QUIET, history, on, whole_of, whole_range

CHECKS = {
    "every_day_is_complete": "raw_events",
    "uuid_is_unique": "raw_events",
    "every_uuid_is_one_event": "raw_events",
    "webhook_events_are_confirmed": "raw_events",
    "events_are_fresh": "raw_events",
    "every_lead_event_is_in_one_record": "leads",
    "no_hour_is_impossible": "listing_analytics",
    "totals_equal_their_hours": "listings",
}
FIRST_DAY = "(SELECT min(event_date) FROM event_days)"
# What somebody did to the warehouse, the checks that find it.
TAMPERING = {
    "an event's row is deleted": (
        f"DELETE FROM raw_events WHERE event = 'lead_phone' AND event_date = {FIRST_DAY}",
        {"every_day_is_complete", "every_lead_event_is_in_one_record"},
    ),
    "a view's row is deleted": (
        f"DELETE FROM raw_events WHERE event = 'property_view' AND event_date = {FIRST_DAY}",
        {"every_day_is_complete"},
    ),
    "a uuid is stored twice": (
        "INSERT INTO raw_events SELECT * FROM raw_events WHERE event = 'property_view' LIMIT 1",
        {"uuid_is_unique"},
    ),
    "a day has other events": (
        f"UPDATE event_days SET posthog_checksum = xor(posthog_checksum, 1) WHERE event_date = {FIRST_DAY}",
        {"every_day_is_complete"},
    ),
    "a uuid was seen on two events": (
        """
        INSERT INTO shared_uuids
        SELECT uuid, event, distinct_id, event_date, timestamp FROM raw_events LIMIT 1
        """,
        {"every_uuid_is_one_event"},
    ),
    "a webhook brought what PostHog does not have": (
        """
        INSERT INTO unconfirmed_events
        SELECT uuid(), event, event_date, run_id, timestamp, timestamp, NULL FROM raw_events LIMIT 1
        """,
        {"webhook_events_are_confirmed"},
    ),
    "of two events with one uuid one is here": (
        """
        INSERT INTO shared_uuids
        SELECT uuid, 'lead_fax', distinct_id, event_date, timestamp FROM raw_events LIMIT 1
        """,
        {"every_uuid_is_one_event", "every_day_is_complete"},
    ),
    "a lead's record is deleted": (
        "DELETE FROM leads WHERE lead_id = (SELECT min(lead_id) FROM leads)",
        {"every_lead_event_is_in_one_record"},
    ),
    "a lead's record is stored twice": (
        "INSERT INTO leads SELECT * FROM leads WHERE lead_id = (SELECT min(lead_id) FROM leads)",
        {"every_lead_event_is_in_one_record"},
    ),
    "a lead action is moved out of its record": (
        "UPDATE leads SET total_actions = total_actions - 1",
        {"every_lead_event_is_in_one_record"},
    ),
    "a listing's total is changed": (
        "UPDATE listings SET total_views = total_views + 1",
        {"totals_equal_their_hours"},
    ),
    "a listing is deleted": ("DELETE FROM listings", {"totals_equal_their_hours"}),
    "an hour's count is negative": (
        f"UPDATE listing_analytics SET total_impressions = -1 WHERE date = {FIRST_DAY}",
        {"no_hour_is_impossible", "totals_equal_their_hours"},
    ),
    "a rate does not follow from its counts": (
        f"UPDATE listing_analytics SET conversion_rate = conversion_rate + 1 WHERE date = {FIRST_DAY}",
        {"no_hour_is_impossible"},
    ),
    "a rate is infinite": (
        f"UPDATE listing_analytics SET conversion_rate = 'infinity' WHERE date = {FIRST_DAY}",
        {"no_hour_is_impossible"},
    ),
    "more people than views": (
        f"UPDATE listing_analytics SET unique_views = total_views + 1 WHERE date = {FIRST_DAY}",
        {"no_hour_is_impossible"},
    ),
    "no day was read for 14 hours": (
        """
        UPDATE event_days SET read_until = read_until - INTERVAL 14 HOURS;
        UPDATE raw_events SET created_at = created_at - INTERVAL 14 HOURS
        """,
        {"events_are_fresh"},
    ),
    "nothing was ever read": (
        """
        UPDATE event_days SET read_until = NULL, posthog_events = NULL, warehouse_events = NULL,
                              posthog_checksum = NULL, warehouse_checksum = NULL, checked_at = NULL
        """,
        {"events_are_fresh"},
    ),
    "PostHog has more": (
        f"UPDATE event_days SET posthog_events = posthog_events + 1 WHERE event_date = {FIRST_DAY}",
        {"every_day_is_complete"},
    ),
    "PostHog has fewer": (
        f"UPDATE event_days SET posthog_events = posthog_events - 1 WHERE event_date = {FIRST_DAY}",
        {"every_day_is_complete"},
    ),
}


@pytest.fixture
def checked(posthog, live: Settings, today) -> Settings:
    """A warehouse in which everything is right."""
    posthog.control.insert([*history(today), on(today)])
    with dg.DagsterInstance.ephemeral() as instance:
        whole_range(live, instance, today)
    return live


def evaluate(settings: Settings) -> dict[str, tuple[bool, dg.AssetCheckSeverity, str]]:
    """Every check, run on its own: whether it passed, how bad that is, and its asset."""
    definitions = build_defs(settings=settings)
    checks_only = dg.define_asset_job(
        "checks_only", selection=dg.AssetSelection.checks_for_assets(*set(CHECKS.values()))
    ).resolve(asset_graph=definitions.resolve_asset_graph())
    with dg.DagsterInstance.ephemeral() as instance:
        result = checks_only.execute_in_process(
            instance=instance,
            resources=definitions.resources,
            run_config=QUIET,
            raise_on_error=False,  # a check that blocks fails its run
        )
    return {
        found.check_name: (found.passed, found.severity, found.asset_key.to_user_string())
        for found in result.get_asset_check_evaluations()
    }


def test_each_check_finds_what_it_is_there_for(checked, stored):
    """A right warehouse is green; each kind of tampering turns exactly the checks red that guard it."""
    assert {name: (ok, asset) for name, (ok, _, asset) in evaluate(checked).items()} == {
        name: (True, asset) for name, asset in CHECKS.items()
    }
    untouched = whole_of(checked).read_bytes()
    red = {}
    for what, (statement, _) in TAMPERING.items():
        with stored.connect() as connection:
            connection.execute(statement)
        red[what] = {name for name, (passed, _, _) in evaluate(checked).items() if not passed}
        whole_of(checked).write_bytes(untouched)
    assert red == {what: names for what, (_, names) in TAMPERING.items()}


def test_missing_events_are_an_error_and_surplus_ones_a_warning(checked, stored):
    """Events that did not arrive are an error; what PostHog deleted later, or cannot be had, is a warning."""
    severities = {}
    for what in (
        "PostHog has more",
        "PostHog has fewer",
        "of two events with one uuid one is here",
    ):
        untouched = whole_of(checked).read_bytes()
        with stored.connect() as connection:
            connection.execute(TAMPERING[what][0])
        severities[what] = evaluate(checked)["every_day_is_complete"][1]
        whole_of(checked).write_bytes(untouched)
    assert severities == {
        "PostHog has more": dg.AssetCheckSeverity.ERROR,
        "PostHog has fewer": dg.AssetCheckSeverity.WARN,
        "of two events with one uuid one is here": dg.AssetCheckSeverity.WARN,
    }
