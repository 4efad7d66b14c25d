"""A lead is judged by what is sent, for its country, and the same whatever way it came."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from leadpipe.delivery.fields import checked_fields, sent_fields
from leadpipe.delivery.intake import take_in_events, take_in_leads
from leadpipe.delivery.lead import read_lead
from leadpipe.settings import whole_settings
from leadpipe.web.app import create_app
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead
from leadpipe_tests.events.builders import event, rows, take_in


def problem(region: str = "US", fields: str = "", **values: object) -> str | None:
    """What is wrong with a lead."""
    sent = sent_fields(checked_fields(fields))
    return read_lead(lead(1) | values, fallback_id="x", region=region, sent=sent).problem


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, None),
        ({"transcript": "x" * 100_000}, None),
        ({"notes": {"a": [1]}}, None),
        (
            {"full_name": "x" * 1_001},
            "the field 'full_name' has 1,001 characters; 1,000 are the most",
        ),
        ({"phone": True}, "the field 'phone' is no text or number"),
        ({"vehicle_year": {}}, "the field 'vehicle_year' is no text or number"),
        ({"zip_code": 10001.0}, None),
        ({"zip_code": 2134}, "the zip_code is none: 5 digits, or 9"),
        ({"zip_code": "K1A 0B1"}, "the zip_code is none: 5 digits, or 9"),
        ({"zip_code": "K1A 0B1", "country": "ca"}, None),
        ({"zip_code": "K1A 0B1", "phone": "+14165550123"}, None),
        ({"zip_code": "10001", "phone": "+14165550123"}, None),
        ({"zip_code": "SW1A 1AA", "phone": "+442079460018"}, None),
        ({"zip_code": "SW1A 1AA", "country": "GB", "phone": "020 7946 0018"}, None),
        ({"phone": "0803 123 4567"}, "the phone number has 11 digits and is none (US)"),
        ({"phone": "0803 123 4567", "country": "NG"}, None),
        ({"country": "nowhere", "phone": "12"}, "the phone number has 2 digits and is none (US)"),
        ({"channel": "Ann Example"}, "unknown channel; it should be sms or voice"),
    ],
)
def test_a_lead_is_judged_for_its_country(values, wrong):
    """Its own where it says one, else that of its number or of the setting."""
    assert problem(**values) == wrong


def test_what_is_not_sent_makes_no_lead_invalid():
    """NPA_FIELDS leaves out what the partner does not want."""
    assert problem(fields="zip_code=", zip_code="1") is None
    assert problem(fields="phone=", phone="1") is None
    assert problem(fields="phone=", phone="+12015550001", email=None) == (
        "neither phone nor email, so nobody could be reached"
    )


def test_what_is_judged_is_what_is_sent(partner, warehouse):
    """Without blanks around it, and a whole number without its .0."""
    hand_over(warehouse, lead(1, phone=" 201-555-0001 ", zip_code=10001.0, vehicle_year="2019 "))
    deliver_to(partner, warehouse)
    [item] = partner.leads()
    assert [item[name] for name in ("phone", "zip_code", "vehicle_year")] == [
        *("201-555-0001", 10001, "2019")
    ]


def test_file_http_and_event_come_to_one_verdict(warehouse, tmp_path):
    """For the same values."""
    leads = [
        lead(1, zip_code="12"),
        lead(2, phone="0803 123 4567"),
        lead(3, transcript="x" * 2_000),
        lead(4, full_name="x" * 2_000),
        lead(5, channel=None),
        lead(6, vehicle_year=[2019]),
    ]
    now = datetime.now(UTC)
    settings = whole_settings()(
        _env_file=None, data_dir=Path(tmp_path) / "data", dagster_home=tmp_path
    )
    with TestClient(
        create_app(settings), client=("127.0.0.1", 50000), base_url="http://localhost"
    ) as client:
        said = client.post("/api/leads", json=leads).json()
    by_http = [said["problems"].get(key) for key in said["keys"]]
    take_in(warehouse, tmp_path, [event("lead_captured", "10:00:00", **one) for one in leads])
    with warehouse.writing("delivery") as connection:
        take_in_events(connection, region="US", now=now)
        others = [
            json.loads(json.dumps(one)) | {"session_id": f"f{one['session_id']}"} for one in leads
        ]
        take_in_leads(connection, others, source="file", region="US", now=now)
    found = dict(
        rows(
            warehouse,
            "SELECT d.session_id, f.error_message FROM lead_deliveries d LEFT JOIN failed_leads f USING (id)",
        )
    )
    assert [found[f"f{number}"] for number in range(1, 7)] == by_http
    assert [found[str(number)] for number in range(1, 7)] == by_http
    assert by_http[2] is None
    assert None not in by_http[:2]
