"""What is gone in PostHog goes here, unless an answer is not to be believed or a person has to decide."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from leadpipe.cli import main
from leadpipe.connections import connect_posthog
from leadpipe.events.auditing import AuditReport, audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.days import DayState
from leadpipe.events.deletions import follow
from leadpipe.events.planning import plan_sync
from leadpipe.events.proof import Fingerprint
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, load, rows

_DAY = TODAY - timedelta(days=1)
_LATER = NOW + timedelta(hours=6)
_UUID = "00000000-0000-4000-8000-{:012d}"


def lead(number: int, at: str | None = None):
    """A lead of a person of its own."""
    return event(
        "lead_phone",
        at or f"{10 + number}:00:00",
        uuid=_UUID.format(number),
        listing_id="L",
        seeker_id=f"person-{number}",
        email=f"person-{number}@example.org",
    )


@pytest.fixture
def sync(sandbox, settings, warehouse):
    """Syncs as the schedule does, six hours after `loaded`."""

    def synced(now=_LATER, run_id="later"):
        sandbox.control.set_clock(now)
        with connect_posthog(settings) as posthog:
            plan = plan_sync(
                posthog, warehouse, config=sync_config(settings), first_day=_DAY, now=now
            )
        return plan, load(settings, warehouse, plan.days, run_id=run_id, now=now)

    return synced


@pytest.fixture
def loaded(sandbox, sync, warehouse):
    """Five leads of a day that has ended, loaded and built."""
    sandbox.control.insert([lead(n) for n in range(5)])
    sync(NOW, "first")
    build_marts(warehouse)


def verdict(warehouse):
    """PostHog's count of the day, ours, and whether both are the same events."""
    return rows(
        warehouse,
        "SELECT posthog_events, warehouse_events, posthog_checksum = warehouse_checksum, "
        f"differs_since IS NULL FROM event_days WHERE event_date = '{_DAY}'",
    )[0]


def forget(sandbox, *numbers):
    """PostHog loses leads: what is left is all it has."""
    sandbox.control.reset()
    sandbox.control.insert([lead(n) for n in range(5) if n not in numbers])


def test_an_erasure_there_is_one_here(sandbox, loaded, sync, warehouse):
    """The event goes with its properties, the marts follow, and that it was there is known."""
    forget(sandbox, 3)
    plan, report = sync()
    build_marts(warehouse)
    assert plan.reasons == {_DAY: "differs", TODAY: "today"}
    assert report.removed == {_DAY: 1}
    assert verdict(warehouse) == (4, 4, True, True)
    assert rows(warehouse, "SELECT uuid::VARCHAR, event, event_date, run_id FROM gone_events") == [
        (_UUID.format(3), "lead_phone", _DAY, "later")
    ]
    seekers = rows(warehouse, "SELECT seeker_id FROM leads ORDER BY seeker_id")
    assert seekers == [(f"person-{n}",) for n in (0, 1, 2, 4)]
    everything = [
        rows(warehouse, f"SELECT * FROM {table}") for (table,) in rows(warehouse, "SHOW TABLES")
    ]
    assert "person-3" not in str(everything)


def test_an_erasure_leaves_no_distinct_id_behind(sandbox, sync, warehouse):
    """What was remembered of a person's merges and shared uuids goes with the last of their events."""
    twins = [
        {**lead(3), "distinct_id": "person-3@phone"},
        {**lead(3), "distinct_id": "person-3@desk", "created_at": NOW - timedelta(hours=1)},
    ]
    sandbox.control.insert([*twins, lead(0), lead(1)])
    sandbox.control.merge_persons("anonymous-1", "person-3@phone")
    sandbox.control.merge_persons("anonymous-1", "person-3@desk")
    sync(NOW, "first")
    sandbox.control.merge_persons("somebody", "anonymous-1")
    sync(NOW + timedelta(hours=3), "second")
    tables = [name for (name,) in rows(warehouse, "SHOW TABLES")]
    remembered = {name for name in tables if "person-3@" in str(rows(warehouse, f"FROM {name}"))}
    assert remembered == {"raw_events", "person_overrides", "shared_uuids"}
    forget(sandbox, 3)
    sync(NOW + timedelta(hours=6), "third")
    assert [name for name in tables if "person-3@" in str(rows(warehouse, f"FROM {name}"))] == []


def test_one_gone_and_one_late_are_both_seen(sandbox, loaded, sync, warehouse):
    """Equal numbers deceive nobody: the late event comes, the deleted one goes."""
    forget(sandbox, 3)
    sandbox.control.insert([{**lead(7), "created_at": NOW + timedelta(hours=1)}])
    sync()
    found = rows(warehouse, "SELECT seeker_id FROM raw_events ORDER BY seeker_id")
    assert found == [(f"person-{n}",) for n in (0, 1, 2, 4, 7)]
    assert verdict(warehouse) == (5, 5, True, True)


@pytest.mark.parametrize("gone", [(0, 1, 2), (0, 1, 2, 3, 4)], ids=["most", "all"])
def test_a_large_part_of_a_day_waits_for_a_person(
    sandbox, loaded, sync, warehouse, settings, monkeypatch, gone
):
    """A restricted key or a wrong project takes nothing away; `leadpipe days accept` decides."""
    forget(sandbox, *gone)
    _, report = sync()
    assert report.removed == {}
    assert verdict(warehouse) == (5 - len(gone), 5, False, False)
    monkeypatch.setenv("LEADPIPE_DATA_DIR", str(settings.data_dir))
    told = CliRunner().invoke(main, ["days", "accept", str(_DAY), "--author", "ama"])
    assert told.output == f"Accepted {_DAY}; the next sync follows PostHog there.\n"
    _, report = sync(_LATER + timedelta(hours=6), "third")
    assert report.removed == {_DAY: len(gone)}
    assert verdict(warehouse) == (5 - len(gone), 5 - len(gone), True, True)
    assert rows(warehouse, "SELECT * FROM accepted_days") == []


def test_an_answer_that_lacks_rows_takes_nothing_away(loaded, warehouse):
    """Pages of a replica that is behind: without those events the day would not be PostHog's either."""
    [(checksum,)] = rows(
        warehouse, f"SELECT warehouse_checksum FROM event_days WHERE event_date = '{_DAY}'"
    )
    state = DayState(NOW, Fingerprint(5, checksum ^ 1), Fingerprint(5, checksum))
    with warehouse.writing("door") as connection:
        removed = follow(
            connection, {_DAY: [_UUID.format(1)]}, {_DAY: state}, run_id="x", most_gone=1.0, now=NOW
        )
    assert removed == {}
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(5,)]


def test_what_comes_back_is_an_event_again(sandbox, loaded, sync, warehouse):
    """It was never gone, or was sent again: it counts, and is no longer listed as gone."""
    forget(sandbox, 3)
    sync()
    forget(sandbox)
    sync(_LATER + timedelta(hours=6), "third")
    assert verdict(warehouse) == (5, 5, True, True)
    assert rows(warehouse, "SELECT count(*) FROM gone_events") == [(0,)]


def test_a_copy_that_posthog_lost_is_forgotten(sandbox, sync, warehouse):
    """Of two events under one uuid, on two days, one is erased: both days are PostHog's again."""
    ann = {**lead(0), "distinct_id": "ann"}
    ben = {**lead(0), "distinct_id": "ben", "timestamp": NOW - timedelta(hours=2)}
    sandbox.control.insert([ann, {**ben, "created_at": NOW - timedelta(hours=1)}])
    sync(NOW, "first")
    assert verdict(warehouse) == (1, 1, True, True)
    sandbox.control.delete_events(distinct_id="ann")
    _, report = sync()
    assert (report.incomplete_days, report.removed) == ((), {})
    assert verdict(warehouse) == (0, 0, True, True)
    assert rows(warehouse, "SELECT distinct_id FROM raw_events") == [("ben",)]
    assert rows(warehouse, "SELECT * FROM event_copies") == []


def test_an_event_and_a_copy_of_another_day_go_together(sandbox, sync, warehouse, settings):
    """An event is erased, and with it the copy that PostHog had there of an event that was dated anew."""
    moved = {
        **lead(0),
        "timestamp": lead(0)["timestamp"] + timedelta(days=1),
        "created_at": NOW - timedelta(hours=1),
    }
    sandbox.control.insert([lead(0), lead(1), lead(2), moved])
    sync(NOW, "first")
    sandbox.control.delete_events(uuids=[_UUID.format(1)])
    sandbox.control.delete_events(uuids=[_UUID.format(0)], before=moved["timestamp"])
    _, report = sync()
    assert (report.incomplete_days, report.removed) == ((), {_DAY: 1})
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(2,)]


def test_what_is_left_under_a_uuid_is_the_event(sandbox, sync, warehouse):
    """Of two events under one uuid the later is erased: the other counts, for the run that brought it."""
    later = {**lead(0), "distinct_id": "ben", "created_at": NOW - timedelta(hours=1)}
    others = [lead(1, "10:30:00"), lead(2)]
    sandbox.control.insert([{**lead(0), "distinct_id": "ann"}, later, *others])
    sync(NOW, "first")
    sandbox.control.delete_events(uuids=[_UUID.format(1)])
    sandbox.control.delete_events(distinct_id="ben")
    _, report = sync()
    assert (report.incomplete_days, report.removed) == ((), {_DAY: 1})
    found = rows(warehouse, "SELECT uuid, distinct_id, run_id FROM raw_events ORDER BY uuid")
    assert [(str(uuid), *rest) for uuid, *rest in found] == [
        (_UUID.format(0), "ann", "first"),
        (_UUID.format(2), "anonymous-1", "first"),
    ]


def test_with_an_event_its_copies_on_other_days_go(sandbox, sync, warehouse, settings):
    """An event that was dated anew is erased: the day it came from is proved by the same sync."""
    moved = {
        **lead(0),
        "timestamp": NOW - timedelta(hours=2),
        "created_at": NOW - timedelta(hours=1),
    }
    others = [lead(n) for n in (1, 2)]
    of_today = [{**one, "timestamp": NOW - timedelta(hours=3)} for one in (lead(3), lead(4))]
    sandbox.control.insert([lead(0), moved, *others, *of_today])
    sync(NOW, "first")
    sandbox.control.delete_events(uuids=[_UUID.format(0)])
    _, report = sync()
    assert (report.incomplete_days, report.removed) == ((), {TODAY: 1})
    assert verdict(warehouse) == (2, 2, True, True)


def test_an_audit_finds_what_changed_long_ago(sandbox, settings, warehouse):
    """A deletion on a day that no sync compares any more is found at night, and followed by the next sync."""
    old = TODAY - timedelta(days=50)
    days = [old + timedelta(days=n) for n in range(51)]

    def long_ago(*numbers):
        sandbox.control.reset()
        at = {n: lead(n)["timestamp"] - timedelta(days=49) for n in numbers}
        sandbox.control.insert(
            [{**lead(n), "timestamp": when, "created_at": when} for n, when in at.items()]
        )

    config = sync_config(settings)
    long_ago(0, 1, 2)
    load(settings, warehouse, days)
    long_ago(0, 2)
    sandbox.control.set_clock(_LATER)
    with connect_posthog(settings) as posthog:
        plan = plan_sync(posthog, warehouse, config=config, first_day=old, now=_LATER)
        audited = audit_days(posthog, warehouse, config=config, first_day=old, now=_LATER)
        again = plan_sync(posthog, warehouse, config=config, first_day=old, now=_LATER)
    assert old not in plan.reasons
    assert audited == AuditReport(compared=15, differing=(old,), left=0)
    assert again.reasons == {old: "differs", TODAY: "today"}
    report = load(settings, warehouse, again.days, run_id="later", now=_LATER)
    assert (report.removed, report.incomplete_days) == ({old: 1}, ())
