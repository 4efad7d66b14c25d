"""What a person starts from the UI: one day, a range, a full read, a check; and how a failure reads."""

import logging
from datetime import timedelta

import dagster as dg
import pytest
from pydantic import SecretStr

from leadpipe import resources
from leadpipe.connections import connect_posthog
from leadpipe.definitions import build_defs
from leadpipe.events.assets import raw_events
from leadpipe.posthog import PostHog
from leadpipe.resources import PostHogConnection
from leadpipe_tests.dagster_ui.builders import (
    ASSETS,
    HISTORY_DAYS,
    QUIET,
    a_lead,
    history,
    materialised,
    metadata_of,
    on,
    run_job,
)

COUNTS = (
    "window",
    "events fetched",
    "events new",
    "events duplicate",
    "events rejected",
    "days changed",
    "days incomplete",
    "days read again",
    "windows",
    "API calls",
    "API retries",
    "rate limits met",
)
NOTHING = {
    "events fetched": 0,
    "events new": 0,
    "events duplicate": 0,
    "events rejected": {},
    "days changed": 0,
    "days incomplete": 0,
    "days read again": 0,
    "windows": 0,
    "API calls": 1,
    "API retries": 0,
    "rate limits met": 0,
}


@pytest.fixture
def forgotten():
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def counts(metadata):
    """The counts alone, without tables and schema."""
    return {name: metadata[name] for name in COUNTS}


def records(table):
    """The rows of a table in the metadata."""
    return [dict(record.data) for record in table.records]


def test_one_day_shows_what_was_loaded(posthog, live, forgotten, today):
    """A day's materialisation has every count, the verdict, a preview and the table's columns."""
    day = today - timedelta(days=3)
    same = a_lead(day, distinct_id="d")
    without_listing = on(day, "lead_phone", listing_id=None, distinct_id="e")
    posthog.control.insert([on(day), same, same, without_listing, on(day - timedelta(days=1))])
    result = run_job(live, forgotten, day, day)
    assert result.success
    metadata = metadata_of(result, "raw_events")
    assert counts(metadata) == NOTHING | {
        "window": f"{day} to {day} (UTC), 1 day",
        "events fetched": 4,
        "events new": 3,
        "events duplicate": 1,
        "events rejected": {"lead with neither listing nor profile": 1},
        "days changed": 1,
        "windows": 1,
        "API calls": 3,
    }
    assert records(metadata["verdict per day"]) == [
        {"day": str(day), "events": 3, "events in PostHog": 3, "verdict": "proved"}
    ]
    preview = records(metadata["preview"])
    assert [list(row) for row in preview] == [
        ["timestamp", "event", "listing_id", "lead_type", "rejected_reason"]
    ] * 3
    assert sorted((row["event"], row["lead_type"] or "") for row in preview) == [
        ("lead_phone", "phone"),
        ("lead_phone", "phone"),
        ("property_view", ""),
    ]
    schema = metadata["dagster/column_schema"]
    assert [(column.name, column.type) for column in schema.columns][:3] == [
        ("uuid", "UUID"),
        ("event", "VARCHAR"),
        ("timestamp", "TIMESTAMPTZ"),
    ]


_PLOTS = {
    "leads": "records by score",
    "listing_analytics": "views per day",
    "listings": "leads of the first ten",
}


def test_the_marts_show_their_counts(posthog, live, forgotten, today):
    """Each mart's materialisation has its counts, a preview and the table's columns."""
    day = today - timedelta(days=3)
    posthog.control.insert([on(day), on(day), a_lead(day)])
    result = run_job(live, forgotten, day, day)
    found = {asset: metadata_of(result, asset) for asset in ASSETS[1:]}
    plots = [
        (asset, name, found[asset].pop(name).partition("base64")[0])
        for asset, name in _PLOTS.items()
    ]
    assert plots == [
        ("leads", "records by score", "![lead records by score](data:image/svg+xml;"),
        ("listing_analytics", "views per day", "![views per day](data:image/svg+xml;"),
        (
            "listings",
            "leads of the first ten",
            "![leads of the listings below](data:image/svg+xml;",
        ),
    ]
    assert {
        asset: {
            name: value
            for name, value in metadata.items()
            if name not in ("preview", "dagster/column_schema", "dagster/column_lineage", "folder")
        }
        for asset, metadata in found.items()
    } == {
        "leads": {
            "runs built": 1,
            "records built": 1,
            "actions in them": 1,
            "edits taken in": 0,
            "notes erased with their person": 0,
            "score rules": "built-in",
            "dagster/row_count": 1,
        },
        "listing_analytics": {
            "window": f"{day} to {day} (UTC)",
            "days built": 1,
            "rows built": 1,
            "dagster/row_count": 1,
            "listing hours": 1,
            "views": 2,
            "leads": 1,
        },
        "listings": {"dagster/row_count": 1},
        "published_tables": {
            "publication": "v000001",
            "files written": 47,
            "tables that differ": [],
        },
    }
    assert records(found["listings"]["preview"])[0] | {"last_activity_at": ""} == {
        "listing_id": "listing-1",
        "total_views": 2,
        "unique_views": 1,
        "total_leads": 1,
        "unique_leads": 1,
        "conversion_rate": 50.0,
        "last_activity_at": "",
    }
    assert records(found["leads"]["preview"])[0]["lead_score"] == 30
    for asset in ("leads", "listing_analytics", "listings"):
        assert len(found[asset]["dagster/column_schema"].columns) > 10, asset


def test_a_range_is_one_run(posthog, live, forgotten, today):
    """A range of days is one run that materialises each of its days and no other."""
    posthog.control.insert(history(today))
    first, last = today - timedelta(days=9), today - timedelta(days=5)
    result = run_job(live, forgotten, first, last)
    assert counts(metadata_of(result, "raw_events")) == NOTHING | {
        "window": f"{first} to {last} (UTC), 5 days",
        "events fetched": 10,
        "events new": 10,
        "days changed": 5,
        "windows": 1,
        "API calls": 3,
    }
    days = [str(first + timedelta(days=n)) for n in range(5)]
    assert materialised(forgotten, "raw_events", run_ids=[result.run_id]) == days
    assert materialised(forgotten, "listing_analytics", run_ids=[result.run_id]) == days


def test_again_reads_nothing_and_full_read_reads_it_all(posthog, live, forgotten, today):
    """Days that are right cost one query together; `full_read` reads them whole, and changes nothing."""
    posthog.control.insert(history(today))
    first, last = today - timedelta(days=HISTORY_DAYS), today - timedelta(days=1)
    run_job(live, forgotten, first, last)
    window = {"window": f"{first} to {last} (UTC), {HISTORY_DAYS} days"}
    again = run_job(live, forgotten, first, last)
    assert counts(metadata_of(again, "raw_events")) == NOTHING | window
    whole = run_job(live, forgotten, first, last, raw_events={"full_read": True})
    assert counts(metadata_of(whole, "raw_events")) == NOTHING | window | {
        "events fetched": 2 * HISTORY_DAYS,
        "events duplicate": 2 * HISTORY_DAYS,
        "windows": 1,
        "API calls": 2,
    }


def test_one_asset_is_materialised_by_itself(posthog, live, forgotten, today):
    """`raw_events` alone, a partition at a time, as the button on its page does."""
    day = today - timedelta(days=2)
    posthog.control.insert([on(day)])
    result = dg.materialize(
        [raw_events],
        partition_key=str(day),
        instance=forgotten,
        resources=build_defs(settings=live).resources,
        run_config=QUIET,
    )
    assert result.success
    assert metadata_of(result, "raw_events")["events new"] == 1
    assert materialised(forgotten, "raw_events", run_ids=[result.run_id]) == [str(day)]


def test_a_check_is_run_by_itself(posthog, live, forgotten, today):
    """A check run on its own compares everything that is stored, and materialises nothing."""
    posthog.control.insert(history(today))
    run_job(live, forgotten, today - timedelta(days=HISTORY_DAYS), today)
    definitions = build_defs(settings=live)
    job = dg.define_asset_job(
        "uuid_check",
        selection=dg.AssetSelection.checks(
            dg.AssetCheckKey(dg.AssetKey("raw_events"), "uuid_is_unique")
        ),
    ).resolve(asset_graph=definitions.resolve_asset_graph())
    result = job.execute_in_process(
        instance=forgotten, resources=definitions.resources, run_config=QUIET
    )
    (found,) = result.get_asset_check_evaluations()
    assert (found.check_name, found.passed) == ("uuid_is_unique", True)
    assert {name: value.value for name, value in found.metadata.items()} == {
        "uuids compared": 2 * HISTORY_DAYS,
        "uuids repeated": 0,
    }
    assert result.get_asset_materialization_events() == []


@pytest.mark.parametrize("kind", ["manual", "scheduled"])
def test_a_wrong_key_is_one_clear_line(posthog, live, forgotten, today, caplog, kind):
    """A refused key fails the run at once with one line that says what to do and not the key."""
    key = "phx_very_secret_and_wrong"
    failing = live.model_copy(update={"posthog_api_key": SecretStr(key)})
    with caplog.at_level(logging.DEBUG):
        result = run_job(failing, forgotten, today, today, kind=kind)
    assert not result.success
    (failure,) = [
        event.step_failure_data.user_failure_data
        for event in result.all_events
        if event.is_step_failure
    ]
    line = str(failure.description if failure else "")
    assert line.startswith("KeyRejected: ")
    assert "\n" not in line
    assert "query:read" in line
    assert [event for event in result.all_events if event.is_step_up_for_retry] == []
    written = [repr(event) for event in result.all_events] + [
        f"{record.getMessage()}{record.exc_text}" for record in caplog.records
    ]
    assert [text for text in written if key in text] == []
    assert materialised(forgotten, "raw_events", run_ids=[result.run_id]) == []


class Impatient(PostHogConnection):
    """Gives up on PostHog after a second."""

    def client(self, **_: object) -> PostHog:
        return connect_posthog(self.settings, deadline_seconds=1.0)


@pytest.mark.usefixtures("machine_clock")
@pytest.mark.parametrize(("kind", "waits"), [("scheduled", [0.25, 0.5, 1.0]), ("manual", [])])
def test_a_scheduled_run_waits_for_posthog_and_a_person_does_not(
    posthog, live, forgotten, today, monkeypatch, kind, waits
):
    """When PostHog is down a scheduled run asks Dagster to retry, ever later; one by hand fails at once."""
    monkeypatch.setattr(resources, "_FIRST_WAIT_SECONDS", 0.25)
    posthog.control.fault("unavailable_503", times=-1)
    result = run_job(
        live, forgotten, today, today, kind=kind, resources={"posthog": Impatient(live)}
    )
    assert not result.success
    retries = [event for event in result.all_events if event.is_step_up_for_retry]
    assert [event.step_retry_data.seconds_to_wait for event in retries] == waits
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_key == "raw_events"


@pytest.mark.usefixtures("machine_clock")
def test_a_scheduled_run_goes_on_when_posthog_is_back(posthog, live, forgotten, today, monkeypatch):
    """The retry of a scheduled run succeeds and loads the day as if nothing had been."""
    monkeypatch.setattr(resources, "_FIRST_WAIT_SECONDS", 0.25)
    posthog.control.insert([on(today - timedelta(days=1))])
    posthog.control.fault("unavailable_503", times=1, retry_after=5)
    result = run_job(
        live,
        forgotten,
        today - timedelta(days=1),
        today,
        kind="scheduled",
        resources={"posthog": Impatient(live)},
    )
    assert result.success
    assert result.retry_attempts_for_node("raw_events") == 1
    assert metadata_of(result, "raw_events")["events new"] == 1
