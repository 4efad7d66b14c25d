"""Events that only a webhook brought count until PostHog was asked for them in vain, and no longer."""

import json
from datetime import timedelta

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.events.connecting import sync_config
from leadpipe.events.planning import plan_sync
from leadpipe.inbox.drain import drain
from leadpipe.inbox.payloads import Reader
from leadpipe.inbox.store import Inbox
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, load, rows

_DAY = TODAY - timedelta(days=1)
_HOURS = timedelta(hours=1)
_UUID = "00000000-0000-4000-8000-{:012d}"
_READER = Reader(wanted={"$pageview", "lead_phone", "property_view"}, first_day=_DAY)


def lead(number, at="11:00:00"):
    """A lead of yesterday."""
    return event(
        "lead_phone",
        at,
        uuid=_UUID.format(number),
        distinct_id=f"person-{number}",
        listing_id="L",
        seeker_id=f"person-{number}",
    )


@pytest.fixture
def deliver(warehouse):
    """The webhook brings events, and the inbox is drained at once."""
    inbox = Inbox(warehouse.path.parent / "inbox.sqlite")

    def delivered(*events, at=NOW, run_id="drain"):
        bodies = [
            {
                "event": {
                    **{name: each[name] for name in ("uuid", "event", "distinct_id", "properties")},
                    "timestamp": each["timestamp"].isoformat(),
                },
                "person": {"id": "somebody"},
            }
            for each in events
        ]
        inbox.add([_READER.read(json.dumps(bodies).encode(), now=at)], now=at)
        return drain(
            inbox,
            warehouse,
            run_id=run_id,
            landing=warehouse.path.parent / "landing",
            publish=lambda _: None,
            clock=lambda: at,
        )

    return delivered


@pytest.fixture
def sync(sandbox, settings, warehouse):
    """Sync, build and publish as the schedule does, so many hours after the arrival."""

    def synced(hours, **changes):
        now = NOW + hours * _HOURS
        sandbox.control.set_clock(now)
        chosen = settings.model_copy(update=changes)
        with connect_posthog(chosen) as posthog:
            plan = plan_sync(
                posthog, warehouse, config=sync_config(chosen), first_day=_DAY, now=now
            )
        report = load(chosen, warehouse, plan.days, run_id=f"sync-{hours}", now=now)
        build_marts(warehouse)
        with warehouse.connect() as connection:
            publish_tables(connection, settings.published_dir, now=now)
        return report

    return synced


def seekers(warehouse):
    """Who is a lead, by the mart."""
    return [seeker for (seeker,) in rows(warehouse, "SELECT seeker_id FROM leads ORDER BY ALL")]


def told(settings):
    """The published table of what was set aside."""
    return [
        (str(row["uuid"]), row["event"], row["event_date"], row["arrived_at"], row["seen_at"])
        for row in reading.query(
            settings.published_dir, "SELECT * FROM unconfirmed_events"
        ).as_dicts()
    ]


def test_an_event_of_the_test_button_is_no_lead_for_ever(
    sandbox, deliver, sync, warehouse, settings
):
    """It counts for a day, then in no mart and no published table any more, and is told."""
    sandbox.control.insert([lead(1)])
    sync(-1)
    deliver(lead(1), lead(2))
    assert (sync(6).unconfirmed, seekers(warehouse)) == (0, ["person-1", "person-2"])
    assert sync(25).unconfirmed == 1
    assert seekers(warehouse) == ["person-1"]
    assert rows(warehouse, "SELECT total_leads, unique_leads FROM listings") == [(1, 1)]
    assert told(settings) == [(_UUID.format(2), "lead_phone", _DAY, NOW, None)]
    everything = [
        reading.query(settings.published_dir, f"SELECT * FROM {table}").rows
        for table in ("leads", "grouped_leads", "listing_analytics", "events_by_day")
    ]
    assert "person-2" not in str(everything)
    assert rows(warehouse, "SELECT * FROM webhook_arrivals") == []


def test_the_last_viewer_of_a_week_leaves_the_live_count(sandbox, deliver, sync, settings):
    """A day and a week that lose their only event are published without it."""
    sandbox.control.insert([lead(1)])
    view = event("$pageview", "12:00:00", uuid=_UUID.format(3))
    deliver(view, event("property_view", "12:00:00", uuid=_UUID.format(4), listing_id="only"))
    sync(1)
    viewers = "SELECT distinct_id FROM week_viewers"
    listed = "SELECT listing_id FROM listing_analytics WHERE total_views > 0"
    assert reading.query(settings.published_dir, viewers).rows == (("anonymous-1",),)
    assert reading.query(settings.published_dir, listed).rows == (("only",),)
    assert sync(25).unconfirmed == 2
    assert reading.query(settings.published_dir, viewers).rows == ()
    assert reading.query(settings.published_dir, listed).rows == ()


def test_what_a_query_confirms_stays(sandbox, deliver, sync, warehouse):
    """PostHog shows it hours later: it is an event like all others, and nothing waits for it."""
    deliver(lead(1))
    sync(1)
    sandbox.control.insert([{**lead(1), "created_at": NOW, "visible_at": NOW + 20 * _HOURS}])
    sync(10)
    assert rows(warehouse, "SELECT count(*) FROM webhook_arrivals") == [(1,)]
    assert (sync(21).unconfirmed, sync(60).unconfirmed) == (0, 0)
    assert seekers(warehouse) == ["person-1"]
    assert rows(warehouse, "SELECT count(*) FROM webhook_arrivals") == [(0,)]


def test_nothing_is_set_aside_because_nothing_was_asked(sandbox, deliver, sync, warehouse):
    """A week without a sync proves nothing; the first sync afterwards asks, and then decides."""
    sandbox.control.insert([lead(1)])
    sync(-1)
    deliver(lead(2))
    sandbox.control.set_clock(NOW + 168 * _HOURS)
    deliver(lead(3), at=NOW + 168 * _HOURS, run_id="drain-2")
    assert rows(warehouse, "SELECT count(*) FROM raw_events WHERE created_at IS NULL") == [(2,)]
    assert sync(169).unconfirmed == 1
    assert seekers(warehouse) == ["person-1", "person-3"]


def test_a_day_that_differs_sets_nothing_aside(sandbox, deliver, sync, warehouse, monkeypatch):
    """Where PostHog's answer cannot be right, it is not believed about webhook events either."""
    sandbox.control.insert([lead(1), lead(4)])
    sync(-1)
    deliver(lead(2))
    sandbox.control.reset()  # more than half of the day is gone: that waits for a person
    assert sync(30).unconfirmed == 0
    assert seekers(warehouse) == ["person-1", "person-2", "person-4"]


def test_an_event_name_that_is_not_asked_for_stays(deliver, sync, warehouse):
    """PostHog was not asked for it, so that it was not seen says nothing."""
    deliver(event("property_view", "12:00:00", uuid=_UUID.format(5), listing_id="L"))
    warehouse_rows = "SELECT count(*) FROM raw_events"
    with warehouse.writing("door") as connection:
        connection.execute("UPDATE raw_events SET event = 'extra'")
        connection.execute("UPDATE webhook_arrivals SET event = 'extra'")
    assert (sync(30).unconfirmed, rows(warehouse, warehouse_rows)) == (0, [(1,)])


def test_patience_is_a_setting(sandbox, deliver, sync, warehouse):
    """LEADPIPE_CONFIRM_HOURS, counted from when the webhook arrived."""
    sandbox.control.insert([lead(1)])
    deliver(lead(2))
    assert sync(30, confirm_hours=48).unconfirmed == 0
    assert sync(49, confirm_hours=48).unconfirmed == 1


def test_what_comes_by_a_query_later_is_an_event_again(sandbox, deliver, sync, warehouse, settings):
    """It was only late: it counts, and is told no longer."""
    sandbox.control.insert([lead(1)])
    deliver(lead(2))
    assert sync(25).unconfirmed == 1
    sandbox.control.insert([{**lead(2), "created_at": NOW + 26 * _HOURS}])
    sync(31)
    assert seekers(warehouse) == ["person-1", "person-2"]
    assert told(settings) == []


def test_a_webhook_alone_brings_nothing_back(sandbox, deliver, sync, warehouse):
    """A body that is sent again, of an event set aside or erased in PostHog, is left out and counted."""
    sandbox.control.insert([lead(n) for n in (1, 5, 6)])
    sync(-1)
    sandbox.control.reset()
    sandbox.control.insert([lead(1), lead(5)])
    deliver(lead(2))
    sync(25)
    again = deliver(lead(2), lead(6), lead(7), at=NOW + 26 * _HOURS, run_id="drain-2")
    assert (again.moved, again.withheld) == (1, 2)
    sync(27)
    assert seekers(warehouse) == ["person-1", "person-5", "person-7"]


def test_notes_of_people_outlive_the_lead(sandbox, deliver, sync, warehouse, settings):
    """The lead's record goes; status and notes are kept, should it come back."""
    sandbox.control.insert([lead(1)])
    deliver(lead(2))
    sync(1)
    with warehouse.writing("door") as connection:
        connection.execute(
            "INSERT INTO lead_edits BY NAME SELECT lead_id, 'note' AS kind, 'called' AS value, "
            "'ama' AS author, created_at AS edited_at, 'edit-1' AS edit_id "
            "FROM leads WHERE seeker_id = 'person-2'"
        )
    sync(25)
    assert seekers(warehouse) == ["person-1"]
    assert rows(warehouse, "SELECT value FROM lead_edits") == [("called",)]
    sandbox.control.insert([{**lead(2), "created_at": NOW + 26 * _HOURS}])
    sync(31)
    [(notes,)] = reading.query(
        settings.published_dir, "SELECT notes FROM grouped_leads WHERE seeker_id = 'person-2'"
    ).rows
    assert "called" in str(notes)


def test_the_copy_of_another_day_is_looked_for_there(sandbox, deliver, sync, warehouse):
    """A body that gives an event another day starts its waiting anew on that day, not on the one before."""
    sandbox.control.insert([lead(1)])
    deliver(lead(2))
    sync(20)
    moved = {**lead(2), "timestamp": NOW + 20 * _HOURS}
    moved["properties"] = {**moved["properties"], "more": 1}
    deliver(moved, at=NOW + 21 * _HOURS, run_id="drain-2")
    assert rows(warehouse, "SELECT event_date, arrived_at, unseen_until FROM webhook_arrivals") == [
        (TODAY + timedelta(days=1), NOW, None)
    ]
    assert sync(30).unconfirmed == 1
    assert rows(warehouse, "SELECT count(*) FROM event_copies") == [(0,)]


def test_events_of_an_earlier_version_are_looked_at_too(sandbox, deliver, sync, warehouse):
    """What a webhook brought before arrivals were noted waits since the run that brought it."""
    sandbox.control.insert([lead(1)])
    deliver(lead(2))
    with warehouse.writing("door") as connection:
        connection.execute(
            "DROP TABLE webhook_arrivals; DROP TABLE unconfirmed_events; "
            "DELETE FROM migrations WHERE name = 'events/await_confirmation'"
        )
    assert rows(warehouse, "SELECT uuid::VARCHAR, arrived_at FROM webhook_arrivals") == [
        (_UUID.format(2), NOW)
    ]
    assert sync(25).unconfirmed == 1


@pytest.mark.parametrize("is_first", [True, False], ids=["webhook first", "query first"])
def test_a_webhooks_word_on_the_day_proves_nothing(sandbox, deliver, sync, warehouse, is_first):
    """Only PostHog's own copies are expected on a day: a body with another time makes no day differ."""
    sandbox.control.insert([lead(1), lead(2)])
    moved = {**lead(2), "timestamp": lead(2)["timestamp"] + timedelta(days=1)}
    if is_first:
        deliver(moved)
        sync(1)
    else:
        sync(-1)
        deliver(moved)
    sync(7)
    assert rows(warehouse, "SELECT * FROM event_copies") == []
    assert rows(warehouse, "SELECT event_date, count(*) FROM raw_events GROUP BY ALL") == [
        (_DAY, 2)
    ]
    differing = "SELECT event_date FROM event_days WHERE posthog_checksum <> warehouse_checksum"
    assert rows(warehouse, differing) == []
