"""A fault in a day that a sync touched is found by the sync, one anywhere else in history by night."""

from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import duckdb
import pytest

from leadpipe.definitions import build_defs
from leadpipe.events.inspections import NO_EVENT_LOST, NO_UUID_REPEATED
from leadpipe.events.versions import mark_changed
from leadpipe.inspecting import all_inspections, inspect_changed, inspect_longest_ago
from leadpipe.leads.inspections import RECORDS
from leadpipe.listings.inspections import POSSIBLE_HOURS, SUMS_OF_DAYS
from leadpipe.ranges import contiguous
from leadpipe_tests.dagster_ui.builders import QUIET, history, on, whole_of, whole_range
from leadpipe_tests.events.builders import rows

OLD = "(SELECT min(event_date) FROM event_days WHERE version > 0)"
# What somebody did to an old day or to what is kept of all time, and the inspections that find it by night.
FAULTS = {
    "an event is gone": (
        f"DELETE FROM raw_events WHERE event = 'property_view' AND event_date = {OLD}",
        {
            "no_event_is_lost",
            "days_are_counted",
            "hours_equal_their_events",
            "listing_days_equal_their_events",
        },
    ),
    "a uuid is stored on two days": (
        """
        INSERT INTO raw_events SELECT * REPLACE (event_date + 1 AS event_date) FROM raw_events
        WHERE event = '$pageview' LIMIT 1
        """,
        {"uuids_are_unique", "days_are_counted"},
    ),
    "a day of a run is not noted": (
        f"DELETE FROM run_days WHERE event_date = {OLD}",
        {"days_of_runs_are_noted"},
    ),
    "an hour has another count": (
        f"UPDATE listing_analytics SET views_from_home = views_from_home + 1 WHERE date = {OLD}",
        {"hours_equal_their_events", "listing_days_equal_their_events"},
    ),
    "a listing has other distinct people": (
        "UPDATE listings SET unique_views = unique_views + 1",
        {"totals_equal_all_days"},
    ),
    "a person is missing on a day": (
        f"DELETE FROM listing_people WHERE date = {OLD} AND NOT is_lead",
        {"listing_days_equal_their_events"},
    ),
    "a record is gone": ("DELETE FROM leads", {"every_lead_event_is_in_one_record"}),
}


@pytest.fixture
def built(posthog, live, stored, today, instance):
    """Some days, loaded, built and published by a sync; the settings."""
    posthog.control.insert([*history(today), on(today)])
    posthog.control.insert([on(today - timedelta(days=5), "$pageview")])
    whole_range(live, instance, today)
    return live


def audit(settings, instance):
    """The inspections of a night: whether the check is green, and the names of those that found faults."""
    definitions = build_defs(settings=settings)
    result = (
        dg.define_asset_job("night", selection=dg.AssetSelection.assets("inspected_tables"))
        .resolve(asset_graph=definitions.resolve_asset_graph())
        .execute_in_process(instance=instance, resources=definitions.resources, run_config=QUIET)
    )
    (check,) = result.get_asset_check_evaluations()
    shown = check.metadata["faults"]
    assert isinstance(shown, dg.TableMetadataValue)
    found = shown.records
    return check.passed, {str(record.data["inspection"]) for record in found}


def test_a_fault_in_an_untouched_old_day_is_found_by_night(built, stored, instance):
    """Whatever it is; where nothing is wrong the night is green, and so it is when all is mended."""
    assert audit(built, instance) == (True, set())
    untouched = whole_of(built).read_bytes()
    found = {}
    for what, (statement, _) in FAULTS.items():
        with stored.connect() as connection:
            connection.execute(statement)
        passed, names = audit(built, instance)
        found[what] = names - {"published_files_equal_the_warehouse"}
        assert not passed, what
        whole_of(built).write_bytes(untouched)
    assert found == {what: names for what, (_, names) in FAULTS.items()}
    assert audit(built, instance) == (True, set())


def test_a_file_that_was_linked_for_long_is_compared_by_night(built, instance):
    """A month that no sync writes any more, changed on disk."""
    (file,) = (
        path
        for path in (built.published_dir / "current").glob("listing_analytics/*.parquet")
        if not path.name.startswith("0000-00")
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE t AS FROM '{file}'; UPDATE t SET total_leads = 9; COPY t TO '{file}'"
        )
    assert audit(built, instance) == (False, {"published_files_equal_the_warehouse"})


@pytest.mark.parametrize(
    ("statement", "inspection"),
    [
        (
            f"""
            INSERT INTO raw_events SELECT * FROM raw_events
            WHERE event = 'property_view' AND event_date = {OLD} LIMIT 1
            """,
            NO_UUID_REPEATED,
        ),
        (
            f"DELETE FROM raw_events WHERE event = 'property_view' AND event_date = {OLD}",
            NO_EVENT_LOST,
        ),
        (
            f"""
            UPDATE listing_analytics SET total_impressions = -1 WHERE date = {OLD};
            UPDATE listing_analytics_builds SET checksum = 'another' WHERE event_date = {OLD}
            """,
            POSSIBLE_HOURS,
        ),
        (
            f"""
            UPDATE listing_days SET total_views = total_views + 1 WHERE date = {OLD};
            UPDATE listing_day_builds SET checksum = 'another' WHERE event_date = {OLD}
            """,
            SUMS_OF_DAYS,
        ),
        ("DELETE FROM leads", RECORDS),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_fault_in_a_touched_day_is_found_by_the_sync(built, stored, statement, inspection):
    """By the look that its check takes at what changed, and again until it is mended."""
    untouched = whole_of(built).read_bytes()
    with stored.connect() as connection:
        days = [
            day for (day,) in connection.execute("SELECT event_date FROM event_days").fetchall()
        ]
        runs = [run for (run,) in connection.execute("SELECT run_id FROM runs").fetchall()]
        assert inspect_changed(connection, inspection, built, now=datetime.now(UTC)).looked == 0
        connection.execute(statement)
        mark_changed(connection, contiguous(days)[0][:1], runs)
        for _ in range(2):
            assert inspect_changed(connection, inspection, built, now=datetime.now(UTC)).faults
    whole_of(built).write_bytes(untouched)
    with stored.connect() as connection:
        mark_changed(connection, days, runs)
        assert not inspect_changed(connection, inspection, built, now=datetime.now(UTC)).faults


def test_nights_come_round(built, stored):
    """Each goes on where the one before ended, and tells how far it has come; faults come first."""
    inspections = all_inspections()
    with stored.connect() as connection:
        connection.execute("DELETE FROM inspections")
    seen, nights = set(), 0
    with stored.connect() as connection:
        while True:
            ticks = iter([False, False, True])
            found = inspect_longest_ago(
                connection,
                inspections,
                built,
                now=datetime.now(UTC) + timedelta(days=nights),
                is_over=partial(next, ticks),
            )
            nights += 1
            seen |= {one.name for one in found if one.looked}
            assert sum(one.looked for one in found) > 0
            if all(one.since for one in found if one.parts):
                break
    assert seen == {one.name for one in found if one.parts}
    assert nights > 10
    with stored.connect() as connection:
        connection.execute(
            "UPDATE inspections SET faults = 1 WHERE inspection = 'days_are_counted'"
        )
        ticks = iter([False, True])
        found = inspect_longest_ago(
            connection,
            inspections,
            built,
            now=datetime.now(UTC) + timedelta(days=99),
            is_over=partial(next, ticks),
        )
    assert [one.name for one in found if one.looked] == ["days_are_counted"]
    assert rows(stored, "SELECT sum(faults) FROM inspections") == [(0,)]
