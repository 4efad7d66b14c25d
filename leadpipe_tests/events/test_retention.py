"""What PostHog hides by age stays here as it is; what was deleted is followed as soon as it can be told."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.planning import plan_sync
from leadpipe.events.retention import Floor, months_before
from leadpipe.events.verdicts import facts_of_days, names_read, verdict_of
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, load, rows

_OLDEST = TODAY - timedelta(days=30)
_LATER = NOW + timedelta(hours=6)
_UUID = "00000000-0000-4000-8000-{:012d}"
_ONLY_QUERIES = ("query:read",)


def at(day, hour):
    """A moment of a day."""
    return datetime.combine(day, time(hour), UTC)


def lead(number, day=_OLDEST, hour=None):
    """A lead of a person of its own, received at once."""
    when = at(day, 10 + number if hour is None else hour)
    return event(
        "lead_phone",
        when,
        uuid=_UUID.format(number),
        listing_id="L",
        seeker_id=f"person-{number}",
        created_at=when,
    )


# Ten leads on the oldest day from 10 to 19 o'clock, three on the day after, one yesterday.
_LEADS = [
    *(lead(number) for number in range(10)),
    *(lead(number, _OLDEST + timedelta(days=1), number) for number in range(10, 13)),
    lead(20, TODAY - timedelta(days=1), 9),
]


@pytest.fixture
def sync(sandbox, settings, warehouse):
    """Syncs as the schedule does."""

    def synced(now=_LATER, run_id="later", first_day=_OLDEST):
        sandbox.control.set_clock(now)
        with connect_posthog(settings) as posthog:
            plan = plan_sync(
                posthog, warehouse, config=sync_config(settings), first_day=first_day, now=now
            )
        return plan, load(settings, warehouse, plan.days, run_id=run_id, now=now)

    return synced


@pytest.fixture
def loaded(sandbox, sync, warehouse):
    """The leads, loaded and built."""
    sandbox.control.insert(_LEADS)
    sync(NOW, "first")
    build_marts(warehouse)


def erase(sandbox, *numbers):
    """PostHog loses leads; what it may say and hide stays as it was set afterwards."""
    sandbox.control.reset()
    gone = {_UUID.format(number) for number in numbers}
    sandbox.control.insert([one for one in _LEADS if one["uuid"] not in gone])


def kept(warehouse):
    """The oldest day: its events, the proof, what went, and the version that rises with each change."""
    return (
        rows(warehouse, f"SELECT count(*) FROM raw_events WHERE event_date = '{_OLDEST}'"),
        rows(
            warehouse,
            "SELECT posthog_events, warehouse_events, differs_since, checked_at, version "
            f"FROM event_days WHERE event_date = '{_OLDEST}'",
        ),
        rows(warehouse, "SELECT count(*) FROM gone_events"),
        rows(warehouse, "SELECT count(*) FROM leads"),
    )


_AS_LOADED = ([(10,)], [(10, 10, None, NOW, 1)], [(0,)], [(14,)])


def verdicts(warehouse, *days, now=_LATER):
    """The verdict of each day, as everything shows it."""
    with warehouse.connect() as connection:
        names = names_read(connection)
        return [
            str(verdict_of(facts, names=names))
            for facts in facts_of_days(connection, now=now, days=days)
        ]


@pytest.mark.parametrize("scopes", [("*",), _ONLY_QUERIES], ids=["told by the project", "seen"])
@pytest.mark.parametrize("hour", [13, 17, 20], ids=["30 %", "70 %", "all"])
def test_retention_of_a_part_of_the_oldest_day_takes_nothing(
    sandbox, loaded, sync, warehouse, scopes, hour
):
    """Events, proof and marts stay, however small the part, now and at every later sync."""
    sandbox.control.scopes(*scopes)
    sandbox.control.set_retention(floor=at(_OLDEST, hour) - timedelta(minutes=1))
    _, report = sync()
    assert (report.removed, report.incomplete_days, _OLDEST in report.days) == ({}, (), False)
    build_marts(warehouse)
    assert kept(warehouse) == _AS_LOADED
    assert verdicts(warehouse, _OLDEST)[0].startswith("frozen by retention: ")
    plan, report = sync(_LATER + timedelta(hours=6), "third")
    assert (plan.days, report.removed) == ((TODAY + timedelta(days=1),), {})
    assert kept(warehouse) == _AS_LOADED


def test_a_floor_that_the_project_tells_freezes_whole_days(sandbox, loaded, sync, warehouse):
    """So many months before now, the day it falls on included; those after it are compared as ever."""
    sandbox.control.set_retention(1)
    moved = datetime(2026, 11, 22, 13, 30, tzinfo=UTC)  # the floor: 13:30 on the oldest day
    _, report = sync(moved)
    assert report.removed == {}
    assert kept(warehouse) == _AS_LOADED
    days = [_OLDEST + timedelta(days=n) for n in (0, 1)]
    frozen = "frozen by retention: kept as it was proved on 2026-11-21"
    assert verdicts(warehouse, *days, now=moved) == [frozen, "proved"]
    assert rows(warehouse, "SELECT months, is_enforced, timezone FROM posthog_retention") == [
        (1, True, "UTC")
    ]


def test_a_floor_is_remembered_and_asked_for_once_a_day(sandbox, loaded, sync, warehouse):
    """A sync with nothing new costs as many queries as before, and the project is asked a day later again."""
    sandbox.control.set_retention(1)
    sync(NOW + timedelta(days=1), "second")

    def asked(now):
        sandbox.control.clear_requests()
        sync(now, f"at {now}")
        paths = [request["path"] for request in sandbox.control.requests()]
        return sum(path.endswith("/query/") for path in paths), len(paths)

    assert asked(NOW + timedelta(days=1, hours=6)) == (3, 3)
    assert asked(NOW + timedelta(days=2, hours=1)) == (3, 4)


def test_a_key_that_may_not_read_the_project_is_not_asked_again(sandbox, loaded, sync, warehouse):
    """The 403 is remembered for a day."""
    sandbox.control.scopes(*_ONLY_QUERIES)
    sandbox.control.set_retention(floor=at(_OLDEST, 13))
    sync()
    sync(_LATER + timedelta(hours=6), "third")
    asked = [r for r in sandbox.control.requests() if not r["path"].endswith("/query/")]
    assert [request["status"] for request in asked] == [403]
    [(problem,)] = rows(warehouse, "SELECT problem FROM posthog_retention")
    assert "project:read" in problem


def test_an_erasure_on_the_oldest_day_is_followed_if_the_project_hides_nothing(
    sandbox, loaded, sync, warehouse
):
    """The project says that nothing is hidden, so the oldest event of all was deleted."""
    erase(sandbox, 0, 1)
    _, report = sync()
    assert report.removed == {_OLDEST: 2}
    assert verdicts(warehouse, _OLDEST) == ["proved"]


def test_an_erasure_after_what_is_still_shown_is_followed(sandbox, loaded, sync, warehouse):
    """Retention takes the oldest first: what is younger than an event that is shown was deleted."""
    erase(sandbox, 4)
    sandbox.control.scopes(*_ONLY_QUERIES)
    _, report = sync()
    assert report.removed == {_OLDEST: 1}


def test_an_erasure_in_the_middle_of_history_is_followed(sandbox, loaded, sync, warehouse):
    """The first event of a day, where PostHog shows the days before: it was deleted."""
    erase(sandbox, 10)
    sandbox.control.scopes(*_ONLY_QUERIES)
    _, report = sync()
    assert report.removed == {_OLDEST + timedelta(days=1): 1}


def test_what_cannot_be_told_is_kept_and_said(sandbox, loaded, sync, warehouse):
    """The oldest person of all, and a key that may not ask the project: it may be retention."""
    erase(sandbox, 0, 4)
    sandbox.control.scopes(*_ONLY_QUERIES)
    _, report = sync()
    assert report.removed == {_OLDEST: 1}
    assert rows(warehouse, "SELECT uuid::VARCHAR FROM gone_events") == [(_UUID.format(4),)]
    assert verdicts(warehouse, _OLDEST)[0] == (
        "frozen by retention: 1 events are gone in PostHog, by its retention or deleted; they are kept, as "
        "a key without project:read cannot tell"
    )


def test_what_could_not_be_told_is_followed_when_the_project_says_so(
    sandbox, loaded, sync, warehouse
):
    """The key got its scope: what vanished was deleted, and goes with the next sync."""
    erase(sandbox, 0)
    sandbox.control.scopes(*_ONLY_QUERIES)
    sync()
    sandbox.control.scopes("*")
    settled = NOW + timedelta(days=2)
    _, report = sync(settled, "third")
    assert report.removed == {}
    erase(sandbox, 0, 11)  # a reason to ask
    _, report = sync(settled + timedelta(hours=6), "fourth")
    _, report = sync(settled + timedelta(hours=12), "fifth")
    assert rows(warehouse, "SELECT uuid::VARCHAR FROM gone_events ORDER BY uuid") == [
        (_UUID.format(0),),
        (_UUID.format(11),),
    ]


def test_a_floor_that_should_have_moved_tells_a_deletion(
    sandbox, loaded, sync, settings, warehouse
):
    """After 35 days PostHog still shows what a moving floor would have hidden: it was no retention."""
    erase(sandbox, 0)
    sandbox.control.scopes(*_ONLY_QUERIES)
    sync()
    for days, told in ((30, 0), (40, 1)):
        then = NOW + timedelta(days=days)
        sandbox.control.set_clock(then)
        with connect_posthog(settings) as posthog:
            audit_days(
                posthog, warehouse, config=sync_config(settings), first_day=_OLDEST, now=then
            )
        sync(then, f"after {days} days")
        assert rows(warehouse, "SELECT count(*) FROM gone_events") == [(told,)]
    assert verdicts(warehouse, _OLDEST, now=then) == ["proved"]


def test_a_person_may_say_that_it_was_deleted(sandbox, loaded, sync, warehouse):
    """`leadpipe days accept` opens a day that cannot be told."""
    erase(sandbox, 0)
    sandbox.control.scopes(*_ONLY_QUERIES)
    sync()
    with warehouse.connect() as connection:
        connection.execute("INSERT INTO accepted_days VALUES (?, 'ama', ?)", [_OLDEST, _LATER])
    _, report = sync(_LATER + timedelta(hours=6), "third")
    assert report.removed == {_OLDEST: 1}
    assert rows(warehouse, "SELECT count(*) FROM hidden_days") == [(0,)]


def test_a_plan_that_keeps_more_thaws_its_days(sandbox, loaded, sync, warehouse):
    """After an upgrade PostHog shows the days again, and they are compared again."""
    sandbox.control.set_retention(1)
    sync(NOW + timedelta(days=1), "second")
    sandbox.control.set_retention(84)
    later = NOW + timedelta(days=2, hours=1)
    sync(later, "third")
    sync(later + timedelta(hours=1), "fourth")
    assert verdicts(warehouse, _OLDEST, now=later) == ["proved"]
    assert rows(warehouse, f"SELECT checked_at FROM event_days WHERE event_date = '{_OLDEST}'") == [
        (later + timedelta(hours=1),)
    ]


def test_an_audit_freezes_what_is_hidden_too(sandbox, settings, warehouse):
    """Days that no sync compares any more: no proof is lowered at night, and nothing is planned for them."""
    old = TODAY - timedelta(days=50)
    days = [old + timedelta(days=n) for n in range(51)]
    sandbox.control.insert([lead(n, old + timedelta(days=n), 12) for n in range(5)])
    load(settings, warehouse, days)
    before = rows(warehouse, "SELECT * FROM event_days ORDER BY event_date")[:15]
    config = sync_config(settings)
    sandbox.control.set_retention(floor=at(old + timedelta(days=2), 0))
    sandbox.control.scopes(*_ONLY_QUERIES)
    sandbox.control.set_clock(_LATER)
    with connect_posthog(settings) as posthog:
        audit_days(posthog, warehouse, config=config, first_day=old, now=_LATER)
        plan = plan_sync(posthog, warehouse, config=config, first_day=old, now=_LATER)
    assert plan.reasons == {old: "differs", old + timedelta(days=1): "differs", TODAY: "today"}
    assert load(settings, warehouse, plan.days, run_id="later", now=_LATER).removed == {}
    assert rows(warehouse, "SELECT * FROM event_days ORDER BY event_date")[:2] == before[:2]
    with connect_posthog(settings) as posthog:
        plan = plan_sync(posthog, warehouse, config=config, first_day=old, now=_LATER)
    assert plan.reasons == {TODAY: "today"}


def test_a_first_load_from_before_the_floor(sandbox, sync, warehouse):
    """Days that PostHog no longer shows are asked for once, said to be so, and not red for ever."""
    sandbox.control.insert(_LEADS)
    sandbox.control.set_retention(1)
    first_day = _OLDEST - timedelta(days=5)
    plan, report = sync(NOW, "first", first_day)
    assert (len(plan.days), report.incomplete_days) == (36, ())
    plan, _ = sync(_LATER, "second", first_day)
    assert plan.days == (TODAY,)
    never = "frozen by retention: PostHog no longer shows it, and it was never read"
    days = (first_day, _OLDEST - timedelta(days=1), _OLDEST)
    assert verdicts(warehouse, *days) == [never, never, "proved"]


def test_another_project_is_no_retention(sandbox, loaded, sync, warehouse):
    """A PostHog that shows nothing at all is red, and nothing goes."""
    sandbox.control.reset()
    sandbox.control.scopes(*_ONLY_QUERIES)
    _, report = sync()
    assert report.removed == {}
    assert verdicts(warehouse, _OLDEST) == ["differs: 10 surplus here, gone in PostHog"]


def test_counts_and_pages_of_two_replicas_lower_nothing(sandbox, loaded, sync, warehouse):
    """PostHog counts an event that it does not send: the day says so, and the next sync has it."""
    late = {
        **lead(13),
        "created_at": NOW + timedelta(hours=1),
        "visible_at": NOW + timedelta(hours=2),
    }
    sandbox.control.insert([late])
    sandbox.control.lagging_replica(5 * 3600, match="events from")
    _, report = sync()
    assert (report.removed, report.unsent) == ({}, {_OLDEST: 1})
    assert verdicts(warehouse, _OLDEST) == ["differs: 1 missing here"]
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(14,)]
    _, report = sync(NOW + timedelta(hours=12), "third")
    assert (report.ingested.new, report.unsent) == (1, {})
    assert verdicts(warehouse, _OLDEST) == ["proved"]


def test_pages_of_a_replica_that_is_behind_take_nothing_away(sandbox, loaded, sync, warehouse):
    """The counts say that nothing is gone, so what the pages lack is not gone."""
    received = NOW + timedelta(hours=1)
    late = {**lead(21, _OLDEST, 20), "created_at": received, "visible_at": received}
    sandbox.control.insert([late])
    sandbox.control.lagging_replica(40 * 86_400, match="events from")
    _, report = sync()
    assert (report.removed, report.unsent) == ({}, {_OLDEST: 1})
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(14,)]


@pytest.mark.parametrize(
    ("moment", "months", "zone", "expected"),
    [
        ("2026-11-21T12:00:00Z", 12, "UTC", "2025-11-21T12:00:00Z"),
        ("2028-02-29T12:00:00Z", 12, "UTC", "2027-02-28T12:00:00Z"),
        ("2026-12-31T23:30:00Z", 1, "Asia/Tokyo", "2026-11-30T23:30:00Z"),
        ("2026-03-31T12:00:00Z", 1, "UTC", "2026-02-28T12:00:00Z"),
        ("2026-11-21T12:00:00Z", 84, "Nowhere/Atlantis", "2019-11-21T12:00:00Z"),
    ],
)
def test_months_are_counted_as_posthog_counts_them(moment, months, zone, expected):
    """By the calendar of the project's zone, ending with a shorter month."""
    found = months_before(datetime.fromisoformat(moment), months, zone)
    assert found == datetime.fromisoformat(expected)


def test_a_day_is_frozen_when_a_part_of_it_may_be_hidden():
    """The day of the floor is, and the next one within an hour of it."""
    day = date(2026, 11, 20)
    floor = Floor(moment=datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert [floor.freezes(day + timedelta(days=n)) for n in (-1, 0, 1)] == [True, True, False]
    assert floor.frozen_before == date(2026, 11, 21)
    late = Floor(moment=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    assert (late.freezes(date(2026, 11, 21)), late.frozen_before) == (True, date(2026, 11, 22))
