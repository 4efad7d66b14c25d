"""The sync against the sandbox: what PostHog has is in the warehouse, once, and that is proved."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import xor

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.errors import ConfigurationError, KeyRejected, QueryTooHeavy, ScopeMissing
from leadpipe.events.connecting import sync_config
from leadpipe.events.ingest import IngestResult
from leadpipe.events.planning import plan_sync
from leadpipe.events.proof import Fingerprint
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load, rows

_DAY = date(2026, 11, 20)
_UUID = "00000000-0000-4000-8000-{:012d}"


def views(count: int, at: datetime = datetime(2026, 11, 20, 10, tzinfo=UTC), **fields):
    """Views of one listing, all in the same microsecond."""
    return [
        event("property_view", at, uuid=_UUID.format(n), listing_id="L", **fields)
        for n in range(count)
    ]


def plan(settings, warehouse, *, first_day=_DAY, now=NOW, is_dry=False):
    """A plan as the schedule and the command line make it."""
    with connect_posthog(settings) as posthog:
        return plan_sync(
            posthog,
            warehouse,
            config=sync_config(settings),
            first_day=first_day,
            now=now,
            is_dry=is_dry,
        )


def stored(warehouse) -> int:
    """How many events the warehouse has."""
    return int(rows(warehouse, "SELECT count(*) FROM raw_events")[0][0])


def test_a_day_is_loaded_once_and_found_complete(sandbox, settings, warehouse):
    """Every event arrives, both counts agree, and a second load adds nothing."""
    sandbox.control.insert(views(5))
    first = load(settings, warehouse, [_DAY])
    second = load(settings, warehouse, [_DAY], run_id="run-2")
    assert first.ingested == IngestResult(fetched=5, new=5, changed_days=(_DAY,))
    assert second.ingested == IngestResult()
    five = Fingerprint(
        5, reduce(xor, (int(_UUID.format(n)[-12:], 16) | 0x8000 << 48 for n in range(5)))
    )
    assert first.days.keys() == {_DAY}
    state = first.days[_DAY]
    assert state.read_until == NOW - timedelta(minutes=2)
    assert state.posthog == state.warehouse
    assert five.has_the_events_of(state.posthog or Fingerprint())
    assert rows(
        warehouse, "SELECT run_id, status, events_new, api_calls FROM runs ORDER BY run_id"
    ) == [
        ("run-1", "succeeded", 5, 2),
        ("run-2", "succeeded", 0, 1),
    ]


def test_ties_in_one_microsecond_survive_small_pages(sandbox, settings, warehouse):
    """Pages end in the middle of a tie and lose none of it, though ClickHouse orders uuids its own way."""
    sandbox.control.insert(views(23))
    report = load(settings.model_copy(update={"page_rows": 4}), warehouse, [_DAY])
    assert (report.ingested.new, report.ingested.duplicate, report.incomplete_days) == (23, 0, ())


def test_unmerged_copies_count_once(sandbox, settings, warehouse):
    """PostHog's unmerged duplicates are one event, also when a page ends between them."""
    copies = views(6) + views(6, created_at=datetime(2026, 11, 20, 11, tzinfo=UTC))
    sandbox.control.insert(copies)
    report = load(settings.model_copy(update={"page_rows": 3}), warehouse, [_DAY])
    assert (report.ingested.fetched, report.ingested.new, report.incomplete_days) == (12, 6, ())


def test_events_at_midnight_belong_to_one_day(sandbox, settings, warehouse):
    """Windows are half-open: midnight begins a day."""
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    sandbox.control.insert(
        [
            event("property_view", midnight - timedelta(microseconds=1), listing_id="L"),
            event("property_view", midnight, listing_id="L"),
        ]
    )
    load(settings, warehouse, [_DAY - timedelta(days=1)])
    load(settings, warehouse, [_DAY], run_id="run-2")
    assert rows(warehouse, "SELECT event_date, run_id FROM raw_events ORDER BY timestamp") == [
        (date(2026, 11, 19), "run-1"),
        (date(2026, 11, 20), "run-2"),
    ]


def test_days_are_utc_in_a_project_of_another_zone(settings, warehouse):
    """A project in Accra, Lagos or Tokyo has the same days here: no literal is read in its zone."""
    from posthog_sandbox.process import SandboxProcess  # noqa: PLC0415 - a second one, for this test

    with SandboxProcess.start(project_timezone="Asia/Tokyo") as tokyo:
        tokyo.control.set_clock(NOW)
        tokyo.control.insert([event("property_view", "00:30:00", listing_id="L")])
        tokyo.control.insert([event("property_view", "23:30:00", listing_id="L")])
        there = settings.model_copy(update={"posthog_base_url": tokyo.url})
        report = load(there, warehouse, [_DAY])
    assert report.ingested.new == 2
    assert rows(warehouse, "SELECT event_date, event_hour FROM raw_events ORDER BY timestamp") == [
        (_DAY, 0),
        (_DAY, 23),
    ]


def test_bulky_events_come_with_the_properties_that_are_used(sandbox, settings, warehouse):
    """Of web traffic only what the marts read is asked for; business events come whole."""
    web = {"listing_id": "L", "$browser": "Chrome", "utm_source": "news", "viewed_from": "home"}
    sale = {"listing_id": "L", "price": 5, "anything": {"nested": [1]}}
    sandbox.control.insert(
        [
            event("property_view", "10:00:00", properties=web),
            event("listing_sold", "11:00:00", properties=sale),
            event("property_view", "12:00:00", properties='{"broken'),
        ]
    )
    load(settings, warehouse, [_DAY])
    found = rows(warehouse, "SELECT properties, rejected_reason FROM raw_events ORDER BY timestamp")
    assert [json.loads(found[0][0]), json.loads(found[1][0])] == [
        {"listing_id": "L", "utm_source": "news", "viewed_from": "home"},
        sale,
    ]
    assert found[2] == ('{"broken', "properties are not valid JSON")


def test_windows_shrink_where_posthog_finds_them_too_heavy(sandbox, settings, warehouse):
    """A 504 halves the window until PostHog can answer; nothing is lost."""
    start = datetime(2026, 11, 20, tzinfo=UTC)
    sandbox.control.insert(
        [
            event("property_view", start + timedelta(minutes=m), listing_id="L")
            for m in range(0, 1440, 10)
        ]
    )
    sandbox.control.fault("timeout_504", times=3, match="events from")
    report = load(settings, warehouse, [_DAY])
    asked = [
        request
        for request in sandbox.control.requests()
        if "events from" in (request["name"] or "")
    ]
    assert (report.ingested.new, report.ingested.duplicate, report.incomplete_days) == (144, 0, ())
    assert [request["status"] for request in asked].count(504) == 3
    assert len(asked) > 4


def test_a_window_that_cannot_shrink_any_more_is_an_error(sandbox, settings, warehouse):
    """If PostHog finds every window too heavy, the run fails with its answer instead of looping."""
    sandbox.control.insert(views(2))
    sandbox.control.fault("timeout_504", times=-1, match="events from")
    with pytest.raises(QueryTooHeavy):
        load(settings, warehouse, [_DAY])
    assert len(sandbox.control.requests()) < 60


@pytest.mark.parametrize(
    "kind", ["rate_limit", "concurrency_limit", "server_error_500", "unavailable_503"]
)
def test_passing_trouble_is_waited_out(sandbox, settings, warehouse, kind):
    """Limits and server errors are retried, counted in the ledger, and lose nothing."""
    sandbox.control.insert(views(3))
    options = {"seconds": 1} if kind == "rate_limit" else {}
    sandbox.control.fault(kind, **options)
    report = load(settings, warehouse, [_DAY])
    assert (report.ingested.new, report.calls.retries >= 1) == (3, True)


@pytest.mark.parametrize("kind", ["cut_body", "reset", "html_502", "wrong_json"])
def test_broken_answers_are_asked_for_again(sandbox, settings, warehouse, kind):
    """A body cut in the middle or a closed connection never becomes half a page."""
    sandbox.control.insert(views(50))
    sandbox.control.fault(
        kind, match="events from", **({"bytes": 700} if kind == "cut_body" else {})
    )
    report = load(settings, warehouse, [_DAY])
    assert (report.ingested.new, report.incomplete_days) == (50, ())


def test_a_wrong_key_fails_at_once_and_is_in_the_ledger(sandbox, settings, warehouse):
    """A final refusal is one request, one clear line, and a failed run without the key in it."""
    sandbox.control.fault("unauthorized_401", times=-1)
    with pytest.raises(KeyRejected):
        load(settings, warehouse, [_DAY])
    status, error, calls = rows(warehouse, "SELECT status, error, api_calls FROM runs")[0]
    assert (status, calls) == ("failed", 1)
    assert sandbox.api_key not in error


def test_rows_that_appear_late_are_found_by_the_count(sandbox, settings, warehouse):
    """A row that was invisible at the first read and lies behind the watermark is read in full later."""
    sandbox.control.insert(views(3))
    hidden = event("property_view", "09:00:00", listing_id="late")
    sandbox.control.insert([{**hidden, "visible_at": NOW + timedelta(hours=1)}])
    load(settings, warehouse, [_DAY])
    later = NOW + timedelta(hours=6)
    sandbox.control.set_clock(later)
    report = load(settings, warehouse, [_DAY], run_id="run-2", now=later)
    assert (report.ingested.new, report.reread_days, report.incomplete_days) == (1, (_DAY,), ())


def test_a_day_that_stays_different_is_reported(sandbox, settings, warehouse):
    """When even a full read does not give PostHog's events, the day is incomplete and says so."""
    sandbox.control.insert(views(3))
    load(settings, warehouse, [_DAY])
    with warehouse.connect() as connection:  # as if PostHog had deleted an event afterwards
        connection.execute(
            "INSERT INTO raw_events SELECT * REPLACE (uuid() AS uuid) FROM raw_events LIMIT 1"
        )
    keeping = settings.model_copy(update={"most_gone_percent": 0})
    report = load(keeping, warehouse, [_DAY], run_id="run-2", is_full=True)
    assert (report.incomplete_days, report.reread_days) == ((_DAY,), (_DAY,))
    assert rows(warehouse, "SELECT posthog_events, warehouse_events FROM event_days") == [(3, 4)]


def test_an_incremental_read_costs_only_what_is_new(sandbox, settings, warehouse):
    """A day read before is read from its watermark on."""
    sandbox.control.insert(views(50))
    load(settings, warehouse, [_DAY])
    new = event("property_view", "10:30:00", listing_id="L", created_at=NOW + timedelta(hours=2))
    sandbox.control.insert([new])
    sandbox.control.set_clock(NOW + timedelta(hours=3))
    report = load(settings, warehouse, [_DAY], run_id="run-2", now=NOW + timedelta(hours=3))
    assert (report.ingested.fetched, report.ingested.new, report.incomplete_days) == (1, 1, ())


def test_a_full_read_reads_all_and_changes_nothing(sandbox, settings, warehouse):
    """Forced to read whole days again, leadpipe finds every event known."""
    sandbox.control.insert(views(7))
    load(settings, warehouse, [_DAY])
    report = load(settings, warehouse, [_DAY], run_id="run-2", is_full=True)
    assert report.ingested == IngestResult(fetched=7, duplicate=7)


def test_the_first_plan_is_every_day_and_asks_nothing(sandbox, settings, warehouse):
    """Before the first load all days are due, and PostHog need not be asked which."""
    assert plan(settings, warehouse, first_day=date(2026, 11, 19)).reasons == {
        date(2026, 11, 19): "never read",
        date(2026, 11, 20): "never read",
        date(2026, 11, 21): "never read",
    }
    assert sandbox.control.requests() == []


def test_a_plan_is_the_days_with_new_events_and_today(sandbox, settings, warehouse):
    """Late events ten days back bring their day, and no other, into the plan."""
    first = TODAY - timedelta(days=20)
    days = [first + timedelta(days=n) for n in range(21)]
    sandbox.control.insert(views(3))
    plan(settings, warehouse, first_day=first)
    load(settings, warehouse, days)
    later = NOW + timedelta(hours=6)
    late = event(
        "lead_phone", NOW - timedelta(days=10), listing_id="L", created_at=NOW + timedelta(hours=1)
    )
    sandbox.control.insert([late])
    sandbox.control.set_clock(later)
    sandbox.control.clear_requests()
    found = plan(settings, warehouse, first_day=first, now=later)
    assert found.reasons == {TODAY - timedelta(days=10): "changed", TODAY: "today"}
    assert found.events_waiting == 1
    assert len(sandbox.control.requests()) == 2


def test_a_planned_day_stays_planned_until_it_is_read(sandbox, settings, warehouse):
    """If the run of a plan never happens, the next plan has its days again."""
    plan(settings, warehouse)
    load(settings, warehouse, [_DAY, TODAY])
    later = NOW + timedelta(hours=6)
    sandbox.control.insert(
        [event("lead_phone", "08:00:00", listing_id="L", created_at=NOW + timedelta(hours=1))]
    )
    sandbox.control.set_clock(later)
    plan(settings, warehouse, now=later)
    much_later = NOW + timedelta(hours=18)
    sandbox.control.set_clock(much_later)
    assert plan(settings, warehouse, now=much_later).reasons[_DAY] == "changed"


def test_a_dry_plan_is_not_remembered(sandbox, settings, warehouse):
    """Asking what would be done changes no table."""
    plan(settings, warehouse, is_dry=True)
    assert rows(warehouse, "SELECT count(*) FROM changed_days") == [(0,)]


def test_events_with_absurd_dates_are_kept_with_their_reason(sandbox, settings, warehouse):
    """What is dated before the first day or in the future is counted and kept, and stops nothing."""
    plan(settings, warehouse)
    load(settings, warehouse, [_DAY, TODAY])
    later = NOW + timedelta(hours=6)
    received = NOW + timedelta(hours=5, minutes=30)
    sandbox.control.insert(
        [
            event(
                "lead_phone",
                datetime(1999, 1, 1, tzinfo=UTC),
                listing_id="old",
                created_at=received,
            ),
            event(
                "lead_phone",
                datetime(2150, 1, 1, tzinfo=UTC),
                listing_id="new",
                created_at=received,
            ),
        ]
    )
    sandbox.control.set_clock(later)
    assert plan(settings, warehouse, now=later).outside == 2
    assert plan(settings, warehouse, now=later).outside == 2
    kept = rows(warehouse, "SELECT reason, content ->> 2 FROM rejected_events ORDER BY ALL")
    reason = "timestamp outside the days loaded, 2026-11-20 to today"
    assert kept == [(reason, "1999-01-01T00:00:00Z"), (reason, "2150-01-01T00:00:00Z")]
    assert stored(warehouse) == 0


def test_a_warehouse_refuses_a_second_project(sandbox, settings, warehouse):
    """Two projects in one warehouse would be mixed for good; the error says how to keep them apart."""
    load(settings, warehouse, [_DAY])
    with warehouse.connect() as connection:
        connection.execute("UPDATE sources SET project_id = '99'")
    with pytest.raises(
        ConfigurationError, match=r"holds project 99 of http://127.*LEADPIPE_DATA_DIR"
    ):
        load(settings, warehouse, [_DAY], run_id="run-2")


def test_a_refused_run_keeps_what_was_loaded(sandbox, settings, warehouse):
    """What was committed before the trouble stays, and the next run goes on from there."""
    sandbox.control.insert(views(3))
    load(settings, warehouse, [_DAY])
    sandbox.control.fault("missing_scope_403", times=-1, scope="query:read")
    with pytest.raises(ScopeMissing, match="query:read"):
        load(settings, warehouse, [_DAY, TODAY], run_id="run-2")
    sandbox.control.clear_faults()
    assert load(settings, warehouse, [_DAY, TODAY], run_id="run-3").incomplete_days == ()
    assert stored(warehouse) == 3


def test_half_an_emoji_is_replaced_and_the_event_kept(sandbox, settings, warehouse):
    """In whatever spelling PostHog stores it; whole pairs and the text \\ud83d stay."""
    given = [
        ("lead_phone", r'{"listing_id":"L","seeker_id":"ann","message":"see you \ud83d"}'),
        ("lead_phone", r'{"listing_id":"L","seeker_id":"bo\uD83D\udc00\uDC00","m":"\ud83d\ude00"}'),
        ("property_view", r'{"listing_id":"L\ud83d","platform":"web"}'),
        ("property_view", r'{"listing_id":"C:\\ud83d"}'),
        ("property_view", '{"listing_id":"🏠"}'),
    ]
    sandbox.control.insert(
        [
            {**event(name, f"10:00:0{number}"), "properties": properties}
            for number, (name, properties) in enumerate(given)
        ]
    )
    report = load(settings, warehouse, [_DAY])
    assert report.ingested.rejected == {}
    found = rows(
        warehouse, "SELECT listing_id, seeker_id, properties FROM raw_events ORDER BY timestamp"
    )
    assert [(listing, seeker) for listing, seeker, _ in found] == [
        ("L", "ann"),
        ("L", "bo\U0001f400\ufffd"),
        ("L\ufffd", "anonymous-1"),
        (r"C:\ud83d", "anonymous-1"),
        ("🏠", "anonymous-1"),
    ]
    assert [text for _, _, text in found][:2] == [
        '{"listing_id":"L","seeker_id":"ann","message":"see you \ufffd"}',
        '{"listing_id":"L","seeker_id":"bo\\uD83D\\udc00\ufffd","m":"\\ud83d\\ude00"}',
    ]
