"""What the page of a lead shows of deliveries: state, and contact data covered until somebody asks."""

import re
from datetime import timedelta

import pytest

from leadpipe.delivery.intake import take_in_events
from leadpipe.delivery.masking import contact_data
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.leads.builders import publish, publish_leads

_CONTACT = {"full_name": "Ama Mensah", "phone": "+12015550123", "email": "ama@example.org"}


@pytest.fixture
def captured(tmp_path):
    """Ama's lead, and what she left in a conversation, which the partner has refused."""
    warehouse = publish_leads(tmp_path)
    conversation = event(
        "lead_captured",
        NOW - timedelta(hours=3),
        distinct_id="ama",
        channel="sms",
        session_id="session-1",
        **_CONTACT,
    )
    take_in(warehouse, warehouse.path.parent, [conversation], run_id="run-2")
    with warehouse.writing("delivery") as connection:
        take_in_events(connection, region="US", now=NOW)
        connection.execute("UPDATE lead_deliveries SET state = 'failed'")
        connection.execute(
            "INSERT INTO failed_leads SELECT id, lead_data, 'Refused', channel, session_id, 0, NULL, "
            "taken_in_at, false, NULL, idempotency_key FROM lead_deliveries"
        )
    publish(warehouse)
    return warehouse


def page_of(client, seeker):
    """The address of a seeker's lead."""
    found = re.search(
        rf'href="(/leads/\w+)" data-open>[^<]*</a><small>{seeker}<', client.get("/leads").text
    )
    assert found is not None
    return found[1]


def test_a_delivery_knows_its_seeker(captured):
    """The outbox names a person as the table of leads does, where an event brought the lead."""
    assert rows(captured, "SELECT seeker_id, channel FROM lead_deliveries") == [("ama", "sms")]


def test_contact_data_is_covered_until_asked_for(captured, start):
    """The page of the lead shows it masked; asked for by a button it shows, and who asked is kept."""
    client = start()
    address = page_of(client, "ama")
    text = client.get(address).text
    assert "<dd>A*** M***</dd>" in text
    assert not any(value in text for value in _CONTACT.values())
    token = re.search(r'name="csrf" value="([^"]+)"', text)
    assert token is not None
    revealed = client.post(f"{address}/reveal", data={"csrf": token[1]})
    assert all(value in revealed.text for value in _CONTACT.values())
    assert not any(value in client.get(address).text for value in _CONTACT.values())
    [act] = client.app.state.web.logins.acts(limit=1)
    assert act.what == f"revealed the contact data of lead {address.rpartition('/')[2]}"


def test_contact_data_is_in_no_address_list_or_export(captured, start):
    """Nobody's name or number is in the list, in its links or in what is exported."""
    client = start()
    for path in ("/leads", "/leads.csv", "/leads?q=Mensah"):
        text = client.get(path).text.replace("Mensah", "", 1 if "?q=" in path else 0)
        assert "+12015550123" not in text
        assert "Ama Mensah" not in text


def test_a_lead_without_deliveries_has_no_such_part(captured, start):
    """There is nothing to reveal of who left nothing."""
    client = start()
    text = client.get(page_of(client, "kofi")).text
    assert "Deliveries" not in text
    assert "Show contact data" not in text


@pytest.mark.parametrize("lead_data", [None, "{", "[]", "1"])
def test_odd_lead_data_shows_nothing(lead_data):
    """What is no object has no contact data, masked or not."""
    assert contact_data(lead_data, is_revealed=True) == {}
    assert contact_data(lead_data, is_revealed=False) == {}
