"""A sync over scattered days is several Dagster runs and one run: one id, one record a lead, one line."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from click.testing import CliRunner

from leadpipe.cli import main
from leadpipe.definitions import build_defs
from leadpipe.errors import KeyRejected
from leadpipe.events.loading import load_days
from leadpipe.events.syncing import run_days
from leadpipe.published import reading
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.dagster_ui.builders import QUIET, a_lead, history, on, run_job, whole_range
from leadpipe_tests.dagster_ui.test_schedule import run, tick
from leadpipe_tests.events.builders import rows

RECORDS = "SELECT run_id, total_actions, lead_score FROM leads WHERE seeker_id = 'late'"
RUNS = "SELECT run_id, kind, status, events_new, window_start, window_end, parts FROM runs"


@pytest.fixture
def scattered(posthog, live, instance, today):
    """Two days with a late action of one seeker each, after a first sync; all under one clock."""
    posthog.control.insert(history(today))
    whole_range(live, instance, today)
    tick(live, instance)
    received = datetime.now(UTC) - timedelta(seconds=200)
    days = [today - timedelta(days=10), today - timedelta(days=4)]
    posthog.control.insert(
        [
            a_lead(days[0], seeker_id="late", created_at=received),
            on(days[1], "lead_message", seeker_id="late", created_at=received),
        ]
    )
    return days


def the_last(warehouse):
    """The run that began last, without its id; and the id."""
    ((run_id, *rest),) = rows(warehouse, f"{RUNS} ORDER BY started_at DESC LIMIT 1")
    return run_id, tuple(rest)


def retry(instance, settings, run_id, **more):
    """Execute a run again, as Dagster's daemon and the UI do it."""
    first = instance.get_run_by_id(run_id)
    tags = {key: value for key, value in first.tags.items() if key != "leadpipe/lock"}
    tags |= {
        "dagster/parent_run_id": run_id,
        "dagster/root_run_id": first.tags.get("dagster/root_run_id", run_id),
        **more,
    }
    job = build_defs(settings=settings).resolve_job_def("sync")
    return job.execute_in_process(
        instance=instance, tags=tags, run_config=QUIET, raise_on_error=False
    )


def test_one_tick_is_one_run(scattered, live, stored, instance, today):
    """A seeker who acted on two scattered days has one record, with the sum of the points."""
    ids = run(live, instance, tick(live, instance))
    run_id, found = the_last(stored)
    assert (len(ids), found) == (
        3,
        ("scheduled", "succeeded", 2, scattered[0], today, 3),
    )
    assert rows(stored, RECORDS) == [(run_id, 2, 50)]
    published = reading.query(
        live.published_dir,
        "SELECT attempt_id FROM run_parts WHERE run_id = $run_id ORDER BY window_start",
        {"run_id": run_id},
    )
    assert [attempt for (attempt,) in published.rows] == ids


@pytest.mark.long
def test_a_tick_that_is_evaluated_again_is_the_same_sync(scattered, live, stored, instance):
    """Dagster goes on with a tick that was interrupted by asking the schedule once more."""
    first, *_ = tick(live, instance)
    run(live, instance, [first])
    run(live, instance, tick(live, instance)[-2:])
    run_id, found = the_last(stored)
    assert found[1] == "succeeded"
    assert [row[1:] for row in rows(stored, RECORDS)] == [(2, 50)]
    assert rows(stored, "SELECT count(*) FROM run_parts WHERE run_id = ?", run_id) == [(3,)]


def test_the_check_of_uuids_looks_at_what_the_sync_brought(scattered, live, instance):
    """A part's check does not compare all of history, but the days that changed."""
    job = build_defs(settings=live).resolve_job_def("sync")
    requests = tick(live, instance)
    result = job.execute_in_process(
        instance=instance, tags=dict(requests[0].tags), run_config=QUIET
    )
    (check,) = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "uuid_is_unique"
    ]
    assert (check.passed, check.metadata["days compared"].value) == (True, 1)


@pytest.mark.long
def test_a_part_is_not_red_for_days_that_others_are_yet_to_read(scattered, live, stored, instance):
    """Days that a plan found to differ are looked at when all parts are over, and by none of them before."""
    job = build_defs(settings=live).resolve_job_def("sync")
    passed = []
    for request in tick(live, instance):
        result = job.execute_in_process(
            instance=instance, tags=dict(request.tags), run_config=QUIET
        )
        passed += [
            (one.passed, one.metadata["days checked"].value)
            for one in result.get_asset_check_evaluations()
            if one.check_name == "every_day_is_complete"
        ]
    known = rows(stored, "SELECT count(*) FROM event_days WHERE checked_at IS NOT NULL")[0][0]
    assert passed == [(True, 1), (True, 2), (True, known)]


def test_a_retry_goes_on_with_its_part(posthog, scattered, live, stored, instance):
    """A part that failed and is retried after the others is the same sync, which then has succeeded."""
    requests = tick(live, instance)
    posthog.control.fault("unauthorized_401", times=-1)
    job = build_defs(settings=live).resolve_job_def("sync")
    failed = job.execute_in_process(
        instance=instance, tags=dict(requests[0].tags), run_config=QUIET, raise_on_error=False
    )
    posthog.control.clear_faults()
    run(live, instance, requests[1:])
    assert the_last(stored)[1][1] == "failed"
    again = retry(instance, live, failed.run_id)
    assert again.success
    run_id, found = the_last(stored)
    assert found[1] == "succeeded"
    assert rows(stored, RECORDS) == [(run_id, 2, 50)]


def test_a_single_run_and_its_retry_are_one(posthog, live, stored, instance, today):
    """Without a tag a run's id is Dagster's; a retry continues it."""
    posthog.control.insert(history(today))
    posthog.control.fault("unauthorized_401", times=-1)
    failed = run_job(live, instance, today - timedelta(days=2), today)
    posthog.control.clear_faults()
    retry(instance, live, failed.run_id)
    assert rows(stored, "SELECT run_id, status, parts FROM runs") == [
        (failed.run_id, "succeeded", 1)
    ]


@pytest.mark.long
def test_what_had_succeeded_is_a_run_of_its_own_when_it_is_executed_again(
    posthog, live, stored, instance, today
):
    """A person who repeats a finished run starts a new one; its events are not the old run's."""
    posthog.control.insert([a_lead(today - timedelta(days=1))])
    done = run_job(live, instance, today - timedelta(days=2), today, kind="scheduled")
    posthog.control.insert([a_lead(today - timedelta(days=1))])
    let_pass(400)
    again = retry(instance, live, done.run_id)
    assert rows(stored, "SELECT run_id, kind, events_new FROM runs ORDER BY started_at") == [
        (done.run_id, "scheduled", 1),
        (again.run_id, "manual", 1),
    ]


def test_a_backfill_of_several_runs_is_one(scattered, live, stored, instance):
    """Dagster cuts a backfill of scattered days into a run a range, with the backfill's id in a tag."""
    job = build_defs(settings=live).resolve_job_def("sync")
    for day in scattered:
        job.execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": str(day),
                "dagster/asset_partition_range_end": str(day),
                "dagster/backfill": "backfill-1",
            },
            run_config=QUIET,
        )
    assert the_last(stored) == (
        "backfill-1",
        ("backfill", "succeeded", 2, scattered[0], scattered[1], 2),
    )
    assert rows(stored, RECORDS) == [("backfill-1", 2, 50)]


def test_one_command_is_one_run(scattered, live, stored, runs_forgotten, capsys, monkeypatch):
    """`leadpipe sync` prints one line for all its ranges, and its id is the first one's run."""
    assert run_days(live, scattered, as_json=True) == []
    printed = json.loads(capsys.readouterr().out)
    run_id, found = the_last(stored)
    assert found == ("manual", "succeeded", 2, *scattered, 2)
    assert rows(stored, RECORDS) == [(run_id, 2, 50)]
    assert [(row["run_id"], row["parts"], row["events_new"]) for row in printed["runs"]] == [
        (run_id, 2, 2)
    ]
    attempts = "SELECT attempt_id FROM run_parts WHERE run_id = ? ORDER BY window_start LIMIT 1"
    assert rows(stored, attempts, run_id) == [(run_id,)]
    assert list(live.landing_dir.iterdir()) == []
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(live.data_dir))
    shown = CliRunner().invoke(main, ["runs", "--parts", "--json", "--limit", "2"])
    assert {part["window_start"] for part in json.loads(shown.stdout)} == {*map(str, scattered)}


@pytest.mark.long
def test_a_command_closes_its_run_whatever_became_of_its_parts(
    scattered, live, stored, runs_forgotten, monkeypatch
):
    """A part that fails before it begins leaves no run that runs for ever."""
    monkeypatch.setattr("leadpipe.events.assets.load_days", failing_on(scattered[1]))
    (problem,) = run_days(live, scattered)
    assert "KeyRejected" in problem
    assert the_last(stored)[1][1] == "interrupted"


def failing_on(day):
    """`load_days` that fails before it has begun the run, on one day."""

    def load(posthog, warehouse, days, **options):
        if day in days:
            raise KeyRejected("no")
        return load_days(posthog, warehouse, days, **options)

    return load


def clear(settings, instance):
    """What the sensor says."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=instance, resources=definitions.resources, repository_def=repository
    ) as context:
        return repository.get_sensor_def("clear_left_behind").evaluate_tick(context).skip_message


@pytest.mark.long
def test_a_sync_whose_parts_never_come_is_closed(scattered, live, stored, instance):
    """While Dagster has a part of it in its queue it waits; when that was cancelled, it is over."""
    requests = tick(live, instance)
    run(live, instance, requests[:2])
    run_id, found = the_last(stored)
    assert found[1] == "running"
    job = build_defs(settings=live).resolve_job_def("sync")
    queued = instance.create_run_for_job(job, tags=dict(requests[2].tags))
    let_pass(3_600)
    assert clear(live, instance) == "nothing was left behind"
    instance.report_run_canceled(queued)
    assert clear(live, instance) == f"cleared up after {run_id}"
    assert clear(live, instance) == "nothing was left behind"
    states = "SELECT status, error FROM runs WHERE run_id = ?"
    assert rows(stored, states, run_id) == [("interrupted", "1 of its 3 parts never ran")]
    shown = reading.query(
        live.published_dir, "SELECT status FROM runs WHERE run_id = $id", {"id": run_id}
    )
    assert shown.rows == (("interrupted",),)
