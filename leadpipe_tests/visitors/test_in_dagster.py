"""The visitors job: what it materialises, shows, checks, and leaves when it fails."""

from datetime import UTC, datetime, time, timedelta

import dagster as dg
import pytest
from pydantic import SecretStr

from leadpipe.automation import range_tags
from leadpipe.definitions import build_defs
from leadpipe.published import reading
from leadpipe.visitors.weeks import week_of, weeks_between
from leadpipe_tests.dagster_ui.builders import QUIET, metadata_of, run_job, shown_of
from leadpipe_tests.events.builders import event, rows


def run_visitors(settings, instance, first, last):
    """Run the visitors job over weeks, as the UI's launch of a range does."""
    job = build_defs(settings=settings).resolve_job_def("visitors")
    return job.execute_in_process(
        instance=instance,
        tags=range_tags(first.isoformat(), last.isoformat(), "manual"),
        run_config=QUIET,
        raise_on_error=False,
    )


def pageview(day, who, **fields):
    """A pageview in a day's first minute."""
    at = datetime.combine(day, time(0, 0, 1), tzinfo=UTC)
    return event("$pageview", at, distinct_id=who, **fields)


@pytest.fixture
def weeks(today):
    """The last two weeks that are over, and the current one."""
    this = week_of(today)
    return [this - timedelta(days=14), this - timedelta(days=7), this]


@pytest.fixture
def forgotten():
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_a_range_of_weeks_is_one_run_and_shows_what_it_did(posthog, live, forgotten, weeks, stored):
    """Each week is materialised; the last one's metadata has the statistics, a plot and a preview."""
    posthog.control.insert([pageview(week, who) for week in weeks for who in ("a", "b")])
    result = run_visitors(live, forgotten, weeks[0], weeks[-1])
    assert result.success
    keys = [event.partition for event in result.asset_materializations_for_node("visitor_metrics")]
    assert sorted(keys) == [week.isoformat() for week in weeks]
    metadata = next(
        {name: value.value for name, value in each.metadata.items()}
        for each in result.asset_materializations_for_node("visitor_metrics")
        if each.partition == weeks[-1].isoformat()
    )
    assert {name: metadata[name] for name in ("updated", "skipped", "failed", "total")} == {
        "updated": 3,
        "skipped": 0,
        "failed": 0,
        "total": 3,
    }
    assert metadata["visitors per week"].startswith("![visitors and signups per week](data:image/")
    assert [record.data["visitors"] for record in metadata["preview"].records] == [2, 2, 2]
    assert rows(stored, "SELECT count(*) FROM visitor_metric_changes") == [(3,)]


def test_the_page_sees_the_sync_when_it_has_ended(posthog, live, forgotten, weeks):
    """The job publishes by itself, with its statistics."""
    posthog.control.insert([pageview(weeks[-1], "a")])
    result = run_visitors(live, forgotten, weeks[0], weeks[-1])
    assert reading.query(
        live.published_dir,
        "SELECT run_id, status, updated, skipped, failed, total FROM visitor_syncs",
    ).rows == ((result.run_id, "succeeded", 1, 2, 0, 3),)


def test_a_failed_sync_is_published_too(posthog, live, forgotten, weeks):
    """With a wrong key the run fails with its reason, and the page can say so."""
    wrong = live.model_copy(update={"posthog_api_key": SecretStr("phx_wrong")})
    result = run_visitors(wrong, forgotten, weeks[0], weeks[-1])
    assert not result.success
    (error,) = (
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure
    )
    assert error.startswith("KeyRejected: ")
    ((status, failed, total),) = reading.query(
        live.published_dir, "SELECT status, failed, total FROM visitor_syncs"
    ).rows
    assert (status, failed, total) == ("failed", 3, 3)


def test_the_check_explains_weeks_that_differ(posthog, live, forgotten, weeks, today):
    """After persons merged, the finished week is yellow with the reason; a full read makes it green."""
    posthog.control.insert([pageview(weeks[1], "phone"), pageview(weeks[1], "laptop")])
    posthog.control.insert([pageview(today, "today")])
    assert run_job(live, forgotten, live.start_date, today).success

    def verdict():
        result = run_visitors(live, forgotten, weeks[1], weeks[1])
        return next(
            check
            for check in result.get_asset_check_evaluations()
            if check.check_name == "weeks_agree_with_events"
        )

    assert verdict().passed
    posthog.control.merge_persons("phone", "laptop")
    check = verdict()
    (difference,) = check.metadata["differences"].value.records
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (difference.data["visitors in PostHog"], difference.data["visitors here"]) == (1, 2)
    assert "merged or split persons" in difference.data["reason"]
    run_job(live, forgotten, weeks[1], weeks[1] + timedelta(days=6), raw_events={"full_read": True})
    assert verdict().passed


def test_the_schedule_asks_for_every_week(live, today):
    """One run, from the first day's week to the current one, twenty minutes after the sync."""
    definitions = build_defs(settings=live)
    repository = definitions.get_repository_def()
    schedule = repository.get_schedule_def("visitors_every_six_hours")
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 21, 6, 20, tzinfo=UTC),
            resources=definitions.resources,
            repository_def=repository,
        ) as context,
    ):
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    first, last = weeks_between(live.start_date, today)[0], week_of(today)
    assert {name: request.tags[name] for name in range_tags("", "", "")} == range_tags(
        first.isoformat(), last.isoformat(), "scheduled"
    )
    assert schedule.cron_schedule == "20 */6 * * *"


def test_metadata_of_the_sync_job_is_untouched(posthog, live, forgotten, today):
    """The daily job and the weekly one do not know of each other."""
    result = run_job(live, forgotten, today, today)
    assert "visitor_metrics" not in {each.node_name for each in result.all_node_events}
    assert metadata_of(result, "raw_events")["events new"] == 0


def test_the_ui_shows_its_assets():
    """One asset, with its checks."""
    assert shown_of("visitors") == {
        "visitor_metrics": (
            ("marts", "warehouse", "duckdb", "posthog"),
            {"weeks_agree_with_events", "weeks_are_possible"},
        ),
    }
