"""The inbox job and the sensor that starts it: soon for what is urgent, together for what is not."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from leadpipe.definitions import build_defs
from leadpipe.inbox.connecting import open_inbox, webhook_reader
from leadpipe.published import reading
from leadpipe_tests.dagster_ui.builders import QUIET, metadata_of, run_job, shown_of
from leadpipe_tests.events.builders import rows


@pytest.fixture
def deliver(live):
    """Put an event into the inbox, some time ago."""

    def delivered(name="$pageview", *, ago=0, **fields):
        now = datetime.now(UTC)
        content = {
            "uuid": str(uuid.uuid4()),
            "event": name,
            "timestamp": (now - timedelta(minutes=1)).isoformat(),
            "distinct_id": "device-1",
            "properties": {},
        } | fields
        body = {"event": content, "person": {"id": "person-1"}}
        payload = webhook_reader(live, now=now).read(json.dumps(body).encode(), now=now)
        open_inbox(live).add([payload], now=now - timedelta(seconds=ago))

    return delivered


def look(settings, instance):
    """What the sensor says now."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance, resources=definitions.resources, repository_def=repository
    ) as context:
        return repository.get_sensor_def("store_webhook_events").evaluate_tick(context)


def tick(settings, instance):
    """What the sensor does now: the reason why nothing, or the tags of its run."""
    data = look(settings, instance)
    if data.run_requests:
        return [request.tags["leadpipe/kind"] for request in data.run_requests]
    return data.skip_message


def run_inbox(settings, instance):
    """Run the inbox job."""
    job = build_defs(settings=settings).resolve_job_def("inbox")
    return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=False)


def test_an_empty_inbox_starts_nothing(live, instance):
    """Nothing waits, nothing runs."""
    assert tick(live, instance) == "the inbox is empty"


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("is_dead", [False, True])
def test_the_check_is_told_of_as_green_only_while_it_holds(live, instance, deliver, waits, is_dead):
    """Before the first run the catalog hears of no dead letters where there are none, and of nothing else."""
    if is_dead:
        deliver(uuid="no uuid")
    if waits:
        deliver()
    events = look(live, instance).asset_events
    told = [one for one in events if isinstance(one, dg.AssetCheckEvaluation)]
    assert [(one.check_name, one.passed) for one in told] == [("no_dead_letters", True)] * (
        not is_dead
    )


def test_views_wait_for_company_and_others_do_not(live, instance, deliver):
    """Page views wait LEADPIPE_INBOX_SECONDS; a lead goes at once and takes them along."""
    deliver(ago=290)
    assert tick(live, instance) == "1 page and listing views wait for company"
    deliver("lead_phone", properties={"listing_id": "l"})
    assert tick(live, instance) == ["webhook"]


def test_views_that_waited_long_enough_go(live, instance, deliver):
    """After five minutes they are stored also when nothing else came."""
    deliver(ago=301)
    assert tick(live, instance) == ["webhook"]


def test_a_run_that_has_failed_is_not_repeated_at_once(live, instance, deliver):
    """Ten minutes later, not at every tick; and never two at a time."""
    deliver("lead_phone", properties={"listing_id": "l"})
    job = build_defs(settings=live).resolve_job_def("inbox")
    under_way = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert tick(live, instance) == f"run {under_way.run_id} is under way"
    instance.report_run_failed(under_way)
    assert (
        tick(live, instance) == f"run {under_way.run_id} failed; trying again 10 minutes after it"
    )


def test_the_job_moves_the_inbox_and_publishes(live, instance, deliver, stored):
    """The events are in the warehouse and the published tables, the inbox is empty, all is counted."""
    deliver()
    deliver("lead_phone", properties={"listing_id": "l"})
    result = run_inbox(live, instance)
    assert result.success
    metadata = metadata_of(result, "webhook_events")
    assert {name: metadata[name] for name in ("events moved", "events new", "still waiting")} == {
        "events moved": 2,
        "events new": 2,
        "still waiting": 0,
    }
    assert [record.data["event"] for record in metadata["events by name"].records] == [
        "$pageview",
        "lead_phone",
    ]
    assert rows(stored, "SELECT kind, events_new FROM runs") == [("webhook", 2)]
    published = reading.query(live.published_dir, "SELECT kind, events_new FROM runs")
    assert published.rows == (("webhook", 2),)
    assert tick(live, instance) == "the inbox is empty"


def test_the_next_sync_builds_leads_of_webhook_events(
    posthog, live, instance, deliver, stored, today
):
    """What a webhook brought becomes lead records and analytics with the next sync, once."""
    deliver("lead_phone", properties={"listing_id": "l", "seeker_id": "s", "lister_id": "x"})
    assert run_inbox(live, instance).success
    assert run_job(live, instance, today, today).success
    assert rows(stored, "SELECT listing_id, seeker_id, total_actions FROM leads") == [("l", "s", 1)]
    assert rows(stored, "SELECT total_leads FROM listings") == [(1,)]


def test_dead_letters_make_the_check_yellow(live, instance, deliver):
    """What could not be read is shown with its reason."""
    deliver(uuid="no uuid")
    deliver("lead_phone", properties={"listing_id": "l"})
    result = run_inbox(live, instance)
    (check,) = result.get_asset_check_evaluations()
    (record,) = check.metadata["latest"].value.records
    assert (check.passed, check.severity, record.data["reason"]) == (
        False,
        dg.AssetCheckSeverity.WARN,
        "no UUID at event.uuid",
    )


def test_the_ui_shows_its_assets():
    """One asset, with the check that nothing was unreadable."""
    assert shown_of("inbox") == {
        "webhook_events": (
            ("arrivals", "warehouse", "duckdb", "posthog"),
            {"no_dead_letters"},
        ),
    }
