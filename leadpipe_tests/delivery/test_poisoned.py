"""A poisoned lead, answer or notice harms itself alone, at every step, and is shown with its reason."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import leadpipe.cli
from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.service import deliver_due
from leadpipe.settings import load_settings
from leadpipe.web.app import create_app
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.delivery.builders import POLICY, accepted, deliver_to, hand_over, lead, states
from leadpipe_tests.events.builders import event, rows, take_in

GOOD = json.dumps(lead(99))
DEEP = (
    '{"channel": "sms", "session_id": 1, "phone": "+12015550001", "x": '
    + "[" * 5_000
    + "]" * 5_000
    + "}"
)
LONG = '{"channel": "sms", "session_id": 1, "phone": "+12015550001", "x": ' + "7" * 5_000 + "}"
POISONS = {
    "half an emoji": json.dumps(lead(1, full_name="Ann \ud83d")),
    "half an emoji in the session": json.dumps(lead(1, session_id="\udc00")),
    "half an emoji in a name": json.dumps(lead(1) | {"\ud83d": 1}),
    "NUL": json.dumps(lead(1, full_name="A\0nn", session_id="1\0")),
    "deep": DEEP,
    "a long number": LONG,
    "a long number as the session": LONG.replace('"session_id": 1', '"session_id": ' + "7" * 5_000),
    "no number": '{"channel": "sms", "session_id": NaN, "phone": "+12015550001", "vehicle_year": 1e999}',
    "enormous": json.dumps(lead(1, full_name="x" * 3_000_000)),
    "enormous and not sent": json.dumps(lead(1, transcript="x" * 3_000_000)),
    "a list as a phone": json.dumps(lead(1, phone=["+12015550001"])),
    "an object as the channel": json.dumps(lead(1, channel={"a": 1})),
    "no object": "5",
    "nothing": "null",
    "a text": '"' + "\\ud83d" + '"',
    "escapes": r'{"channel": "sms\u0000", "session_id": "\\ud83d", "phone": "+1 201\u202e5550001"}',
}


@pytest.fixture
def at_work(partner, tmp_path, monkeypatch):
    """A working directory whose settings lead to the test partner."""
    for name, value in {
        "NPA_API_URL": partner.url,
        "NPA_API_KEY": partner.api_key,
        "NPA_SETTLE_SECONDS": "0",
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "250",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run(*words: str) -> str:
    """Type a command, a second after the one before."""
    let_pass(1)
    result = CliRunner().invoke(leadpipe.cli.main, [*words])
    assert result.exit_code == 0, result.output
    return result.stdout


def sent_or_shown(partner) -> list[str]:
    """Sessions at the partner, the good lead's among them, and what `failed list` says of the others."""
    shown = json.loads(run("failed", "list", "--json"))
    assert "99" in accepted(partner)
    return [*accepted(partner), *(row["error"] for row in shown)]


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_poisoned_lead_of_a_file_harms_itself_alone(partner, at_work, poison):
    """The one behind it is delivered, and it is delivered or shown."""
    Path("leads.json").write_text(f"[{poison}, {GOOD}]")
    run("deliver", "leads.json")
    assert len(sent_or_shown(partner)) == 2
    run("deliver")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_in_another_encoding_is_read(partner, at_work, encoding):
    """Whatever JSON may be written in."""
    Path("leads.json").write_bytes(f"[{GOOD}]".encode(encoding))
    run("deliver", "leads.json")
    assert accepted(partner) == ["99"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_poisoned_lead_over_http_harms_itself_alone(partner, at_work, poison, encoding):
    """All of a request is taken, and the page shows what could not be used."""
    app = create_app(load_settings())
    with TestClient(app, client=("127.0.0.1", 50000), base_url="http://localhost") as client:
        body = f"[{poison}, {GOOD}]".encode(encoding)
        answered = client.post("/api/leads", content=body, headers=_JSON)
        if len(body) > 1_000_000:
            assert answered.status_code == 413
            return
        assert (answered.status_code, answered.json()["accepted"]) == (202, 2)
        run("deliver")
        assert len(sent_or_shown(partner)) == 2
        assert client.get("/admin/delivery").status_code == 200


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_poisoned_event_harms_itself_alone(partner, warehouse, tmp_path, at_work, poison):
    """However it got into the warehouse."""
    take_in(warehouse, tmp_path, [event("lead_captured", "10:00:00", **lead(n)) for n in (1, 99)])
    with warehouse.writing("delivery") as connection:
        connection.execute(
            "UPDATE raw_events SET properties = ? WHERE properties LIKE '%jane1@%'",
            [poison.encode("utf-8", "replace").decode()],
        )
    settings = load_settings()
    from leadpipe.delivery.connecting import connect_partner, delivery_place  # noqa: PLC0415
    from leadpipe.delivery.settings import DeliverySettings  # noqa: PLC0415

    own = load_settings(DeliverySettings)
    assert settings.data_dir == own.data_dir
    place = delivery_place(own)
    for _ in range(2):
        with connect_partner(own) as client:
            deliver_due(place, client, policy=POLICY, clock=lambda: datetime.now(UTC))
    assert len(states(place.warehouse)) == 2
    assert "99" in accepted(partner)


@pytest.mark.parametrize(
    "says",
    [
        {"success": True, "lead": {"id": "npa-\ud83d"}, "note": "\udc00"},
        {"success": True, "note": "a\0b", "id": "x\0"},
        {"success": True, "id": 10**400},
        {"success": True, "id": float("inf")},
        {"success": True, "x": float("nan")},
        {"success": True, "id": "x" * 100_000},
        {"message": "\ud83d " * 3},
        {"success": False, "message": "\0" * 10},
    ],
)
def test_a_poisoned_answer_harms_its_lead_alone(partner, warehouse, says):
    """The outcomes of the others are kept, and the next run goes on."""
    raw = json.dumps(says)
    hand_over(warehouse, *(lead(number) for number in range(1, 6)))
    partner.configure(script=["accept", "accept", "says"], says_text=raw)
    deliver_to(partner, warehouse)
    deliver_to(partner, warehouse)
    found = states(warehouse)
    assert list(found.values()).count("succeeded") >= 4
    assert "sent" not in found.values()
    assert "pending" not in found.values()


def test_a_lead_that_was_stored_poisoned_is_set_aside(partner, warehouse):
    """By an older version, with a number that nothing can read."""
    hand_over(warehouse, lead(1), lead(2))
    with warehouse.writing("delivery") as connection:
        connection.execute(
            "UPDATE lead_deliveries SET lead_data = ? WHERE id = 1", [f'{{"a": {DEEP}}}']
        )
    report = deliver_to(partner, warehouse)
    assert (report.sent, report.failed, states(warehouse)) == (1, 1, {1: "failed", 2: "succeeded"})
    assert rows(warehouse, "SELECT error_message FROM failed_leads") == [
        ("it cannot be read: it is nested too deeply",)
    ]


def test_a_poisoned_notice_is_set_aside_with_its_reason(partner, at_work):
    """In UTF-16 it is read; what means nothing is shown on the page and by a command."""
    Path("leads.json").write_text(GOOD)
    run("deliver", "leads.json")
    good = json.dumps({"lead_id": "npa-1", "status": "sold", "note": "\ud83d"})
    with TestClient(
        create_app(load_settings()), client=("127.0.0.1", 50000), base_url="http://localhost"
    ) as client:
        for body in ('{"lead_id": "npa-1", "status": "won"}', "[" * 4_000, DEEP):
            assert (
                client.post("/api/webhooks/partner", content=body, headers=_JSON).status_code == 422
            )
        sent = client.post("/api/webhooks/partner", content=good.encode("utf-16"), headers=_JSON)
        assert sent.json() == {"status": "sold", "duplicate": False}
        store = HandOvers(Path(at_work / "data" / "handovers.sqlite"))
        store.add("notice", ["no json at all"], now=datetime.now(UTC), identity="x")
        run("deliver")
        page = client.get("/admin/delivery").text
    assert "status &#39;won&#39; is none of" in page
    reasons = [row["reason"] for row in json.loads(run("failed", "aside", "--json"))]
    assert reasons[0] == "status 'won' is none of submitted, contacted, sold, rejected"
    assert len(reasons) == 4
    assert store.waiting() == []
    [row] = json.loads(run("succeeded", "list", "--json"))
    assert row["partner_status"] == "sold"
    run("failed", "aside", "--forget")
    assert run("failed", "aside", "--json").strip() == "[]"


_JSON = {"content-type": "application/json"}
