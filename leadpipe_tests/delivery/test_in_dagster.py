"""Delivery as Dagster runs it: assets, sensor, schedules; and over HTTP, into the same outbox."""

import json
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from leadpipe.definitions import build_defs
from leadpipe.delivery import lists
from leadpipe.delivery.automation import alert_about_deliveries, deliver_captured_leads, retry_leads
from leadpipe.published.tables import publish_tables
from leadpipe.resources import WarehouseResource
from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.dagster_ui.builders import shown_of
from leadpipe_tests.delivery.builders import accepted, deliver_to, hand_over, lead
from leadpipe_tests.events.builders import event, rows, take_in


@pytest.fixture
def delivering(partner, tmp_path):
    """Settings that lead to the test partner."""
    return whole_settings()(
        _env_file=None,
        npa_api_url=partner.url,
        npa_api_key=partner.api_key,
        npa_settle_seconds=0,
        npa_webhook_secret="whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=",
        data_dir=tmp_path / "data",
        dagster_home=tmp_path,
    )


def run(settings: Settings, job: str, **options: Any) -> dg.ExecuteInProcessResult:
    """Run a job in this process, a second after whatever happened before."""
    let_pass(1)
    definition = build_defs(settings=settings).resolve_job_def(job)
    with dg.DagsterInstance.ephemeral() as instance:
        return definition.execute_in_process(instance=instance, **options)


def test_captured_events_are_delivered_by_the_asset(partner, warehouse, delivering, tmp_path):
    """Events of finished conversations reach the partner once; metadata and logs hold no personal data."""
    take_in(
        warehouse,
        tmp_path,
        [
            event("lead_captured", "10:00:00", **lead(1)),
            event("lead_captured", "10:00:01", **lead(1)),
            event("lead_captured", "10:00:02", **lead(2, zip_code="1")),
        ],
    )
    result = run(delivering, "delivery")
    assert result.success
    [materialization] = result.asset_materializations_for_node("lead_deliveries")
    told = {name: value.value for name, value in materialization.metadata.items()}
    assert [told[n] for n in ("leads new", "leads invalid", "requests sent", "succeeded")] == [
        *(2, 1, 1, 1)
    ]
    everything = " ".join(str(event) for event in result.all_events)
    assert not any(word in everything for word in ("Jane", "jane1@", "2015550001"))
    assert accepted(partner) == ["1"]
    day = datetime.now(UTC).date().isoformat()
    compared = run(delivering, "reconcile", partition_key=day)
    [report] = compared.asset_materializations_for_node("reconciliation")
    assert report.metadata["leads here"].value == report.metadata["matched"].value == 1


def test_a_run_starts_only_when_something_is_due(partner, warehouse, delivering):
    """Sensor and schedule skip when nothing came in, and start a run when a lead waits."""
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"settings": delivering}
        context = dg.build_sensor_context(instance=instance, resources=resources)
        assert isinstance(deliver_captured_leads(context), dg.SkipReason)
        hand_over(warehouse, lead(1))
        with warehouse.connect() as connection:
            publish_tables(connection, delivering.published_dir)
        assert isinstance(deliver_captured_leads(context), dg.RunRequest)
        schedule = dg.build_schedule_context(instance=instance, resources=resources)
        assert isinstance(retry_leads(schedule), dg.RunRequest)


def test_the_alert_sensor_tells_once(partner, warehouse, delivering):
    """Its second tick has nothing to say."""
    partner.configure(default="reject")
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {
            "settings": delivering.model_copy(update={"alert_failed": 1}),
            "warehouse": WarehouseResource(database=str(warehouse.path)),
        }
        context = dg.build_sensor_context(instance=instance, resources=resources)
        said = [str(alert_about_deliveries(context)) for _ in range(2)]
    assert ["1 alerts told" in said[0], "0 alerts told" in said[1]] == [True, True]


def test_leads_and_notices_over_http_wait_on_disk_for_a_run(partner, warehouse, delivering):
    """A lead posted twice is delivered once; a signed notice moves it; a forged one does nothing."""
    client = TestClient(
        create_app(delivering), client=("127.0.0.1", 50000), base_url="http://localhost"
    )
    with client:
        for duplicates in (0, 1):
            response = client.post("/api/leads", json=lead(1))
            assert (response.status_code, response.json()["duplicates"]) == (202, duplicates)
        assert client.post("/api/leads", content=b"{", headers=_JSON).status_code == 400
        run(delivering, "delivery")
        assert accepted(partner) == ["1"]
        body = json.dumps({"lead_id": "npa-1", "status": "sold"})
        assert client.post("/api/webhooks/partner", content=body, headers=_JSON).status_code == 401
        secret = delivering.npa_webhook_secret
        assert secret is not None
        now = datetime.now(UTC)
        signed = {
            **_JSON,
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret.get_secret_value()).sign("msg_1", now, body),
        }
        for is_duplicate in (False, True):
            answered = client.post("/api/webhooks/partner", content=body, headers=signed)
            assert answered.json() == {"status": "sold", "duplicate": is_duplicate}
        run(delivering, "delivery")
    assert rows(warehouse, "SELECT partner_status FROM lead_deliveries") == [("sold",)]


def test_the_panel_shows_covered_leads_and_retries_with_one_click(partner, warehouse, delivering):
    """Personal data shows on demand only; the button sends the lead."""
    partner.configure(script=["reject"])
    hand_over(warehouse, lead(1))
    run(delivering, "delivery")
    with TestClient(
        create_app(delivering), client=("127.0.0.1", 50000), base_url="http://localhost"
    ) as client:
        page = client.get("/admin/delivery").text
        assert ("***0001" in page, "+12015550001" in page) == (True, False)
        assert "+12015550001" in client.get("/admin/delivery?reveal=1").text
        assert client.post("/admin/delivery/retry", data={"id": "1"}).status_code == 403
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        done = client.post("/admin/delivery/retry", data={"id": "1", "csrf": token})
        assert "No failed lead." in done.text
    assert accepted(partner) == ["1"]
    assert lists.rates(delivering.published_dir, since=datetime(2020, 1, 1, tzinfo=UTC)).as_dicts()[
        0
    ]["success_rate"] == pytest.approx(100.0)


def test_personal_data_goes_after_the_configured_days(partner, warehouse, delivering):
    """The lead's data is removed, its key stays, and the same session is not sent again."""
    hand_over(warehouse, lead(1))
    run(delivering, "delivery")
    with warehouse.writing("delivery") as connection:
        connection.execute(
            "UPDATE succeeded_leads SET submitted_at = submitted_at - INTERVAL 100 DAY"
        )
    kept = delivering.model_copy(update={"keep_succeeded_days": 90})
    assert hand_over(Warehouse(warehouse.path), lead(1)).duplicate == 1
    run(kept, "delivery")
    assert rows(warehouse, "SELECT lead_data, state FROM lead_deliveries") == [("{}", "succeeded")]
    assert rows(warehouse, "SELECT count(*) FROM succeeded_leads") == [(0,)]
    assert accepted(partner) == ["1"]


_JSON = {"content-type": "application/json"}


def test_the_ui_shows_its_assets():
    """Two assets in a pool of their own, each with its check."""
    assert shown_of("delivery") == {
        "lead_deliveries": (
            ("sent", "delivery", "duckdb"),
            {"each_lead_succeeded_once"},
        ),
        "reconciliation": (
            ("sent", "delivery", "duckdb"),
            {"partner_has_every_lead"},
        ),
    }
