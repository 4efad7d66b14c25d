"""The run-failure sensor: it always logs, it posts where it was told to, and keeps that address to itself."""

import logging
from collections.abc import Iterator

import dagster as dg
import pytest
from pydantic import SecretStr

from leadpipe.connections import open_warehouse
from leadpipe.reports import report_failed_run, report_red_checks
from leadpipe.settings import Settings
from leadpipe_tests.dagster_ui.builders import run_job
from leadpipe_tests.inboxes import Inbox, http_inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with http_inbox() as made:
        yield made


def report(settings: Settings, today, caplog) -> tuple[str, str]:
    """Let a run fail, let the sensor see it; return the run's id and everything that was logged."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_job(settings, instance, today, today)
        (failed,) = [event for event in result.all_events if event.is_run_failure]
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            context = dg.build_run_status_sensor_context(
                sensor_name="report_failed_run",
                dagster_event=failed,
                dagster_instance=instance,
                dagster_run=run,
                resources={"settings": settings},
            ).for_run_failure()
            with context:
                context.log.addHandler(caplog.handler)  # a logger of its own, without parents
                report_failed_run(context)
    return result.run_id, caplog.text


@pytest.fixture
def failing(posthog, live: Settings) -> Settings:
    """Settings whose key PostHog refuses."""
    return live.model_copy(update={"posthog_api_key": SecretStr("phx_wrong")})


def test_a_failed_run_is_logged(failing, today, caplog):
    """Without an address the log has the run, the step and the reason."""
    run_id, logged = report(failing, today, caplog)
    assert f"leadpipe: run {run_id} of sync failed" in logged
    assert "raw_events: KeyRejected: " in logged
    assert "phx_wrong" not in logged


def test_a_failed_run_is_posted(failing, today, caplog, inbox):
    """With an address the same text is posted once, and the log does not have the address."""
    settings = failing.model_copy(update={"failure_webhook_url": SecretStr(inbox.url)})
    run_id, logged = report(settings, today, caplog)
    (body,) = inbox.bodies
    assert list(body) == ["text"]
    assert body["text"].startswith(f"leadpipe: run {run_id} of sync failed")
    assert "raw_events: KeyRejected: " in body["text"]
    assert body["text"] in logged
    assert "a-secret-token" not in logged


def test_a_failed_run_is_sent_to_whom_alerts_are_sent(failing, today, caplog, inbox):
    """By any of apprise's addresses, beside the older webhook."""
    address = SecretStr(f"json://{inbox.place}/a-secret-token")
    settings = failing.model_copy(update={"alert_to": address})
    _, logged = report(settings, today, caplog)
    (body,) = inbox.bodies
    assert body["title"] == "leadpipe: failed run"
    assert body["message"] in logged
    assert "a-secret-token" not in logged


@pytest.mark.parametrize("problem", ["refused", "nobody listens"])
def test_an_address_that_fails_is_logged_without_it(failing, today, caplog, inbox, problem):
    """When the report cannot be delivered the log says so, names the setting, and hides the address."""
    inbox.status = 500
    url = inbox.url if problem == "refused" else "http://127.0.0.1:9/hooks/a-secret-token"
    settings = failing.model_copy(update={"failure_webhook_url": SecretStr(url)})
    run_id, logged = report(settings, today, caplog)
    assert f"leadpipe: run {run_id} of sync failed" in logged
    assert "LEADPIPE_FAILURE_WEBHOOK_URL did not take the message: " in logged
    assert "a-secret-token" not in logged


def red_checks(settings: Settings, today, caplog) -> str:
    """Let a run succeed, let the sensor see it; return what was logged."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_job(settings, instance, today, today)
        (succeeded,) = [
            event
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.RUN_SUCCESS
        ]
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        caplog.clear()
        context = dg.build_run_status_sensor_context(
            sensor_name="report_red_checks",
            dagster_event=succeeded,
            dagster_instance=instance,
            dagster_run=run,
            resources={"settings": settings},
        )
        with context:
            context.log.addHandler(caplog.handler)
            report_red_checks(context)
    return str(caplog.text)


def test_an_incomplete_day_is_posted_though_its_run_succeeded(posthog, live, today, caplog, inbox):
    """A red check fails no run, but somebody must hear of it; a green one is no news."""
    settings = live.model_copy(update={"failure_webhook_url": SecretStr(inbox.url)})
    assert red_checks(settings, today, caplog) == ""
    with open_warehouse(settings).connect() as connection:
        connection.execute(
            "INSERT INTO event_days (event_date, version, read_until, posthog_events, "
            "warehouse_events, checked_at) "
            "SELECT event_date - 1, 0, read_until, 5, 0, checked_at FROM event_days"
        )
    logged = red_checks(settings, today, caplog)
    (body,) = inbox.bodies
    assert body["text"].endswith("checks are red:\nraw_events: every_day_is_complete")
    assert body["text"] in logged
    assert "a-secret-token" not in logged
