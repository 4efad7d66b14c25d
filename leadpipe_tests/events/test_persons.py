"""Whose an event is: merges change the past, exactly as in PostHog, at the cost of the days they touch."""

from datetime import timedelta
from itertools import permutations

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.persons import PersonRank, assign
from leadpipe.events.planning import plan_sync
from leadpipe.warehouse import transaction
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, load, rows, take_in

_OLD = TODAY - timedelta(days=60)
_DAY = TODAY - timedelta(days=2)
_LATER = NOW + timedelta(hours=6)


def view(day, who, hour=10):
    """A view of the one listing by a distinct id."""
    at = NOW.replace(hour=hour) - (TODAY - day)
    return event("property_view", at, listing_id="L", distinct_id=who)


@pytest.fixture
def sync(sandbox, settings, warehouse):
    """Syncs as the schedule does; the plan and the report."""

    def synced(now=_LATER, run_id="later"):
        sandbox.control.set_clock(now)
        with connect_posthog(settings) as posthog:
            plan = plan_sync(
                posthog, warehouse, config=sync_config(settings), first_day=_OLD, now=now
            )
        return plan, load(settings, warehouse, plan.days, run_id=run_id, now=now)

    return synced


def unique_views(warehouse):
    """Distinct viewers of the one listing over all time."""
    build_marts(warehouse)
    return rows(warehouse, "SELECT unique_views FROM listings")[0][0]


def versions(warehouse):
    """How often each day has changed."""
    return dict(rows(warehouse, "SELECT event_date, version FROM event_days WHERE version > 0"))


def test_in_any_order_the_source_that_knows_best_is_right(warehouse, tmp_path):
    """All 720 interleavings of webhook, export, persons export, query, merge and what PostHog says of it."""
    kinds = ("webhook", "export", "persons", "query", "merge", "follow")
    orders = list(permutations(kinds))
    for step in range(len(kinds)):
        for kind in kinds:
            batch = [
                event(
                    "property_view",
                    "10:00:00",
                    uuid=f"00000000-0000-4000-8000-{number:012d}",
                    distinct_id=f"device-{number}",
                    listing_id="L",
                    person_id=_answer(kind, order[:step]),
                    created_at=None if kind == "webhook" else NOW - timedelta(hours=1),
                )
                for number, order in enumerate(orders)
                if order[step] == kind
            ]
            if kind == "follow":
                with warehouse.connect() as connection, transaction(connection):
                    assign(
                        connection,
                        [
                            (row["distinct_id"], row["person_id"])
                            for row in batch
                            if row["person_id"] == "merged"
                        ],
                    )
            elif kind != "merge":
                rank = {
                    "persons": PersonRank.EXPORT,
                    "query": PersonRank.QUERY,
                }.get(kind, PersonRank.INGESTION)
                take_in(warehouse, tmp_path, batch, run_id=f"{step}-{kind}", rank=rank)
    stored = dict(rows(warehouse, "SELECT distinct_id, person_id FROM raw_events"))
    wanted = {f"device-{number}": _wanted(order) for number, order in enumerate(orders)}
    assert {
        (orders[int(who.removeprefix("device-"))], stored[who], person)
        for who, person in wanted.items()
        if stored[who] != person
    } == set()


def _answer(kind, before):
    """What a source says at that point: PostHog's queries know of a merge, other sources do not."""
    if kind in {"query", "follow"}:
        return "merged" if "merge" in before else "asked"
    return {"persons": "exported"}.get(kind, "ingested")


def _wanted(order):
    """The last word of a query counts, where there was none the export of persons, then the rest."""
    merge = order.index("merge")
    if order.index("follow") > merge or order.index("query") > merge:
        return "merged"
    return "asked"


def test_a_merge_changes_past_unique_counts(sandbox, sync, warehouse):
    """Two devices that turn out to be one person are one viewer from the next sync on, also long ago."""
    sandbox.control.insert([view(_OLD, "phone"), view(_DAY, "phone", 11), view(_DAY, "desk")])
    sync(NOW, "first")
    assert unique_views(warehouse) == 2
    before = versions(warehouse)
    sandbox.control.merge_persons("desk", "phone")
    plan, report = sync()
    assert unique_views(warehouse) == 1
    assert (plan.reasons, report.ingested.fetched) == ({TODAY: "today"}, 0)
    after = versions(warehouse)
    assert {day for day in after if after[day] != before[day]} == {_OLD, _DAY}


def test_a_sync_without_merges_asks_nothing_more(sandbox, sync):
    """Who was merged is asked only where a day's persons differ: three queries a sync otherwise."""
    sandbox.control.insert([view(_DAY, "phone"), view(_DAY, "desk")])
    sync(NOW, "first")
    sandbox.control.clear_requests()
    sync()
    assert [request["name"] for request in sandbox.control.requests()] == [
        "leadpipe: changed days",
        f"leadpipe: fingerprints from {TODAY - timedelta(days=35)}",
        f"leadpipe: fingerprints from {TODAY}",
    ]


def test_merges_of_today_are_followed_without_reading_today_again(sandbox, sync, warehouse):
    """People sign up all day long: their earlier events get the new person by one query for all."""
    sandbox.control.insert([view(TODAY, "phone", 9), view(TODAY, "desk", 8)])
    sync(NOW, "first")
    sandbox.control.merge_persons("desk", "phone")
    _, report = sync()
    assert (report.reread_days, report.incomplete_days) == ((), ())
    assert unique_views(warehouse) == 1


def test_merges_that_posthog_cannot_list_are_read_day_by_day(sandbox, sync, warehouse):
    """A list of merges too heavy for PostHog costs the hours that differ, and no person is wrong."""
    sandbox.control.insert([view(_DAY, "phone", 11), view(_DAY, "desk")])
    sync(NOW, "first")
    sandbox.control.merge_persons("desk", "phone")
    sandbox.control.fault("timeout_504", times=-1, match="merged persons")
    plan, report = sync()
    assert (plan.reasons, report.reread_days) == ({_DAY: "differs", TODAY: "today"}, (_DAY,))
    assert unique_views(warehouse) == 1


def test_an_audit_follows_merges_of_long_ago(sandbox, settings, sync, warehouse):
    """People whose events are all older than 35 days are found by the nightly audit."""
    sandbox.control.insert([view(_OLD, "phone", 11), view(_OLD, "desk")])
    sync(NOW, "first")
    sandbox.control.merge_persons("desk", "phone")
    sync()
    assert unique_views(warehouse) == 2
    with connect_posthog(settings) as posthog:
        report = audit_days(
            posthog, warehouse, config=sync_config(settings), first_day=_OLD, now=_LATER
        )
    assert report.differing == ()
    assert unique_views(warehouse) == 1


def test_a_correction_that_shows_late_is_taken(sandbox, sync, warehouse):
    """The same uuid sent again, visible only after its hour of overlap: the proof sees another copy."""
    wrong = event("property_view", NOW - timedelta(days=2), listing_id="wrong")
    sandbox.control.insert([wrong])
    sync(NOW, "first")
    right = {
        **wrong,
        "properties": {"listing_id": "right"},
        "created_at": NOW - timedelta(hours=3),
        "visible_at": NOW + timedelta(hours=5),
    }
    sandbox.control.insert([right])
    plan, report = sync()
    assert plan.reasons == {_DAY: "differs", TODAY: "today"}
    assert (report.reread_days, report.incomplete_days) == ((_DAY,), ())
    assert rows(warehouse, "SELECT listing_id FROM raw_events") == [("right",)]


def test_a_copy_on_another_day_is_proved_too(sandbox, sync, warehouse):
    """A correction of the time leaves PostHog a row on each day; both days are proved, a merge later too."""
    first = view(_DAY, "phone")
    moved = {
        **first,
        "timestamp": first["timestamp"] + timedelta(days=1),
        "created_at": NOW - timedelta(hours=1),
    }
    sandbox.control.insert([first, moved, view(_DAY, "desk")])
    _, report = sync(NOW, "first")
    assert report.incomplete_days == ()
    sandbox.control.merge_persons("desk", "phone")
    _, report = sync()
    assert report.incomplete_days == ()
    assert rows(warehouse, "SELECT count(*), count(DISTINCT person_id) FROM raw_events") == [(2, 1)]
