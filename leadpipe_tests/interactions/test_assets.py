"""Dagster's side: partitions that follow a file, the daily schedule, the asset's report and checks."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest

from leadpipe.definitions import build_defs
from leadpipe.interactions.settings import InteractionsSettings
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.dagster_ui.builders import QUIET, metadata_of, shown_of
from leadpipe_tests.interactions.builders import (
    PROGRAM,
    TENANT,
    lead,
    leads_file,
    now_updated,
)

AT = datetime(2026, 11, 21, 6, 20, tzinfo=UTC)
KEY = f"{TENANT}/{PROGRAM}"


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


def test_the_ui_shows_its_assets():
    """One asset, with its checks."""
    assert shown_of("interactions") == {
        "interaction_syncs": (
            ("interactions", "warehouse", "team:sales", "json", "posthog"),
            {"every_contact_has_a_lead", "every_contact_is_valid"},
        ),
    }
