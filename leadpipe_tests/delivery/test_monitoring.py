"""What `/metrics` says of delivery, against states that are known."""

from datetime import timedelta

from leadpipe.delivery.handovers import HandOvers
from leadpipe.published.tables import publish_tables
from leadpipe_tests.clocks import NOW
from leadpipe_tests.delivery.builders import deliver_to, hand_over, lead
from leadpipe_tests.web.scraping import only, scraped


def test_leads_count_by_state_with_the_age_of_the_oldest(partner, warehouse, tmp_path, start):
    """One delivered, one refused, one busy; the oldest that is open was taken in two hours ago."""
    partner.configure(script=["accept", "reject", "busy"])
    hand_over(warehouse, lead(1), now=NOW - timedelta(hours=3))
    deliver_to(partner, warehouse)
    hand_over(warehouse, lead(2), now=NOW - timedelta(hours=3))
    deliver_to(partner, warehouse)
    hand_over(warehouse, lead(3), now=NOW - timedelta(hours=2))
    deliver_to(partner, warehouse)
    hand_over(warehouse, lead(4), now=NOW - timedelta(hours=1))
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published", now=NOW)
    samples = scraped(start())
    assert only(samples, "leadpipe_deliver") == {
        'leadpipe_deliveries{state="pending"}': 1,
        'leadpipe_deliveries{state="sent"}': 0,
        'leadpipe_deliveries{state="succeeded"}': 1,
        'leadpipe_deliveries{state="failed"}': 1,
        'leadpipe_deliveries{state="retrying"}': 1,
        'leadpipe_deliveries{state="unknown"}': 0,
        'leadpipe_deliveries{state="given_up"}': 0,
        "leadpipe_delivery_queue_age_seconds": 7_200,
        'leadpipe_delivery_attempts_total{outcome="accepted"}': 1,
        'leadpipe_delivery_attempts_total{outcome="busy"}': 1,
        'leadpipe_delivery_attempts_total{outcome="refused"}': 1,
        'leadpipe_delivery_attempts_total{outcome="sent"}': 3,
        "leadpipe_delivery_breaker_open": 0,
    }


def test_a_breaker_that_is_open_is_told(partner, warehouse, tmp_path, start):
    """The partner refuses the key: sending rests."""
    partner.configure(script=["redirect"])
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, tmp_path / "data" / "published", now=NOW)
    assert scraped(start())["leadpipe_delivery_breaker_open"] == 1


def test_what_came_over_http_counts_by_kind(tmp_path, start):
    """What waits, since when, and what was set aside; nothing of its content is shown."""
    client = start(npa_api_url="http://127.0.0.1:1")
    kept = HandOvers(tmp_path / "data" / "hand_overs.sqlite")
    assert scraped(client)['leadpipe_hand_overs_waiting{kind="lead"}'] == 0
    path = client.app.state.web.settings.hand_overs_path
    kept = HandOvers(path)
    kept.add("lead", ['{"phone": "+12015550001"}', "2"], now=NOW - timedelta(seconds=90))
    kept.add("notice", ["3"], now=NOW)
    kept.set_aside("notice", "4", "it is no notice", now=NOW)
    assert only(scraped(client), "leadpipe_hand_overs") == {
        'leadpipe_hand_overs_waiting{kind="lead"}': 2,
        'leadpipe_hand_overs_waiting{kind="notice"}': 1,
        "leadpipe_hand_overs_oldest_age_seconds": 90,
        "leadpipe_hand_overs_set_aside": 1,
    }
    assert "2015550001" not in client.get("/metrics").text


def test_hand_overs_that_cannot_be_kept_are_not_ready(start):
    """A caller's lead would be refused, so no caller should be sent here."""
    client = start()
    client.app.state.web.settings.hand_overs_path.mkdir(parents=True)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "notReady": ["hand-overs"]}
