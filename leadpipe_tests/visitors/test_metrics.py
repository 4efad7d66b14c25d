"""Weekly metrics: PostHog's exact count, what changed since, and weeks that are nobody's but a person's."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from pydantic import SecretStr

from leadpipe.connections import connect_posthog
from leadpipe.errors import KeyRejected
from leadpipe.events.connecting import event_mapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.settings import EventsSettings
from leadpipe.visitors.imports import import_weeks
from leadpipe.visitors.metrics import (
    VisitorSyncReport,
    WeekCounts,
    count_weeks,
    sync_visitors,
)
from leadpipe.visitors.weeks import week_of
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event, load, rows
from leadpipe_tests.events.mapping.builders import mapping_of

THIS_WEEK = date(2026, 11, 16)
LAST_WEEK = THIS_WEEK - timedelta(days=7)
EMPTY_WEEK = LAST_WEEK - timedelta(days=7)


def at(day, hour=12):
    """A moment of a day."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def pageviews(week, *people, day=0):
    """A pageview of each person in a week."""
    return [event("$pageview", at(week + timedelta(days=day)), distinct_id=who) for who in people]


def synced(settings, warehouse, *weeks, run_id="run-1"):
    """Sync weeks from the sandbox."""
    with connect_posthog(settings) as posthog:
        return sync_visitors(
            posthog,
            warehouse,
            weeks or (EMPTY_WEEK, LAST_WEEK, THIS_WEEK),
            run_id=run_id,
            mapping=event_mapping(settings),
            clock=lambda: NOW,
        )


def stored(warehouse):
    """The weeks, without the time of the update."""
    return rows(
        warehouse,
        "SELECT * EXCLUDE (updated_at, counted_at) FROM visitor_metrics ORDER BY week_start",
    )


def test_weeks_run_from_monday_to_sunday_in_utc(settings, sandbox, warehouse):
    """Sunday's last second and Monday's first belong to two weeks; a person counts once in each."""
    sunday = datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC)
    sandbox.control.insert(
        [
            event("$pageview", sunday, distinct_id="a"),
            event("$pageview", sunday + timedelta(seconds=1), distinct_id="a"),
            *pageviews(THIS_WEEK, "a", "b", "b"),
            event("user_signed_up", at(THIS_WEEK), distinct_id="b"),
            event("lead_phone", at(THIS_WEEK), distinct_id="c"),
        ]
    )
    report = synced(settings, warehouse)
    assert report == VisitorSyncReport(
        updated=(LAST_WEEK, THIS_WEEK), skipped=(EMPTY_WEEK,), failed={}
    )
    assert stored(warehouse) == [
        ("202646", LAST_WEEK, date(2026, 11, 15), 1, 1, 0, 0.0, "posthog"),
        ("202647", THIS_WEEK, date(2026, 11, 22), 2, 4, 1, 50.0, "posthog"),
    ]


def test_copies_of_a_uuid_count_once(settings, sandbox, warehouse):
    """Rows that PostHog has not merged yet are one pageview and one signup."""
    view, signup = pageviews(THIS_WEEK, "a")[0], event("user_signed_up", at(THIS_WEEK))
    sandbox.control.insert([view, view, signup, signup])
    synced(settings, warehouse)
    assert [row[3:6] for row in stored(warehouse)] == [(1, 1, 1)]


def test_one_question_for_all_weeks(settings, sandbox, warehouse):
    """However many weeks are asked, PostHog gets one query."""
    sandbox.control.insert(pageviews(THIS_WEEK, "a"))
    weeks = [THIS_WEEK - timedelta(days=7 * number) for number in range(53)]
    with connect_posthog(settings) as posthog:
        counts, failed = count_weeks(posthog, sorted(weeks), mapping=built_in())
        assert posthog.stats.snapshot().api_calls == 1
    assert (len(counts), failed, counts[THIS_WEEK]) == (53, {}, WeekCounts(1, 1, 0))


_FILTERED = """
[[events."Screen Viewed"]]
meaning = "view"
only_where = {screen = "listing", "from.0" = ["7", ""]}

[[events."Screen Viewed"]]
meaning = "pageview"
only_where = {screen = ["listing", "Ähre"], "from[0]" = ["7", "it's"]}

[[events."Screen Viewed"]]
meaning = "signup"
only_where = {"ok" = true}

[events.opened]
meaning = "pageview"
only_where = {screen = ""}

[events.user_signed_up]
meaning = "signup"
only_where = {"plan.name" = "beta"}
"""
_SCREENS = ("listing", " LISTING ", "ÄHRE", "Ähre", "other", "", None, 7, ["listing"])
_FROM: tuple[object, ...] = (
    [7],
    ["7"],
    [7.0],
    ["it's", 7],
    [],
    {"0": "7"},
    {"0": "it's"},
    "7",
    None,
    [[7]],
    [True],
)


@pytest.mark.parametrize("has_file_alone", [True, False])
def test_filters_count_in_posthog_what_they_count_in_the_warehouse(
    settings, sandbox, warehouse, tmp_path, has_file_alone
):
    """By name and filter, the first rule that fits; texts, numbers, lists, what is empty or missing."""
    mapping_of(settings.data_dir, _FILTERED)
    if not has_file_alone:
        settings = settings.model_copy(update={"signup_event": "lead_phone"})
    said = [
        event(
            "Screen Viewed",
            at(THIS_WEEK),
            distinct_id=f"p{number % 7}",
            properties=json.dumps({"screen": screen, "from": origin, "ok": number % 3 == 0}),
        )
        for number, (screen, origin) in enumerate(product(_SCREENS, _FROM))
    ]
    said += [event("opened", at(THIS_WEEK), properties=text) for text in ('{"screen":""}', "{}")]
    said += [
        event("user_signed_up", at(THIS_WEEK), plan={"name": name}) for name in ("Beta", "gold")
    ]
    said += [event("lead_phone", at(THIS_WEEK), listing_id="L1"), *pageviews(THIS_WEEK, "p8", "p1")]
    sandbox.control.insert(said)
    load(settings, warehouse, [THIS_WEEK], now=NOW)
    ((viewers, views, signups),) = rows(
        warehouse,
        "SELECT count(DISTINCT distinct_id) FILTER (meaning = 'pageview'), "
        "count(*) FILTER (meaning = 'pageview'), count(*) FILTER (meaning = 'signup') FROM raw_events",
    )
    assert (viewers, views, signups) == (8, 18, 25)
    with connect_posthog(settings) as posthog:
        counts, _ = count_weeks(
            posthog, [THIS_WEEK], mapping=event_mapping(settings.of(EventsSettings))
        )
    if not has_file_alone:  # the event of the setting is a lead as well
        signups += 1
    assert counts == {THIS_WEEK: WeekCounts(viewers, views, signups)}


def test_only_what_changed_is_updated_and_kept_as_history(settings, sandbox, warehouse):
    """A late event changes its past week alone; the change is kept with both numbers and its run."""
    sandbox.control.insert([*pageviews(LAST_WEEK, "a"), *pageviews(THIS_WEEK, "a")])
    synced(settings, warehouse)
    assert synced(settings, warehouse, run_id="run-2").updated == ()
    sandbox.control.insert(pageviews(LAST_WEEK, "late", day=6))
    assert synced(settings, warehouse, run_id="run-3").updated == (LAST_WEEK,)
    assert rows(
        warehouse,
        "SELECT week_start, visitors_before, visitors, pageviews_before, pageviews, run_id "
        "FROM visitor_metric_changes ORDER BY run_id, week_start",
    ) == [
        (LAST_WEEK, None, 1, None, 1, "run-1"),
        (THIS_WEEK, None, 1, None, 1, "run-1"),
        (LAST_WEEK, 1, 2, 1, 2, "run-3"),
    ]


def test_merged_persons_change_past_weeks(settings, sandbox, warehouse):
    """Two devices that PostHog finds to be one person are one visitor from the next sync on."""
    sandbox.control.insert(pageviews(LAST_WEEK, "phone", "laptop"))
    synced(settings, warehouse)
    sandbox.control.merge_persons("phone", "laptop")
    assert synced(settings, warehouse, run_id="run-2").updated == (LAST_WEEK,)
    assert [row[3:5] for row in stored(warehouse)] == [(1, 2)]


def test_a_week_counted_by_hand_is_never_overwritten(settings, sandbox, warehouse):
    """An imported week is skipped, also when PostHog counts it otherwise."""
    sandbox.control.insert(pageviews(LAST_WEEK, "a"))
    with warehouse.writing("visitors") as connection:
        import_weeks(connection, {LAST_WEEK: WeekCounts(90, None, 9)}, is_replacing=False, now=NOW)
    report = synced(settings, warehouse)
    assert (report.updated, LAST_WEEK in report.skipped) == ((), True)
    assert stored(warehouse) == [
        ("202646", LAST_WEEK, date(2026, 11, 15), 90, None, 9, 10.0, "manual")
    ]


def test_a_week_that_vanished_from_posthog_becomes_zero(settings, sandbox, warehouse):
    """When its events are deleted, a stored week says so; its rate is unknown, not zero."""
    sandbox.control.insert(pageviews(LAST_WEEK, "a"))
    synced(settings, warehouse)
    sandbox.control.reset()
    sandbox.control.set_clock(NOW)
    synced(settings, warehouse, run_id="run-2")
    assert [row[3:7] for row in stored(warehouse)] == [(0, 0, 0, None)]


def test_too_heavy_weeks_are_asked_in_halves(settings, sandbox, warehouse):
    """What PostHog cannot count at once is counted in parts, and comes out the same."""
    weeks = [THIS_WEEK - timedelta(days=7 * number) for number in range(8)]
    sandbox.control.insert([view for week in weeks for view in pageviews(week, "a", "b")])
    sandbox.control.fault("error_512", times=3)
    assert synced(settings, warehouse, *weeks).updated == tuple(sorted(weeks))
    assert {row[3] for row in stored(warehouse)} == {2}


def test_one_week_that_is_too_heavy_fails_alone(settings, sandbox, warehouse):
    """The others are stored; the sync is on record as failed, with the week and the reason."""
    sandbox.control.insert([*pageviews(LAST_WEEK, "a"), *pageviews(THIS_WEEK, "a")])
    sandbox.control.fault("error_512", times=2)
    report = synced(settings, warehouse, LAST_WEEK, THIS_WEEK)
    assert (report.updated, list(report.failed), report.total) == ((THIS_WEEK,), [LAST_WEEK], 2)
    ((status, updated, skipped, failed, total, error),) = rows(
        warehouse, "SELECT status, updated, skipped, failed, total, error FROM visitor_syncs"
    )
    assert (status, updated, skipped, failed, total) == ("failed", 1, 0, 1, 2)
    assert error.startswith("1 weeks failed; 9–15 Nov: ")


def test_a_sync_that_fails_is_on_record(settings, warehouse):
    """When PostHog refuses, nothing changes and `visitor_syncs` says why."""
    settings = settings.model_copy(update={"posthog_api_key": SecretStr("phx_wrong")})
    with pytest.raises(KeyRejected):
        synced(settings, warehouse)
    assert stored(warehouse) == []
    ((status, failed, total, error),) = rows(
        warehouse, "SELECT status, failed, total, error FROM visitor_syncs"
    )
    assert (status, failed, total) == ("failed", 3, 3)
    assert "phx_wrong" not in error


def test_weeks_are_those_of_iso_8601():
    """The first days of January may belong to the last week of the year before."""
    assert week_of(date(2027, 1, 3)) == date(2026, 12, 28)


@pytest.mark.parametrize("scopes", [("*",), ("query:read",)], ids=["told by the project", "seen"])
def test_a_week_before_the_retention_floor_is_never_lowered(settings, sandbox, warehouse, scopes):
    """Hidden wholly or partly, it stays as it was counted, and the sync says so; the weeks after it go on."""
    sandbox.control.insert(
        [
            *pageviews(EMPTY_WEEK, "a", "b"),
            *pageviews(LAST_WEEK, "a", "b", "c"),
            *pageviews(LAST_WEEK, "d", day=5),
            *pageviews(THIS_WEEK, "a"),
        ]
    )
    synced(settings, warehouse)
    before = stored(warehouse)
    sandbox.control.scopes(*scopes)
    sandbox.control.set_retention(floor=at(LAST_WEEK + timedelta(days=3)))
    sandbox.control.insert(pageviews(THIS_WEEK, "new"))
    report = synced(settings, warehouse, run_id="run-2")
    assert (report.updated, report.frozen, report.total) == (
        (THIS_WEEK,),
        (EMPTY_WEEK, LAST_WEEK),
        3,
    )
    assert stored(warehouse)[:2] == before[:2]
    assert rows(
        warehouse,
        "SELECT updated, skipped, frozen, total FROM visitor_syncs WHERE run_id = 'run-2'",
    ) == [(1, 2, 2, 3)]


def test_weeks_before_the_plans_months_are_not_asked_for(settings, sandbox, warehouse):
    """The floor falls in last week: it and the ones before keep their numbers, the day's events or not."""
    weeks = [THIS_WEEK - timedelta(days=7 * number) for number in range(7)]
    sandbox.control.insert([view for week in weeks for view in pageviews(week, "a", "b", day=4)])
    synced(settings, warehouse, *weeks)
    before = stored(warehouse)
    sandbox.control.set_retention(1)
    report = synced(settings, warehouse, *weeks, run_id="run-2")
    assert report.frozen == (weeks[6], weeks[5], weeks[4])
    sandbox.control.insert(pageviews(weeks[4], "hidden", day=6))
    report = synced(settings, warehouse, *weeks, run_id="run-3")
    assert (report.updated, report.frozen) == ((), (weeks[6], weeks[5], weeks[4]))
    assert stored(warehouse) == before


def test_one_week_alone_is_not_lowered_unless_earlier_ones_are_shown(settings, sandbox, warehouse):
    """`--week` asks for the weeks before it too, before it believes that events were deleted."""
    sandbox.control.insert(
        [view for week in (EMPTY_WEEK, LAST_WEEK) for view in pageviews(week, "a", "b")]
    )
    synced(settings, warehouse)
    sandbox.control.reset()
    sandbox.control.scopes("query:read")
    sandbox.control.insert(pageviews(LAST_WEEK, "a"))
    assert synced(settings, warehouse, LAST_WEEK, run_id="run-2").frozen == (LAST_WEEK,)
    sandbox.control.insert(pageviews(EMPTY_WEEK, "a", "b"))
    assert synced(settings, warehouse, LAST_WEEK, run_id="run-3").updated == (LAST_WEEK,)
