"""What a list depends on: part of its hash, and never other than when it was built, once it is frozen."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadpipe.draws import inputs as inputs_module
from leadpipe.draws.blacklist import Block, add_blocks, end_block
from leadpipe.draws.drawing import freeze, run
from leadpipe.draws.inputs import inputs_built, inputs_of, inputs_sha256
from leadpipe.draws.msisdn import READING
from leadpipe.draws.participants import build_participants
from leadpipe.draws.prizes import Tier
from leadpipe.draws.register import secrets_of, withdraw
from leadpipe.draws.tables import TABLES
from leadpipe.errors import ConfigurationError, DrawError, DrawImpossible
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import (
    DRAW_DATE,
    RULES,
    at_midnight,
    build,
    make_draw,
    mark_read,
    msisdn,
    recharge,
)
from leadpipe_tests.events.builders import rows, take_in

ONE_PRIZE = (Tier(1, "Phone", 1_000, 1),)


@pytest.fixture
def listed(warehouse, tmp_path):
    """A list of five people, built, all days read."""
    take_in(warehouse, tmp_path, [recharge(n, 100 * n) for n in range(1, 6)])
    mark_read(warehouse)
    build(warehouse)
    return warehouse


def frozen_with(warehouse, rules=RULES):
    """Freeze the list by these rules."""
    with warehouse.connect() as connection:
        return freeze(connection, DRAW_DATE, ONE_PRIZE, rules=rules, now=NOW)[0]


def blocked(warehouse, number, first=DRAW_DATE, until=None):
    """Block a number, also on dates that have begun."""
    with warehouse.writing("participants") as connection:
        add_blocks(
            connection,
            [Block(msisdn(number), first, until)],
            author="ada",
            now=NOW,
            zone="UTC",
            is_backdated=True,
        )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"draw_timezone": "Africa/Lagos"}, "LEADPIPE_DRAW_TIMEZONE is Africa/Lagos, it was UTC"),
        ({"naive_timezone": "UTC"}, "LEADPIPE_NAIVE_TIMEZONE is UTC, it was Africa/Lagos"),
        (
            {"promotion_start": date(2026, 11, 2)},
            "LEADPIPE_PROMOTION_START is 2026-11-02, it was unset",
        ),
        ({"max_recharge_naira": 400}, "LEADPIPE_MAX_RECHARGE_NAIRA is 400, it was 50,000"),
        ({"phone_region": "GH"}, "LEADPIPE_PHONE_REGION is GH, it was NG"),
        ({"first_day": date(2026, 10, 1)}, "31 days before the date are not read, 0 were not"),
    ],
)
def test_a_list_of_other_settings_is_not_frozen(listed, changed, said):
    """The setting is named with both values, and what to do; built again with it, the list is frozen."""
    rules = replace(RULES, **changed)
    with pytest.raises(DrawImpossible) as caught:
        frozen_with(listed, rules)
    assert str(caught.value) == (
        f"The list of 2026-11-21 is older than what it depends on: {said}. "
        "Build it again: leadpipe draws participants 2026-11-21 --build"
    )
    assert rows(listed, "SELECT count(*) FROM draws") == [(0,)]
    if "first_day" in changed:
        mark_read(listed)
        with listed.writing("participants") as connection:
            connection.execute(
                "INSERT INTO event_days (event_date, version, read_until) SELECT CAST(day AS DATE), 1, $now "
                "FROM range(DATE '2026-10-01', DATE '2026-11-01', INTERVAL 1 DAY) AS d(day)",
                {"now": NOW},
            )
    if "phone_region" not in changed:
        build(listed, rules=rules)
        assert frozen_with(listed, rules).status == "frozen"


def test_a_list_that_is_older_than_the_blacklist_is_not_frozen(listed):
    """Blocked or let go, one more or another one: refused until it is built again, without the number."""
    blocked(listed, 5)
    with pytest.raises(DrawImpossible, match="1 numbers are blacklisted on the date, 0 were"):
        frozen_with(listed)
    build(listed)
    with listed.writing("participants") as connection:
        end_block(
            connection,
            msisdn(5),
            until=DRAW_DATE - timedelta(days=1),
            author="bo",
            now=NOW,
            zone="UTC",
            is_backdated=True,
        )
    blocked(listed, 4)
    with pytest.raises(DrawImpossible, match="other numbers are blacklisted on the date"):
        frozen_with(listed)
    build(listed)
    assert frozen_with(listed).announcement["participants"] == 4


def test_a_block_of_other_dates_leaves_a_list_fresh(listed):
    """What the list does not depend on does not make it old: later blocks, later events."""
    blocked(listed, 5, DRAW_DATE + timedelta(days=1))
    assert frozen_with(listed).announcement["participants"] == 5


def test_a_list_that_is_older_than_its_recharges_is_not_frozen(listed, tmp_path):
    """An event that was read later, or one corrected; those that PostHog received later do not matter."""
    take_in(listed, tmp_path, [recharge(7, 100, created_at=at_midnight(DRAW_DATE))], run_id="run-2")
    late = recharge(8, 100)
    take_in(listed, tmp_path, [late], run_id="run-3")
    with pytest.raises(DrawImpossible, match="6 recharge events count as received, 5 did"):
        frozen_with(listed)
    build(listed)
    with listed.writing("participants") as connection:
        connection.execute(
            "UPDATE raw_events SET properties = replace(properties, '100', '900') WHERE uuid = ?",
            [late["uuid"]],
        )
    with pytest.raises(DrawImpossible, match="recharge events have changed"):
        frozen_with(listed)


def test_another_reading_of_numbers_makes_a_list_old(listed, monkeypatch):
    """A new version of phonenumbers may read a spelling as somebody else's."""
    monkeypatch.setattr(inputs_module, "READING", "leadpipe 3, phonenumbers 10")
    with pytest.raises(
        DrawImpossible, match="phone numbers are read by leadpipe 3, phonenumbers 10"
    ):
        frozen_with(listed)


def test_a_list_of_an_older_leadpipe_is_not_frozen(listed):
    """It did not note what it depends on."""
    with listed.writing("participants") as connection:
        connection.execute("UPDATE draw_participant_builds SET inputs = NULL")
    with pytest.raises(DrawImpossible, match=r"did not note what it depends on.* --build"):
        frozen_with(listed)


def test_the_announcement_has_the_rules_and_a_hash_of_everything(listed):
    """Zones, window, reading of numbers in the open; who is blacklisted only in a hash that needs the key."""
    blocked(listed, 5)
    build(listed)
    draw = frozen_with(listed)
    assert draw.announcement["algorithm"] == "leadpipe-draw-2"
    assert draw.announcement["rules"] == {
        "begins_at": "2026-11-21T00:00:00Z",
        "blacklisted": 1,
        "draw_timezone": "UTC",
        "max_recharge_naira": 50_000,
        "naira_per_point": 100,
        "naive_timezone": "Africa/Lagos",
        "phone_numbers": READING,
        "phone_region": "NG",
        "promotion_start": "",
    }
    with listed.connect() as connection:
        noted = inputs_built(connection, DRAW_DATE)
        assert noted == inputs_of(connection, DRAW_DATE, RULES)
        key, _ = secrets_of(connection, draw.draw_id)
    assert draw.announcement["inputs_sha256"] == inputs_sha256(noted or {}, key)
    assert (noted or {})["blacklist"] not in json.dumps(draw.announcement)


def test_who_takes_part_in_a_draw_that_stands_cannot_be_blocked_on_its_date(listed):
    """Frozen or drawn: withdraw it first, or begin later; those who take no part can be blocked."""
    frozen_with(listed)
    for status in ("frozen", "drawn"):
        with pytest.raises(ConfigurationError) as caught:
            blocked(listed, 5)
        assert f"takes part in draw-2026-11-21, which is {status}" in str(caught.value)
        assert "leadpipe draws withdraw 2026-11-21" in str(caught.value)
        with listed.connect() as connection:
            run(connection, DRAW_DATE, now=NOW)
    blocked(listed, 9)
    with listed.writing("participants") as connection:
        withdraw(connection, DRAW_DATE, "an employee took part")
    blocked(listed, 5)
    build(listed)
    assert make_draw(listed, ONE_PRIZE).announcement["participants"] == 4


def test_a_frozen_list_with_a_blocked_number_is_not_drawn_from(listed):
    """Not even where the block came by another way than the commands."""
    frozen_with(listed)
    with listed.writing("participants") as connection:
        connection.execute(
            "INSERT INTO blacklist VALUES (?, ?, NULL, '', 'ada', ?)", [msisdn(5), DRAW_DATE, NOW]
        )
    with listed.connect() as connection:
        for attempt in (
            lambda: run(connection, DRAW_DATE, now=NOW),
            lambda: freeze(
                connection, DRAW_DATE, ONE_PRIZE, rules=RULES, now=NOW, redo_reason="again"
            ),
        ):
            with pytest.raises(DrawImpossible, match=r"first 234803\*\*\*\*005.*draws withdraw"):
                attempt()
    assert rows(listed, "SELECT count(*) FROM draw_winners") == [(0,)]


_FUZZED = (DRAW_DATE, DRAW_DATE + timedelta(days=1))
_DAYS = st.sampled_from(_FUZZED)
_PEOPLE = st.integers(1, 3)
_BLOCKS = st.tuples(
    st.just("block"),
    _PEOPLE,
    _DAYS,
    st.sampled_from([None, *_FUZZED]),
    st.sampled_from([True, True, False]),
)
_BUILDS = st.tuples(st.just("build"), _DAYS)
_FREEZES = st.tuples(st.just("freeze"), _DAYS, st.booleans())
_STEPS = st.one_of(
    _BLOCKS,
    _BLOCKS,
    _BUILDS,
    _BUILDS,
    _FREEZES,
    _FREEZES,
    st.tuples(st.just("let go"), _PEOPLE, _DAYS, st.booleans()),
    st.tuples(st.just("run"), _DAYS),
    st.tuples(st.just("withdraw"), _DAYS),
    st.tuples(
        st.just("configure"),
        st.sampled_from(["UTC", "Africa/Lagos", "America/New_York"]),
        st.sampled_from([300, 50_000]),
    ),
    st.tuples(st.just("recharge"), _PEOPLE),
    st.tuples(st.just("wait")),
)


def _take(connection, rules, now, step):
    """One step of a person; what is refused changes nothing."""
    name, *given_ = step
    if name == "block":
        number, first, until, is_backdated = given_
        add_blocks(
            connection,
            [Block(msisdn(number), first, until)],
            author="a",
            now=now,
            zone=rules.draw_timezone,
            is_backdated=is_backdated,
        )
    elif name == "let go":
        number, until, is_backdated = given_
        end_block(
            connection,
            msisdn(number),
            until=until,
            author="a",
            now=now,
            zone=rules.draw_timezone,
            is_backdated=is_backdated,
        )
    elif name == "build":
        build_participants(connection, given_[0], given_[0], rules=rules, now=now)
    elif name == "freeze":
        reason = "again" if given_[1] else ""
        freeze(connection, given_[0], ONE_PRIZE, rules=rules, now=now, redo_reason=reason)
    elif name == "run":
        run(connection, given_[0], now=now)
    elif name == "withdraw":
        withdraw(connection, given_[0], "a reason")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_STEPS, min_size=8, max_size=30))
def test_whoever_is_blacklisted_on_a_date_never_wins_its_draw(warehouse, tmp_path, steps):
    """In whatever order of blocks, withdrawals, builds, freezes, draws, other settings and new events."""
    if rows(warehouse, "SELECT count(*) FROM raw_events") == [(0,)]:
        at = datetime(2026, 11, 18, 10, tzinfo=UTC)
        take_in(warehouse, tmp_path, [recharge(n, 100 * n, at) for n in (1, 2, 3)])
        mark_read(warehouse, until=NOW + timedelta(days=9))
    rules, now = RULES, NOW
    with warehouse.connect() as connection:
        connection.execute("DELETE FROM raw_events WHERE run_id = 'late'")
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")
        for day in _FUZZED:
            build_participants(connection, day, day, rules=rules, now=now)
        for step in [*steps, *(("run", day) for day in _FUZZED)]:
            if step[0] == "configure":
                rules = replace(rules, draw_timezone=step[1], max_recharge_naira=step[2])
            elif step[0] == "wait":
                now += timedelta(hours=9)
            elif step[0] == "recharge":
                connection.execute(
                    "INSERT INTO raw_events BY NAME SELECT * REPLACE (uuid() AS uuid, 'late' AS run_id) "
                    "FROM raw_events WHERE run_id <> 'late' AND distinct_id = ?",
                    [msisdn(step[1])],
                )
            else:
                try:
                    _take(connection, rules, now, step)
                except (ConfigurationError, DrawError):
                    continue
                assert _blacklisted(connection, "draw_winners", "draw_id, draw_date") == []
                # Nor can they: no list that is frozen has them.
                assert _blacklisted(connection, "draw_participants", "draw_date") == []


def _blacklisted(connection, table, keys):
    """Who of draws that stand is one of those whom `blacklist list --on DAY` names."""
    return connection.execute(
        f"SELECT draw_date, msisdn FROM {table} JOIN draws USING ({keys}) "
        "JOIN blacklist USING (msisdn) WHERE status <> 'superseded' AND draw_date "
        "BETWEEN blocked_from AND coalesce(blocked_until, 'infinity'::DATE)"
    ).fetchall()
