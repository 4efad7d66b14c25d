"""What `/metrics` says of delivery: leads by state, how long the oldest waits, whether sending rests."""

from collections.abc import Iterator
from typing import get_args

from leadpipe.delivery.handovers import HandOvers, Kind
from leadpipe.delivery.outbox import State
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.web.metrics import Sample, Scrape

METRICS = {
    "leadpipe_deliveries": "Leads of the outbox, by state.",
    "leadpipe_delivery_queue_age_seconds": "Seconds since the oldest lead was taken in that is neither "
    "delivered, failed nor given up; 0 without one.",
    "leadpipe_delivery_attempts_total": "What happened to leads, by outcome.",
    "leadpipe_delivery_breaker_open": "Whether sending rests, as the partner does not answer well.",
    "leadpipe_hand_overs_waiting": "What came over HTTP and waits for a run, by kind.",
    "leadpipe_hand_overs_oldest_age_seconds": "Seconds that the oldest of it waits; 0 without any.",
    "leadpipe_hand_overs_set_aside": "What came over HTTP and could not be taken.",
}
_STATES = "SELECT state, count(*) AS leads FROM lead_deliveries GROUP BY ALL ORDER BY ALL"
_OLDEST = """
    SELECT count(*) AS leads, min(taken_in_at) AS taken_in_at FROM lead_deliveries
    WHERE state IN ('pending', 'sent', 'retrying', 'unknown')
"""
_ATTEMPTS = """
    SELECT outcome, count(*) AS attempts FROM delivery_attempts GROUP BY ALL ORDER BY ALL
"""
_BREAKER = "SELECT arg_max(state, changed_at) AS state FROM breaker_changes"


def metrics(scrape: Scrape) -> Iterator[Sample]:
    """Of deliveries as they were published, and of what arrived over HTTP as it is now.

    Raises:
        DeliveryError: the file of hand-overs cannot be read.
    """
    for row in scrape.ask(_OLDEST):
        found = {each["state"]: each["leads"] for each in scrape.ask(_STATES)}
        for state in get_args(State):
            yield Sample("leadpipe_deliveries", found.get(state, 0), {"state": state})
        oldest = row["taken_in_at"]
        age = scrape.seconds_since(oldest) if oldest else 0.0
        yield Sample("leadpipe_delivery_queue_age_seconds", age)
    for row in scrape.ask(_ATTEMPTS):
        labels = {"outcome": row["outcome"].replace(" ", "_")}
        yield Sample("leadpipe_delivery_attempts_total", row["attempts"], labels)
    for row in scrape.ask(_BREAKER):
        yield Sample("leadpipe_delivery_breaker_open", float(row["state"] == "open"))
    kept = HandOvers(scrape.settings.of(DeliverySettings).hand_overs_path).state()
    for kind in get_args(Kind):
        yield Sample("leadpipe_hand_overs_waiting", kept.waiting.get(kind, 0), {"kind": kind})
    age = scrape.seconds_since(kept.oldest_at) if kept.oldest_at else 0.0
    yield Sample("leadpipe_hand_overs_oldest_age_seconds", age)
    yield Sample("leadpipe_hand_overs_set_aside", kept.set_aside)
