"""What `/metrics` says of the inbox, against states that are known."""

import json
import sqlite3
from datetime import timedelta

from leadpipe.inbox.payloads import Payload, Problem
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.builders import pageview
from leadpipe_tests.web.scraping import only, scraped


def test_an_empty_inbox_is_no_file(start, tmp_path):
    """Everything is zero, and nothing was ever received."""
    samples = only(scraped(start()), "leadpipe_inbox")
    assert samples == {
        "leadpipe_inbox_waiting_events": 0,
        "leadpipe_inbox_oldest_age_seconds": 0,
        "leadpipe_inbox_dead_letters": 0,
        "leadpipe_inbox_received_events_total": 0,
        "leadpipe_inbox_duplicate_events_total": 0,
    }


def test_what_waits_counts_with_its_age(start, inbox):
    """Three received, one of them twice, one not usable; the oldest waits for 40 minutes."""
    client = start()
    headers = {"Content-Type": "application/json"}
    body = pageview(1)
    for each in (body, body, pageview(2)):
        assert client.post("/api/webhooks/posthog", content=each, headers=headers).is_success
    inbox.add([Payload(problems=(Problem("no event", json.dumps({})),))], now=NOW)
    with sqlite3.connect(inbox.path) as connection:
        ago = (NOW - timedelta(minutes=40)).isoformat()
        connection.execute("UPDATE waiting SET received_at = ? WHERE id = 1", [ago])
    connection.close()
    assert only(scraped(client), "leadpipe_inbox") == {
        "leadpipe_inbox_waiting_events": 2,
        "leadpipe_inbox_oldest_age_seconds": 2_400,
        "leadpipe_inbox_dead_letters": 1,
        "leadpipe_inbox_received_events_total": 3,
        "leadpipe_inbox_duplicate_events_total": 1,
        "leadpipe_inbox_last_received_timestamp_seconds": NOW.timestamp(),
    }


def test_a_scrape_does_not_wait_for_who_writes(start, inbox):
    """A run that empties the inbox holds SQLite's lock; what was committed before is read."""
    inbox.add([], now=NOW)
    connection = sqlite3.connect(inbox.path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        assert scraped(start())["leadpipe_inbox_waiting_events"] == 0
    finally:
        connection.execute("ROLLBACK")
        connection.close()
