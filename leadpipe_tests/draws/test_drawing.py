"""Freezing and drawing in the warehouse: once a date, nothing half done, everything kept."""

import json
import secrets

import pytest

from leadpipe.draws.drawing import freeze, run
from leadpipe.draws.prizes import Tier
from leadpipe.draws.register import draw_of, proof, withdraw
from leadpipe.draws.verify import verify_evidence, verify_proof
from leadpipe.errors import (
    AlreadyDrawn,
    ConfigurationError,
    DrawImpossible,
    EvidenceInvalid,
    UnknownDraw,
)
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import (
    DRAW_DATE,
    PRIZES,
    RULES,
    SEED,
    build,
    evidence_of_draw,
    give_entries,
    make_draw,
    mark_read,
    msisdn,
    recharge,
)
from leadpipe_tests.events.builders import rows, take_in

pytestmark = pytest.mark.shared_lake

PEOPLE = {msisdn(n): 1 + n for n in range(30)}
_TABLES = ("draws", "draw_secrets", "draw_winners")


def stored(warehouse):
    """Everything the draws keep."""
    return {name: rows(warehouse, f"SELECT * FROM {name} ORDER BY ALL") for name in _TABLES}


def test_a_draw_keeps_evidence_winners_and_commitment(warehouse):
    """The table of winners says what the evidence proves, with the numbers it only masks."""
    give_entries(warehouse, PEOPLE)
    draw = make_draw(warehouse)
    proved = verify_evidence(evidence_of_draw(draw), commitment=draw.commitment)
    winners = rows(
        warehouse,
        "SELECT prize_tier_id, prize_tier_name, prize_value, is_runner_up, rank, entries, msisdn, "
        "distinct_id, draw_id, recorded_at FROM draw_winners ORDER BY is_runner_up, prize_tier_id, rank",
    )
    assert [
        (p["tier"], p["is_runner_up"], p["rank"], p["entries"], p["msisdn"]) for p in proved.draws
    ] == [(w[0], w[3], w[4], w[5], w[6][:6] + "****" + w[6][-3:]) for w in winners]
    assert winners[0][:5] == (1, "Jackpot", 1_000_000, False, 1)
    assert all(w[7:] == (f"id-{w[6]}", "draw-2026-11-21", None) for w in winners)
    assert all(PEOPLE[w[6]] == w[5] for w in winners)
    assert len({w[6] for w in winners}) == 6
    assert rows(warehouse, "SELECT status, participants, total_entries FROM draws") == [
        ("drawn", 30, sum(PEOPLE.values()))
    ]


def test_a_seed_and_a_key_decide_everything(warehouse, monkeypatch):
    """The same list, prizes, seed and key give the same evidence, byte by byte, in any order of rows."""
    monkeypatch.setattr(secrets, "token_hex", lambda size: "07" * size)
    evidence = []
    for people in (PEOPLE, dict(reversed(PEOPLE.items()))):
        give_entries(warehouse, people)
        with warehouse.writing("participants") as connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table}")
        evidence.append(make_draw(warehouse).evidence)
    assert evidence[0] == evidence[1]


def test_seeds_are_random_unless_given(warehouse):
    """Two draws of the same list have different seeds and different keys."""
    give_entries(warehouse, PEOPLE)
    with warehouse.connect() as connection:
        freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW)
        freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW, redo_reason="again")
    found = rows(warehouse, "SELECT list_key, seed FROM draw_secrets")
    assert len({part for pair in found for part in pair}) == 4


def test_a_date_is_drawn_once(warehouse):
    """Run again, the draw stays as it is; frozen again, it is refused; nothing changes."""
    give_entries(warehouse, PEOPLE)
    first = make_draw(warehouse)
    before = stored(warehouse)
    with warehouse.connect() as connection:
        assert run(connection, DRAW_DATE, now=NOW) == first
        with pytest.raises(
            AlreadyDrawn, match="has the draw draw-2026-11-21, drawn with the commit"
        ):
            freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW)
    assert stored(warehouse) == before


def test_a_draw_redone_keeps_the_first_on_record(warehouse):
    """The reason is announced with the new draw; the first is superseded, with its evidence and winners."""
    give_entries(warehouse, PEOPLE)
    first = make_draw(warehouse)
    second = make_draw(warehouse, (Tier(1, "Car", 5, 1),), redo_reason="the prizes were wrong")
    assert second.draw_id == "draw-2026-11-21-2"
    announced = verify_evidence(evidence_of_draw(second)).announcement
    assert (announced["supersedes"], announced["reason"]) == (
        "draw-2026-11-21",
        "the prizes were wrong",
    )
    assert rows(
        warehouse,
        "SELECT draw_id, status, evidence, supersedes, reason, withdrawn_reason FROM draws ORDER BY attempt",
    ) == [
        (
            first.draw_id,
            "superseded",
            evidence_of_draw(first).decode(),
            None,
            None,
            "the prizes were wrong",
        ),
        (
            second.draw_id,
            "drawn",
            evidence_of_draw(second).decode(),
            first.draw_id,
            "the prizes were wrong",
            None,
        ),
    ]
    assert dict(rows(warehouse, "SELECT draw_id, count(*) FROM draw_winners GROUP BY ALL")) == {
        first.draw_id: 6,
        second.draw_id: 1,
    }


def test_a_withdrawn_draw_frees_its_list(warehouse, tmp_path):
    """Built again, the list is frozen anew; the reason of the withdrawal is in the new announcement."""
    take_in(warehouse, tmp_path, [recharge(n, 100) for n in range(6)])
    mark_read(warehouse)
    build(warehouse)
    first = make_draw(warehouse)
    with warehouse.writing("participants") as connection:
        assert withdraw(connection, DRAW_DATE, "the list was wrong") == first
        assert draw_of(connection, DRAW_DATE) is None
        with pytest.raises(UnknownDraw):
            withdraw(connection, DRAW_DATE, "again")
    take_in(warehouse, tmp_path, [recharge(7, 100)], run_id="run-2")
    assert build(warehouse)[0].participants == 7
    second = make_draw(warehouse)
    announced = second.announcement
    assert (second.draw_id, announced["participants"]) == ("draw-2026-11-21-2", 7)
    assert (announced["supersedes"], announced["reason"]) == (first.draw_id, "the list was wrong")
    assert rows(warehouse, "SELECT draw_id, status FROM draws ORDER BY attempt") == [
        (first.draw_id, "superseded"),
        (second.draw_id, "drawn"),
    ]


def test_what_cannot_be_drawn_changes_nothing(warehouse, tmp_path):
    """Nobody eligible, fewer people than places, days not read, an odd seed: said, and no row is written."""
    empty = stored(warehouse)

    def refused(kind, said, **options):
        with warehouse.connect() as connection, pytest.raises(kind, match=said):
            freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW, **options)
        assert stored(warehouse) == empty

    refused(DrawImpossible, "Nobody is eligible for the draw of 2026-11-21")
    give_entries(warehouse, {msisdn(n): 10 for n in range(5)})
    refused(DrawImpossible, "6 winners and runner-ups, but only 5 take part")
    refused(ConfigurationError, "64 hexadecimal digits", seed="5EED" * 16)
    give_entries(warehouse, {msisdn(n): 2**52 for n in range(6)})
    refused(DrawImpossible, "entries, more than 9007199254740991")
    take_in(warehouse, tmp_path, [recharge(n, 100) for n in range(9)])
    with warehouse.writing("participants") as connection:
        connection.execute("DELETE FROM event_days")
    build(warehouse)
    refused(DrawImpossible, "20 days before 2026-11-21 were not read.*leadpipe sync")


def test_all_participants_can_be_drawn(warehouse):
    """With exactly as many people as places everybody has one."""
    give_entries(warehouse, {msisdn(n): 10**n for n in range(6)})
    make_draw(warehouse)
    assert rows(warehouse, "SELECT count(DISTINCT msisdn) FROM draw_winners") == [(6,)]


def test_a_draw_with_a_beacon_waits_for_its_value(warehouse):
    """Named when freezing, its value is needed to run; a draw without one takes none."""
    give_entries(warehouse, PEOPLE)
    value = "2f6c31f9d1bb5b7a"
    with warehouse.connect() as connection:
        with pytest.raises(UnknownDraw, match="There is no draw of 2026-11-21"):
            run(connection, DRAW_DATE, now=NOW)
        freeze(
            connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW, seed=SEED, beacon="drand round 9"
        )
        for given, said in (("", "waits for 'drand round 9'"), ("XYZ", "hexadecimal digits")):
            with pytest.raises(ConfigurationError, match=said):
                run(connection, DRAW_DATE, now=NOW, beacon_value=given)
        draw = run(connection, DRAW_DATE, now=NOW, beacon_value=value)
    evidence = json.loads(evidence_of_draw(draw))
    assert (evidence["beacon_value"], evidence["announcement"]["beacon"]) == (
        value,
        "drand round 9",
    )
    verify_evidence(evidence_of_draw(draw))
    with warehouse.connect() as connection:
        freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW, redo_reason="no beacon")
        with pytest.raises(ConfigurationError, match="takes no --beacon-value"):
            run(connection, DRAW_DATE, now=NOW, beacon_value=value)


def test_a_list_that_was_changed_behind_the_freeze_is_not_drawn_from(warehouse):
    """A row added, changed or removed after the freeze is noticed by the root."""
    give_entries(warehouse, PEOPLE)
    with warehouse.connect() as connection:
        freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW)
        connection.execute(
            "UPDATE draw_participants SET entries = entries + 1 WHERE msisdn = ?", [msisdn(3)]
        )
        with pytest.raises(DrawImpossible, match="no longer those that draw-2026-11-21 froze"):
            run(connection, DRAW_DATE, now=NOW)
    assert rows(warehouse, "SELECT status FROM draws") == [("frozen",)]


def test_participants_are_given_proofs_of_their_own_entries(warehouse):
    """A proof holds for its own number alone, shows no other number, and is refused to strangers."""
    give_entries(warehouse, PEOPLE)
    draw = make_draw(warehouse)
    with warehouse.connect() as connection:
        content = proof(connection, DRAW_DATE, msisdn(7))
        with pytest.raises(UnknownDraw, match=r"234803\*\*\*\*099 does not take part"):
            proof(connection, DRAW_DATE, msisdn(99))
    proved = verify_proof(content, msisdn(7), commitment=draw.commitment)
    assert (proved.entries, proved.commitment) == (8, draw.commitment)
    assert not any(number.encode() in content for number in PEOPLE)
    with pytest.raises(EvidenceInvalid, match="does not have this MSISDN"):
        verify_proof(content, msisdn(8))
    for position in range(0, len(content), 7):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        with pytest.raises(EvidenceInvalid):
            verify_proof(changed, msisdn(7))


def test_a_winner_finds_their_leaf_in_the_evidence(warehouse):
    """The leaf that a winner's proof gives is the one that was drawn."""
    give_entries(warehouse, PEOPLE)
    draw = make_draw(warehouse)
    [(winner,)] = rows(
        warehouse, "SELECT msisdn FROM draw_winners WHERE NOT is_runner_up AND prize_tier_id = 1"
    )
    with warehouse.connect() as connection:
        proved = verify_proof(proof(connection, DRAW_DATE, winner), winner)
    assert proved.leaf == verify_evidence(evidence_of_draw(draw)).draws[0]["leaf"]


def test_nothing_shows_the_secrets(warehouse):
    """Neither the key nor, before the draw, the seed is in the register's reprs or announcements."""
    give_entries(warehouse, PEOPLE)
    with warehouse.connect() as connection:
        draw, frozen = freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW, seed=SEED)
        [(key, seed)] = connection.execute("SELECT list_key, seed FROM draw_secrets").fetchall()
        shown = (
            repr(draw)
            + repr(frozen)
            + json.dumps(draw.announcement)
            + repr(draw_of(connection, DRAW_DATE))
        )
    assert seed == SEED
    assert key not in shown
    assert seed not in shown
