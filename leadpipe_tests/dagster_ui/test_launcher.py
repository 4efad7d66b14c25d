"""What the launcher of `dagster.yaml` answers when run monitoring asks whether a run is alive."""

import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from leadpipe.definitions import build_defs
from leadpipe.launcher import LocalRunLauncher, holding_lock

_LAUNCHER = {"run_launcher": {"module": "leadpipe.launcher", "class": "LocalRunLauncher"}}


@pytest.fixture
def instance(tmp_path: Path):
    """An instance with the launcher."""
    with dg.instance_for_test(overrides=_LAUNCHER, temp_dir=str(tmp_path)) as made:
        yield made


def health(instance, run_id) -> WorkerStatus:
    """What the launcher says of a run."""
    assert isinstance(instance.run_launcher, LocalRunLauncher)
    return instance.run_launcher.check_run_worker_health(instance.get_run_by_id(run_id)).status


def begun(instance, *, ago=0.0, tags=None) -> str:
    """A run that began some time ago, without a word since; its id."""
    job = build_defs().resolve_job_def("inbox")
    run = instance.create_run_for_job(job, tags=tags)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job.name)
    instance.report_dagster_event(event, run.run_id, timestamp=time.time() - ago)
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED
    return str(run.run_id)


def test_a_run_is_alive_as_long_as_it_holds_its_lock(instance):
    """Whatever else it does or says."""
    run_id = begun(instance, ago=3_600)
    with holding_lock(instance, run_id) as tags:
        instance.add_run_tags(run_id, tags)
        assert health(instance, run_id) == WorkerStatus.RUNNING
    assert health(instance, run_id) == WorkerStatus.NOT_FOUND


def test_a_retry_is_not_judged_by_the_lock_of_the_run_before(instance):
    """It inherits that run's tags."""
    dead = begun(instance)
    with holding_lock(instance, dead) as tags:
        pass
    assert health(instance, begun(instance, tags=tags)) == WorkerStatus.RUNNING


def test_a_run_that_died_before_it_took_its_lock_is_gone_too(instance):
    """Each executor says something at once, so a minute's silence after the start is enough."""
    assert health(instance, begun(instance, ago=30)) == WorkerStatus.RUNNING
    assert health(instance, begun(instance, ago=90)) == WorkerStatus.NOT_FOUND


def test_a_run_of_another_executor_is_left_alone(instance):
    """It holds no lock, but has said something after its start."""
    run_id = begun(instance, ago=3_600)
    instance.report_engine_event("Executing steps elsewhere", instance.get_run_by_id(run_id))
    assert health(instance, run_id) == WorkerStatus.RUNNING


def test_all_jobs_have_the_executor_that_takes_the_lock():
    """Every job and Dagster's own job for assets chosen by hand."""
    definitions = build_defs()
    jobs = definitions.get_repository_def().get_all_jobs()
    assert len(jobs) > 5
    assert {job.executor_def.description for job in jobs} == {
        "Executes all steps in the run's own process, which holds the run's lock."
    }
