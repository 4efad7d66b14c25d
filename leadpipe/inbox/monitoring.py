"""What `/metrics` says of the inbox: what waits and for how long, and what could not be used."""

from collections.abc import Iterator

from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.settings import InboxSettings
from leadpipe.inbox.store import InboxState
from leadpipe.web.metrics import Sample, Scrape, timestamp

METRICS = {
    "leadpipe_inbox_waiting_events": "Events of the webhook that wait for the warehouse.",
    "leadpipe_inbox_oldest_age_seconds": "Seconds that the oldest of them waits; 0 without one.",
    "leadpipe_inbox_dead_letters": "Bodies and events of the webhook that could not be used.",
    "leadpipe_inbox_received_events_total": "Events that the webhook brought.",
    "leadpipe_inbox_duplicate_events_total": "Those of them that waited already.",
    "leadpipe_inbox_last_received_timestamp_seconds": "When the webhook brought the last event.",
}


def metrics(scrape: Scrape) -> Iterator[Sample]:
    """Of the inbox as it is now; it is read beside whoever writes to it.

    Raises:
        InboxUnavailable: its file cannot be read.
    """
    settings = scrape.settings.of(InboxSettings)
    state = open_inbox(settings).state() if settings.inbox_path.exists() else InboxState()
    oldest = scrape.seconds_since(state.oldest_at) if state.oldest_at else 0.0
    yield Sample("leadpipe_inbox_waiting_events", state.waiting)
    yield Sample("leadpipe_inbox_oldest_age_seconds", oldest)
    yield Sample("leadpipe_inbox_dead_letters", state.dead_letters)
    yield Sample("leadpipe_inbox_received_events_total", state.received)
    yield Sample("leadpipe_inbox_duplicate_events_total", state.duplicates)
    if state.last_received_at is not None:
        at = timestamp(state.last_received_at)
        yield Sample("leadpipe_inbox_last_received_timestamp_seconds", at)
