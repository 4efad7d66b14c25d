"""The live count: equal to the warehouse's own, whatever was delivered, when, and how often."""

import json
import uuid
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadpipe.inbox.drain import drain
from leadpipe.inbox.payloads import Reader
from leadpipe.inbox.store import Inbox
from leadpipe.published.tables import publish_tables
from leadpipe.visitors.live import LiveVisitors, WaitingPageview
from leadpipe.visitors.weeks import week_of
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import rows, take_in
from leadpipe_tests.orders import orders

READER = Reader(wanted={"$pageview"}, first_day=date(2026, 1, 1))
WEEK = date(2026, 11, 16)


def pageview(number, person, device, day=WEEK, *, created_at=None):
    """A pageview as the builders take it."""
    when = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=3, minutes=number)
    return {
        "uuid": str(uuid.UUID(int=number)),
        "event": "$pageview",
        "timestamp": when,
        "created_at": created_at,
        "distinct_id": device,
        "person_id": person,
        "properties": {},
    }


def body(event):
    """The event as PostHog's webhook sends it."""
    fields = ("uuid", "event", "distinct_id", "properties")
    content = {name: event[name] for name in fields} | {"timestamp": event["timestamp"].isoformat()}
    person = {"person": {"id": event["person_id"]}} if event["person_id"] else {}
    return json.dumps({"event": content, **person}).encode()


def live_of(folder, inbox):
    """The live count over a folder's publication and an inbox."""

    def waiting(after):
        return [
            WaitingPageview(event.number, event.day, event.person_id, event.distinct_id)
            for event in inbox.take(after=after)
            if event.event == "$pageview"
        ]

    return LiveVisitors(folder / "published", waiting)


def publish(warehouse, folder):
    with warehouse.connect() as connection:
        publish_tables(connection, folder / "published")


# What can happen: a webhook (with or without its person), the same again, a drain, a sync.
EVENTS = [
    (
        number,
        f"person-{number % 4}",
        f"device-{number % 6}",
        WEEK - timedelta(days=3 * (number % 3)),
    )
    for number in range(12)
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("webhook"), st.sampled_from(EVENTS), st.booleans()),
        st.tuples(st.just("drain")),
        st.tuples(st.just("sync")),
    ),
    max_size=25,
)


@settings(
    max_examples=orders(5),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS)
def test_any_interleaving_of_webhook_duplicate_and_sync_counts_exactly(tmp_path, steps):
    """After any interleaving the next sync leaves the live count equal to a plain count of the events."""
    folder = tmp_path / uuid.uuid4().hex
    inbox = Inbox(folder / "inbox.sqlite")
    warehouse = Warehouse(folder / "leadpipe.duckdb")
    in_posthog: dict[str, dict[str, Any]] = {}

    def sync(name):
        take_in(warehouse, folder, list(in_posthog.values()), run_id=name)
        publish(warehouse, folder)

    folder.mkdir()
    with closing(live_of(folder, inbox)) as live:
        for number, step in enumerate([*steps, ("sync",)]):
            if step[0] == "webhook":
                event = pageview(*step[1])
                in_posthog[event["uuid"]] = event | {"created_at": event["timestamp"]}
                sent = event if step[2] else event | {"person_id": None}
                inbox.add([READER.read(body(sent), now=NOW)], now=NOW)
            elif step[0] == "drain":
                drain(
                    inbox,
                    warehouse,
                    run_id=f"drain-{number}",
                    landing=folder,
                    publish=lambda _: None,
                    clock=lambda: NOW,
                )
                publish(warehouse, folder)
            else:
                sync(f"sync-{number}")
            live.counts()
        people: dict[date, set[str]] = {}
        for event in in_posthog.values():
            people.setdefault(week_of(event["timestamp"].date()), set()).add(event["person_id"])
        assert live.counts() == {week: len(who) for week, who in people.items()}
        assert live.counts() == dict(
            rows(
                warehouse,
                "SELECT CAST(date_trunc('week', event_date) AS DATE), count(DISTINCT person_id) "
                "FROM raw_events GROUP BY ALL",
            )
        )
