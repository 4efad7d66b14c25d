"""Who takes part: recharges into points, at a point in time, with what cannot be used reported."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.draws.drawing import freeze
from leadpipe.draws.participants import late_changes
from leadpipe.draws.prizes import Tier
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import (
    DAY_BEFORE,
    DRAW_DATE,
    RULES,
    at_midnight,
    build,
    mark_read,
    msisdn,
    recharge,
)
from leadpipe_tests.events.builders import rows, take_in
from leadpipe_tests.orders import orders

_LIST = "SELECT * FROM draw_participants ORDER BY ALL"
_POINTS = "SELECT msisdn, points FROM draw_participants WHERE draw_date = ? ORDER BY msisdn"


def points_on(warehouse, day=DRAW_DATE):
    """Each participant's points on a date."""
    return dict(rows(warehouse, _POINTS, day))


def test_points_are_whole_hundreds_of_each_recharge(warehouse, tmp_path):
    """Each recharge gives floor(amount / 100); they add up; below one point nobody takes part."""
    take_in(
        warehouse,
        tmp_path,
        [
            recharge(1, 250, "09:00:00", distinct_id="first"),
            recharge(1, "199.99", "11:00:00", distinct_id="last"),
            recharge(1, 50, "10:00:00"),
            recharge(2, 99.99),
            recharge(2, 99),
            recharge(3, 100, distinct_id=" "),
        ],
    )
    [report] = build(warehouse)
    assert rows(warehouse, _LIST) == [
        (DRAW_DATE, msisdn(1), "last", 3, 3, Decimal("499.99"), 3, at_midnight(DAY_BEFORE, 39_600)),
        (DRAW_DATE, msisdn(3), msisdn(3), 1, 1, Decimal("100.00"), 1, at_midnight(DAY_BEFORE, 36_000)),
    ]  # fmt: skip
    assert (report.participants, report.total_entries, report.recharges) == (2, 4, 4)


@pytest.mark.parametrize(
    ("amount", "points"),
    [(1500, 15), ("1500", 15), (" 1500.00 ", 15), ("1,500", 15), ("₦1,500.50", 15), ("NGN 1500", 15),
     (1500.999, 15), ("99.999999", None), (1e3, 10), (50_000, 500)],
)  # fmt: skip
def test_amounts_are_read_as_they_are_written(warehouse, tmp_path, amount, points):
    """Numbers and texts, with thousands commas or the currency; never rounded up to a point."""
    take_in(warehouse, tmp_path, [recharge(1, amount)])
    build(warehouse)
    assert points_on(warehouse) == ({msisdn(1): points} if points else {})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"amount": -500}, "negative amount"),
        ({"amount": "0.00"}, "amount of zero"),
        ({"amount": "about 500"}, "amount is no number"),
        ({"amount": "1.500,00"}, "amount is no number"),
        ({"amount": [500]}, "amount is no number"),
        ({"amount": "NaN"}, "amount is no number"),
        ({"amount": None}, "no amount"),
        ({"amount": 50_001}, "amount over the largest recharge (in kobo?)"),
        ({"amount": "1e30"}, "amount over the largest recharge (in kobo?)"),
        ({"amount": 500, "recharged_at": "yesterday"}, "recharged_at is no time"),
        (
            {"amount": 500, "recharged_at": "2026-11-20T12:00:01+00:00"},
            "recharged_at is in the future",
        ),
        (
            {"amount": 500, "recharged_at": "2026-11-20T13:00:00"},
            "recharged_at is in the future, read in LEADPIPE_NAIVE_TIMEZONE",
        ),
        ({"amount": 500, "msisdn": "customer 7"}, "msisdn is no phone number"),
        ({"amount": 500, "refund_of": "the last one"}, "refund_of is no uuid"),
        (
            {"amount": 500, "refund_of": "00000000-0000-4000-8000-000000000000"},
            "refund of a recharge nobody knows",
        ),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(warehouse, tmp_path, fields, reason):
    """It earns nothing, stops nothing, and is reported once on the day it is new, with an example."""
    bad = recharge(1, 100)
    bad["properties"] |= fields
    take_in(warehouse, tmp_path, [bad, recharge(2, 100)])
    [report, _] = build(warehouse, DRAW_DATE, DRAW_DATE + timedelta(days=1))
    assert points_on(warehouse) == {msisdn(2): 1}
    assert report.rejected == {reason: 1}
    assert rows(
        warehouse,
        "SELECT draw_date, reason, recharges, new_recharges, example_uuid::VARCHAR FROM draw_rejections "
        "ORDER BY draw_date",
    ) == [
        (DRAW_DATE, reason, 1, 1, bad["uuid"]),
        (DRAW_DATE + timedelta(days=1), reason, 1, 0, bad["uuid"]),
    ]


def test_the_largest_recharge_is_configurable(warehouse, tmp_path):
    """The bound itself is still a recharge."""
    take_in(warehouse, tmp_path, [recharge(1, 500), recharge(2, 501)])
    build(warehouse, rules=replace(RULES, max_recharge_naira=500))
    assert points_on(warehouse) == {msisdn(1): 5}


def test_only_what_was_made_and_received_before_the_date_counts(warehouse, tmp_path):
    """Midnight belongs to the date; a recharge that arrives late counts from the next date on."""
    before, midnight = at_midnight(DRAW_DATE, -0.001), at_midnight(DRAW_DATE)
    take_in(
        warehouse,
        tmp_path,
        [
            recharge(1, 100, before, created_at=before),
            recharge(2, 100, midnight, created_at=midnight),
            recharge(3, 100, before, created_at=midnight),
            recharge(4, 100, midnight, recharged_at=before.isoformat(), created_at=midnight),
            recharge(5, 100, before, recharged_at="2026-11-20 10:00", created_at=before),
            recharge(6, 100, before, created_at=None),
        ],
    )
    build(warehouse, DRAW_DATE, DRAW_DATE + timedelta(days=1))
    assert sorted(points_on(warehouse)) == [msisdn(n) for n in (1, 5, 6)]
    assert sorted(points_on(warehouse, DRAW_DATE + timedelta(days=1))) == [
        msisdn(n) for n in (1, 2, 3, 4, 5, 6)
    ]


def test_the_promotion_has_a_first_day(warehouse, tmp_path):
    """Recharges from before it do not count; those of its first minute do."""
    start = at_midnight(DAY_BEFORE)
    take_in(
        warehouse,
        tmp_path,
        [recharge(1, 100, start), recharge(2, 100, start - timedelta(seconds=1))],
    )
    build(warehouse, rules=replace(RULES, promotion_start=DAY_BEFORE))
    assert points_on(warehouse) == {msisdn(1): 1}


def test_a_refund_takes_its_recharge_back(warehouse, tmp_path):
    """Refunded before the date, a recharge does not count; refunded later, it stays for that date."""
    early, late = recharge(1, 1_000), recharge(2, 1_000)
    take_in(
        warehouse,
        tmp_path,
        [
            early,
            late,
            recharge(1, 300),
            recharge(1, -1_000, "12:00:00", refund_of=early["uuid"]),
            recharge(2, -1_000, at_midnight(DRAW_DATE, 60), refund_of=late["uuid"]),
        ],
    )
    [report, _] = build(warehouse, DRAW_DATE, DRAW_DATE + timedelta(days=1))
    assert points_on(warehouse) == {msisdn(1): 3, msisdn(2): 10}
    assert points_on(warehouse, DRAW_DATE + timedelta(days=1)) == {msisdn(1): 3}
    assert report.rejected == {}


@settings(max_examples=orders(4), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),  # who
            st.integers(-100, 2_000),  # naira
            st.integers(-72, 30),  # hours from the date at which it was made
            st.integers(0, 48),  # hours until PostHog had it
        ),
        max_size=25,
    )
)
def test_a_backfill_gives_what_the_days_runs_gave(tmp_path_factory, recharges):
    """Lists built day by day, with what had arrived by then, are those built much later in one run."""
    folder = tmp_path_factory.mktemp("lists")
    days = [DRAW_DATE + timedelta(days=n) for n in range(-1, 3)]
    events = []
    for who, naira, made, delay in recharges:
        at = at_midnight(DRAW_DATE, made * 3_600)
        events.append(recharge(who, naira, at, created_at=at + timedelta(hours=delay)))
    daily, later = (Warehouse(folder / name / "w.duckdb") for name in ("daily", "later"))
    for number, day in enumerate(days):
        arrived = [one for one in events if one["created_at"] < at_midnight(day, 7 * 3_600)]
        take_in(daily, folder, arrived, run_id=f"run-{number}")
        build(daily, day, now=at_midnight(day, 7 * 3_600))
    take_in(later, folder, events[::-1])
    build(later, days[0], days[-1])
    for table in ("draw_participants", "draw_rejections"):
        query = f"SELECT * FROM {table} ORDER BY ALL"
        assert rows(daily, query) == rows(later, query)


def test_a_frozen_list_stays_and_is_compared(warehouse, tmp_path):
    """After the freeze a build changes no row of the date, and says how many would differ."""
    take_in(warehouse, tmp_path, [recharge(1, 100), recharge(2, 100)])
    mark_read(warehouse)
    build(warehouse)
    with warehouse.connect() as connection:
        freeze(connection, DRAW_DATE, (Tier(1, "A", 1, 1),), rules=RULES, now=NOW)
    before = rows(warehouse, _LIST)
    overlooked = recharge(3, 100)
    take_in(warehouse, tmp_path, [overlooked], run_id="run-2")
    [report] = build(warehouse)
    assert (report.is_frozen, report.differences) == (True, 1)
    assert rows(warehouse, _LIST) == before


def test_changes_list_what_came_too_late(warehouse, tmp_path):
    """Late recharges and later refunds, masked; what was in time or belongs to later dates is not there."""
    counted = recharge(1, 1_000)
    late = recharge(2, 250, created_at=at_midnight(DRAW_DATE, 3_600))
    refund = recharge(1, 1_000, at_midnight(DRAW_DATE, 7_200), refund_of=counted["uuid"])
    later = recharge(3, 100, at_midnight(DRAW_DATE, 10))
    take_in(warehouse, tmp_path, [counted, late, refund, later])
    with warehouse.connect() as connection:
        found = late_changes(connection, DRAW_DATE, rules=RULES)
    assert [(*row[:1], str(row[1]), *row[2:5]) for row in found.rows] == [
        ("recharge arrived late", late["uuid"], "234803****002", Decimal(250), 2),
        ("refunded later", refund["uuid"], "234803****001", Decimal(-1_000), -10),
    ]


def test_days_that_were_not_read_are_counted(warehouse, tmp_path):
    """A day counts as read when it was read after the date began, or a later plan found it unchanged."""
    take_in(warehouse, tmp_path, [recharge(1, 100)])
    days = (DRAW_DATE - RULES.first_day).days

    def unread(until, plans=()):
        mark_read(warehouse, until=until)
        with warehouse.writing("participants") as connection:
            connection.execute("DELETE FROM changed_days")
            for plan in plans:
                connection.execute("INSERT INTO changed_days VALUES (?, 1, ?, ?, NULL)", list(plan))
        return build(warehouse)[0].unread_days

    evening, midnight, morning = (at_midnight(DRAW_DATE, s) for s in (-3_600, 0, 21_600))
    assert unread(midnight) == 0
    assert unread(evening) == days
    assert unread(evening, [(DRAW_DATE, evening, morning)]) == 0
    assert unread(evening, [(DRAW_DATE, evening, morning), (DAY_BEFORE, evening, morning)]) == 1
    assert unread(evening, [(DRAW_DATE, evening - timedelta(days=1), evening)]) == days


def test_a_date_is_a_day_of_the_draws_zone(warehouse, tmp_path):
    """In Lagos a date begins an hour before UTC's; made and received by then, no more and no less."""
    rules = replace(RULES, draw_timezone="Africa/Lagos", promotion_start=DAY_BEFORE)
    begin, end = at_midnight(DAY_BEFORE, -3_600), at_midnight(DRAW_DATE, -3_600)
    moments = [begin - timedelta(seconds=1), begin, end - timedelta(seconds=1), end]
    take_in(
        warehouse,
        tmp_path,
        [recharge(n, 100, at, created_at=at) for n, at in enumerate(moments)],
    )
    build(warehouse, rules=rules)
    assert sorted(points_on(warehouse)) == [msisdn(1), msisdn(2)]
    assert rows(
        warehouse, "SELECT begins_at, draw_timezone, naive_timezone FROM draw_participant_builds"
    ) == [(end, "Africa/Lagos", "Africa/Lagos")]


@pytest.mark.parametrize(
    ("zone", "day", "hours"), [("America/New_York", date(2026, 11, 1), 25), ("UTC", DRAW_DATE, 24)]
)
def test_a_date_on_which_clocks_change_loses_no_hour(warehouse, tmp_path, zone, day, hours):
    """A recharge of every half hour: the next date's list has those of the day, however long it was."""
    rules = replace(RULES, draw_timezone=zone, promotion_start=day, naive_timezone="UTC")
    begin = rules.begins_at(day)
    moments = [begin + timedelta(minutes=30 * n) for n in range(-4, 60)]
    take_in(warehouse, tmp_path, [recharge(1, 100, at, created_at=at) for at in moments])
    build(warehouse, day + timedelta(days=1), rules=rules)
    assert points_on(warehouse, day + timedelta(days=1)) == {msisdn(1): 2 * hours}


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("Africa/Lagos", "2026-11-20T09:30:00", "08:30:00"),
        ("Africa/Lagos", "2026-11-20 09:30", "08:30:00"),
        ("Africa/Lagos", "2026-11-20T09:30:00.5", "08:30:00.5"),
        ("Africa/Lagos", "2026-11-20T09:30:00Z", "09:30:00"),
        ("Africa/Lagos", "2026-11-20T09:30:00+02:00", "07:30:00"),
        ("Africa/Lagos", "2026-11-20 09:30:00 UTC", "09:30:00"),
        ("Africa/Lagos", "2026-11-20 09:30:00-01", "10:30:00"),
        ("Africa/Lagos", "\u200b2026-11-20T09:30:00", "08:30:00"),
        ("UTC", "2026-11-20T09:30:00", "09:30:00"),
        ("America/New_York", "2026-11-20T04:30:00", "09:30:00"),
    ],
)
def test_a_time_without_an_offset_is_of_the_configured_zone(warehouse, tmp_path, zone, text, utc):
    """A time with an offset or a zone is its own; no clock decides."""
    take_in(warehouse, tmp_path, [recharge(1, 100, "10:00:00", recharged_at=text)])
    build(warehouse, rules=replace(RULES, naive_timezone=zone))
    [(found,)] = rows(warehouse, "SELECT last_recharge_at FROM draw_participants")
    assert found == datetime.fromisoformat(f"2026-11-20T{utc}+00:00")


def test_an_hour_that_comes_twice_is_the_later_one(warehouse, tmp_path):
    """When clocks are put back; and one that is skipped is as if clocks had not been put forward yet."""
    take_in(
        warehouse,
        tmp_path,
        [
            recharge(1, 100, "10:00:00", recharged_at="2026-10-25 02:30:00"),
            recharge(2, 100, "10:00:00", recharged_at="2026-03-29 02:30:00"),
        ],
    )
    build(warehouse, rules=replace(RULES, naive_timezone="Europe/Berlin"))
    assert rows(warehouse, "SELECT last_recharge_at FROM draw_participants ORDER BY msisdn") == [
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC),),
        (datetime(2026, 3, 29, 1, 30, tzinfo=UTC),),
    ]
