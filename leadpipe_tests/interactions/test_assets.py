"""Dagster's side: partitions that follow a file, the daily schedule, the asset's report and checks."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from leadpipe.definitions import build_defs
from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.payloads import Reader
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.dagster_ui.builders import QUIET, metadata_of, shown_of
from leadpipe_tests.holding import another_process_in
from leadpipe_tests.interactions.builders import (
    PROGRAM,
    TENANT,
    lead,
    leads_file,
    now_updated,
)

AT = datetime(2026, 11, 21, 6, 20, tzinfo=UTC)
KEY = f"{TENANT}/{PROGRAM}"
_READER = Reader(wanted={"LeadUpdated"}, first_day=date(2026, 1, 1))


@pytest.fixture
def instance():
    """A Dagster of this test's own, on disk: a tick opens it anew."""
    with dg.instance_for_test() as made:
        yield made


def list_tenants(settings: InteractionsSettings, **programs: Sequence[str]) -> None:
    """Write the tenants file."""
    settings.tenants_path.parent.mkdir(parents=True, exist_ok=True)
    settings.tenants_path.write_text(
        "".join(f"[tenants.{name}]\nprograms = {list(its)}\n" for name, its in programs.items())
    )


def follow(settings: InteractionsSettings, instance: dg.DagsterInstance) -> list[str]:
    """Let the sensor look at the file, do what it asks, and return the partitions there are then."""
    definitions = build_defs(settings=settings)
    sensor = definitions.get_repository_def().get_sensor_def("follow_tenants_file")
    with dg.build_sensor_context(instance=instance, resources=definitions.resources) as context:
        for change in sensor.evaluate_tick(context).dynamic_partitions_requests or []:
            if isinstance(change, dg.AddDynamicPartitionsRequest):
                instance.add_dynamic_partitions("tenant_programs", change.partition_keys)
            else:
                for key in change.partition_keys:
                    instance.delete_dynamic_partition("tenant_programs", key)
    return sorted(instance.get_dynamic_partitions("tenant_programs"))


def due(settings: InteractionsSettings, instance: dg.DagsterInstance):
    """What the daily schedule requests when it is due."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=AT,
        resources=definitions.resources,
        repository_def=repository,
    ) as context:
        return repository.get_schedule_def("sync_leads_every_day").evaluate_tick(context)


def run(settings: InteractionsSettings, instance: dg.DagsterInstance, key: str = KEY):
    """Run the job for a partition, as the schedule and the UI do, a second after what was before."""
    let_pass(1)
    job = build_defs(settings=settings).resolve_job_def("sync_leads")
    return job.execute_in_process(
        instance=instance, partition_key=key, run_config=QUIET, raise_on_error=False
    )


def checks_of(result) -> dict[str, tuple[bool, object]]:
    """Each check's verdict and what it found."""
    names = {"every_contact_has_a_lead": "unmatched", "every_contact_is_valid": "rejected"}
    return {
        check.check_name: (check.passed, check.metadata[names[check.check_name]].value)
        for check in result.get_asset_check_evaluations()
    }


def test_partitions_follow_the_file(settings, instance):
    """New tenants and programs are picked up without a restart; those gone are removed."""
    assert follow(settings, instance) == []
    list_tenants(settings, a=["x"], b=["x", "y"])
    assert follow(settings, instance) == ["a/x", "b/x", "b/y"]
    list_tenants(settings, b=["y", "z"])
    assert follow(settings, instance) == ["b/y", "b/z"]
    assert follow(settings, instance) == ["b/y", "b/z"]


def test_a_broken_file_fails_the_tick_with_its_name(settings, instance):
    """The tick is red, and no partition goes."""
    list_tenants(settings, a=["x"])
    follow(settings, instance)
    settings.tenants_path.write_text("[tenants")
    with pytest.raises(Exception, match=r"tenants\.toml"):
        follow(settings, instance)
    assert instance.get_dynamic_partitions("tenant_programs") == ["a/x"]


def test_the_schedule_asks_for_every_tenant_and_program(settings, instance):
    """One run each, also of those that no sensor has seen yet; without a file it says so."""
    assert "lists no tenants" in (due(settings, instance).skip_message or "")
    list_tenants(settings, a=["x"], b=["y"])
    requests = due(settings, instance).run_requests
    assert [(request.run_key, request.partition_key) for request in requests] == [
        ("2026-11-21T06:20:00+00:00 a/x", "a/x"),
        ("2026-11-21T06:20:00+00:00 b/y", "b/y"),
    ]


def test_a_run_merges_and_reports(settings, sandbox, instance):
    """The file has the contact; the metadata has the report without leads and notes; checks tell."""
    path = leads_file(settings.data_dir, [lead("lead-1")])
    list_tenants(settings, **{TENANT: [PROGRAM]})
    follow(settings, instance)
    sandbox.control.insert([now_updated(0, notes="secret"), now_updated(9, "nobody", uuid=_UUID)])
    result = run(settings, instance)
    assert result.success
    metadata = metadata_of(result, "interaction_syncs")
    table = metadata.pop("not merged")
    assert {name: metadata[name] for name in _COUNTED} == {
        "events": 2,
        "added": 1,
        "already there": 0,
        "unmatched": 1,
        "rejected": 0,
        "source": "posthog",
        "file": str(path),
    }
    assert [record.data for record in table.records] == [
        {"event": _UUID, "result": "unmatched", "reason": "no lead of the file has this leadId"}
    ]
    assert checks_of(result) == {
        "every_contact_has_a_lead": (False, {KEY: 1}),
        "every_contact_is_valid": (True, {}),
    }
    assert b'"secret"' in path.read_bytes()
    assert not any("secret" in str(event) or "nobody" in str(event) for event in result.all_events)


_UUID = "0193502c-0000-7000-8000-000000000001"
_COUNTED = ("events", "added", "already there", "unmatched", "rejected", "source", "file")


def test_checks_look_at_the_last_sync_of_what_is_listed(settings, sandbox, instance):
    """A red check goes green when the lead is there, or its tenant is no longer listed."""
    leads_file(settings.data_dir, [])
    list_tenants(settings, **{TENANT: [PROGRAM]})
    follow(settings, instance)
    sandbox.control.insert([now_updated(0), now_updated(1, contactOutcome="maybe")])
    assert checks_of(run(settings, instance)) == {
        "every_contact_has_a_lead": (False, {KEY: 1}),
        "every_contact_is_valid": (False, {KEY: 1}),
    }
    leads_file(settings.data_dir, [lead("lead-1")])
    assert checks_of(run(settings, instance)) == {
        "every_contact_has_a_lead": (True, {}),
        "every_contact_is_valid": (False, {KEY: 1}),
    }


def test_a_run_that_cannot_use_the_file_fails_with_the_reason(settings, sandbox, instance):
    """The failure names the file and the place in it."""
    leads_file(settings.data_dir, [{"id": "lead-1"}])
    list_tenants(settings, **{TENANT: [PROGRAM]})
    follow(settings, instance)
    result = run(settings, instance)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data.description
    assert said.startswith("LeadsFileError: ")
    assert "$[0].interactions: missing" in said


def look(settings, instance, cursor=None):
    """What the sensor asks for when it looks: the keys, and its next cursor."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    sensor = repository.get_sensor_def("sync_leads_that_have_news")
    # The daemon's context has the store of partitions; one that is built has not.
    with (
        dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            resources=definitions.resources,
            repository_def=repository,
        ) as context,
        partition_loading_context(dynamic_partitions_store=instance),
    ):
        found = sensor.evaluate_tick(context)
    return found.run_requests or [], found.cursor


def by_webhook(settings, instance, *events):
    """Take events in as the webhook does, and let the inbox's job store them."""
    bodies = [{"event": {**each, "timestamp": str(each["timestamp"])}} for each in events]
    for each in bodies:
        each["event"].pop("created_at")
        each["event"].setdefault("uuid", str(uuid4()))
    open_inbox(settings).add(
        [_READER.read(json.dumps(bodies, default=str).encode(), now=datetime.now(UTC))],
        now=datetime.now(UTC),
    )
    job = build_defs(settings=settings).resolve_job_def("inbox")
    assert job.execute_in_process(instance=instance, run_config=QUIET).success


def test_a_contact_by_webhook_is_in_the_file_within_a_minute(settings, sandbox, instance):
    """PostHog's queries do not show it yet: the run it starts reads the warehouse, and merges it once."""
    path = leads_file(settings.data_dir, [lead("lead-1")])
    list_tenants(settings, **{TENANT: [PROGRAM, "another"]}, b=["x"])
    assert look(settings, instance) == ([], None)
    by_webhook(
        settings,
        instance,
        now_updated(0, notes="by webhook"),
        now_updated(1, tenant="c"),
        now_updated(2, programId=None),
    )
    [request], cursor = look(settings, instance)
    assert (request.partition_key, request.tags["leadpipe/kind"]) == (KEY, "webhook")
    assert look(settings, instance, cursor) == ([], cursor)
    job = build_defs(settings=settings).resolve_job_def("sync_leads")
    for _ in range(2):
        let_pass(1)
        assert job.execute_in_process(
            instance=instance,
            partition_key=request.partition_key,
            run_config={**QUIET, **request.run_config},
        ).success
    assert path.read_bytes().count(b"by webhook") == 1
    by_webhook(settings, instance, now_updated(3, tenant="c"))
    requests, cursor = look(settings, instance, cursor)
    assert requests == []
    by_webhook(settings, instance, now_updated(30))
    requests, _ = look(settings, instance, cursor)
    assert [request.partition_key for request in requests] == [KEY]
    repository = build_defs(settings=settings).get_repository_def()
    waits = [
        repository.get_sensor_def(name).minimum_interval_seconds
        for name in ("store_webhook_events", "sync_leads_that_have_news")
    ]
    assert sum(filter(None, waits)) <= 30  # which leaves as long for two runs


def test_a_warehouse_in_use_is_looked_at_later(settings, sandbox, instance):
    """Nothing is asked for, and nothing is forgotten: the next look finds it."""
    leads_file(settings.data_dir, [lead("lead-1")])
    list_tenants(settings, **{TENANT: [PROGRAM]})
    by_webhook(settings, instance, now_updated(0))
    with another_process_in(settings):
        assert look(settings, instance) == ([], None)
    assert [request.partition_key for request in look(settings, instance)[0]] == [KEY]


def test_the_ui_shows_its_assets():
    """One asset, with its checks."""
    assert shown_of("interactions") == {
        "interaction_syncs": (
            ("sent", "warehouse", "json", "posthog"),
            {"every_contact_has_a_lead", "every_contact_is_valid"},
        ),
    }
