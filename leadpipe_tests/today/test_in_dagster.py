"""The morning message in Dagster: at 8 where the team is, one run a day, told once."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from leadpipe.definitions import build_defs
from leadpipe_tests.inboxes import http_inbox
from leadpipe_tests.today.builders import something_new
from leadpipe_tests.web.fixtures import web_settings

_NAME = "morning_message"


def tick(settings, instance, at):
    """What the schedule asks for when it is due."""
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=at,
        resources=definitions.resources,
        repository_def=repository,
    ) as context:
        return repository.get_schedule_def(_NAME).evaluate_tick(context)


@pytest.fixture
def instance():
    """A Dagster of its own."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_it_is_due_at_eight_where_the_team_is(tmp_path):
    """In the zone of the team; it runs by itself, and the file of schedules may say otherwise."""
    settings = web_settings(tmp_path, alert_timezone="America/New_York")
    schedule = build_defs(settings=settings).get_repository_def().get_schedule_def(_NAME)
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.default_status) == (
        "0 8 * * *",
        "America/New_York",
        dg.DefaultScheduleStatus.RUNNING,
    )
    settings.schedules_path.parent.mkdir(parents=True)
    settings.schedules_path.write_text(
        f'[schedules]\n{_NAME} = {{ cron = "30 7 * * 1-5", timezone = "Africa/Lagos" }}\n'
    )
    schedule = build_defs(settings=settings).get_repository_def().get_schedule_def(_NAME)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 7 * * 1-5", "Africa/Lagos")


def test_two_ticks_of_a_morning_are_one_run(tmp_path, instance):
    """Dagster starts a run key once: the day where the team is."""
    settings = web_settings(
        tmp_path, alert_to="json://127.0.0.1/", alert_timezone="Pacific/Auckland"
    )
    at = datetime(2026, 11, 20, 19, tzinfo=UTC)  # 8 in the morning of the 21st there
    keys = [
        [request.run_key for request in tick(settings, instance, at).run_requests] for _ in range(2)
    ]
    assert keys == [["2026-11-21"]] * 2


def test_without_receivers_no_run_starts(tmp_path, instance):
    """The reason names the setting."""
    data = tick(web_settings(tmp_path), instance, datetime(2026, 11, 21, 8, tzinfo=UTC))
    assert not data.run_requests
    assert data.skip_message == "nobody is to be told: LEADPIPE_ALERT_TO is not set"


def test_a_run_that_is_repeated_tells_nobody_twice(tmp_path, instance):
    """Whoever starts the job again by hand sends nothing; with nothing to say it succeeds quietly."""
    with http_inbox() as inbox:
        empty = web_settings(tmp_path / "empty", alert_to=f"json://{inbox.place}/")
        settings = something_new(tmp_path, alert_to=f"json://{inbox.place}/")
        results = [
            build_defs(settings=each)
            .resolve_job_def(_NAME)
            .execute_in_process(instance=instance, raise_on_error=False)
            .success
            for each in (empty, settings, settings)
        ]
        assert results == [True, True, True]
        assert len(inbox.bodies) == 1
