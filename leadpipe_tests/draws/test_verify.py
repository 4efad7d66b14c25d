"""Evidence: it verifies, by our verifier and by the one on the page, and no changed byte goes through."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.draws.hashing import canonical_json, canonical_sha256, leaf_of, salt_of
from leadpipe.draws.prizes import Tier
from leadpipe.draws.verify import verify_evidence, verify_proof
from leadpipe.errors import EvidenceInvalid
from leadpipe_tests.docs.markdown import ROOT, blocks, sections, table_rows
from leadpipe_tests.draws.builders import (
    KEY,
    PRIZES,
    PUBLISHED_RULES,
    SEED,
    evidence_for,
    msisdn,
)

_PAGE = ROOT / "docs" / "draws.md"
_EVIDENCE = Path(__file__).parent / "evidence"
PEOPLE = [(msisdn(n), 1 + n * 13 % 40) for n in range(40)]


def from_the_page():
    """The verifier that docs/draws.md gives to auditors."""
    namespace: dict[str, Any] = {}
    [block] = blocks(_PAGE, "python")
    exec(compile(block.text, str(_PAGE), "exec"), namespace)
    return namespace["verify"]


def resealed(content, change):
    """The evidence after a change by somebody who writes a fitting checksum."""
    evidence = json.loads(content)
    evidence.pop("checksum")
    change(evidence)
    return canonical_json({**evidence, "checksum": canonical_sha256(evidence)})


def problem(content, **options):
    """What the verifier finds wrong."""
    with pytest.raises(EvidenceInvalid) as caught:
        verify_evidence(content, **options)
    return str(caught.value).removeprefix("Not valid: ").removesuffix(".")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 10**9), min_size=9, max_size=60),
    st.sampled_from([("", ""), ("drand round 7", "ab" * 32)]),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)
def test_both_verifiers_accept_every_draw(entries, beacon, seed):
    """Whatever the entries, the seed and the beacon: ours and the page's verifier find the same places."""
    people = [(msisdn(n), one) for n, one in enumerate(entries)]
    content = evidence_for(people, seed=seed, beacon=beacon[0], beacon_value=beacon[1])
    proved = verify_evidence(content)
    assert list(proved.draws) == from_the_page()(content)["draws"]
    assert [(p["tier"], p["is_runner_up"], p["rank"]) for p in proved.draws] == [
        (1, False, 1), (2, False, 1), (2, False, 2), (2, False, 3), (1, True, 1), (1, True, 2),
    ]  # fmt: skip
    assert len({place["leaf"] for place in proved.draws}) == 6


@pytest.mark.parametrize("name", ["draw-1-page", "draw-1-beacon", "draw-1-redone"])
def test_evidence_of_older_versions_still_verifies(name):
    """What leadpipe-draw-1 wrote holds by our verifier and by the page's; a changed byte still breaks it."""
    content = (_EVIDENCE / f"{name}.json").read_bytes()
    proved = verify_evidence(content)
    assert proved.announcement["algorithm"] == "leadpipe-draw-1"
    assert list(proved.draws) == from_the_page()(content)["draws"]
    assert "commitment" in problem(resealed(content, lambda e: e["announcement"].update(rules={})))
    assert problem(content.replace(b"leadpipe-draw-1", b"leadpipe-draw-2")).startswith(
        "the checksum"
    )


def test_a_proof_of_an_older_version_still_verifies():
    """For its own number, and no other."""
    content = (_EVIDENCE / "proof-1.json").read_bytes()
    assert verify_proof(content, msisdn(7)).entries == 8
    with pytest.raises(EvidenceInvalid, match="does not have this MSISDN"):
        verify_proof(content, msisdn(8))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "its fields are not begins_at, blacklisted, draw_timezone"),
        ({**PUBLISHED_RULES, "blacklisted": "1"}, "blacklisted is no int"),
        ({**PUBLISHED_RULES, "begins_at": "midnight"}, "the draw date or its beginning is no time"),
        (
            {**PUBLISHED_RULES, "begins_at": "2026-11-01T00:00:00Z"},
            "the draw date does not begin when its rules say",
        ),
    ],
)
def test_rules_that_cannot_be_are_refused(rules, said):
    """They are whole, of the right kinds, and a date begins within a day of midnight UTC."""

    def forge(evidence):
        evidence["announcement"]["rules"] = rules
        evidence["commitment"] = canonical_sha256(evidence["announcement"])

    assert said in problem(resealed(evidence_for(PEOPLE), forge))


def test_any_changed_byte_is_found():
    """Each byte of the file, replaced by any of several others, dropped or doubled, makes it invalid."""
    content = evidence_for(
        PEOPLE[:9], (Tier(1, "Phone é", 9, 1, 1),), beacon="b", beacon_value="0" * 16
    )
    accepted = []
    for position, byte in enumerate(content):
        before, after = content[:position], content[position + 1 :]
        others = {byte ^ 1, byte ^ 32, ord("0"), ord(" "), ord("a"), 0xFF} - {byte}
        changed = [before + bytes([other]) + after for other in others]
        for wrong in (*changed, before + after, before + bytes([byte, byte]) + after):
            try:
                verify_evidence(wrong)
            except EvidenceInvalid:
                continue
            accepted.append((position, wrong))
    assert accepted == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e.update(seed="0" * 64), "the seed is not the one that was announced"),
        (
            lambda e: e["announcement"].update(total_entries=99),
            "the commitment is not the hash of the announcement",
        ),
        (
            lambda e: e["draws"][0].update(rank=2),
            "place number 1 is not who the seed draws",
        ),
        (
            lambda e: e["draws"].reverse(),
            "place number 1 is not who the seed draws",
        ),
        (lambda e: e["draws"].pop(), "5 places are listed, but the prizes have 6"),
        (
            lambda e: e["draws"][2].update(msisdn="2348031234567"),
            "place number 3 has no masked MSISDN",
        ),
        (
            lambda e: e.update(beacon_value="ab"),
            "a beacon's value belongs to a draw that named a beacon, and to no other",
        ),
        (
            lambda e: e.update(final_seed="0" * 64),
            "final_seed does not follow from announcement, seed and beacon",
        ),
        (
            lambda e: e["tree"]["open"].pop(),
            "the tree has a node without exactly its children",
        ),
        (
            lambda e: _first_row(e["tree"]).__setitem__(0, 0),
            "the tree has a row that is not entries and a hash",
        ),
        (
            lambda e: _first_row(e["tree"]).__setitem__(0, 77),
            "the tree does not have the announced root and entries",
        ),
        (
            lambda e: e.update(extra=1),
            (
                "the file is not evidence: its fields are not announcement, beacon_value, checksum, "
                "commitment, draws, final_seed, seed, tree"
            ),
        ),
    ],
)
def test_a_forger_with_a_fitting_checksum_is_found(change, said):
    """Without the checksum's help, each lie is found by what it contradicts."""
    assert problem(resealed(evidence_for(PEOPLE), change)) == said


def _first_row(node):
    while isinstance(node, dict):
        node = node["open"][0]
    return node


def test_evidence_of_another_list_does_not_have_the_commitment():
    """Evidence that holds in itself is refused if another commitment was published before the draw."""
    published = verify_evidence(evidence_for(PEOPLE)).commitment
    other = evidence_for(PEOPLE[1:])
    assert problem(other, commitment=published) == (
        f"the commitment is not {published}, which was published before"
    )
    assert verify_evidence(evidence_for(PEOPLE), commitment=published).commitment == published


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[1]\n", b"\xff", b"[" * 100_000, b"nul", b"1e400\n"]
)
def test_what_is_no_evidence_is_refused(content):
    """Any file gets an answer, not a traceback."""
    assert problem(content).startswith("the file ")


def test_the_order_of_participants_changes_nothing():
    """The same list in another order has the same evidence, byte by byte."""
    assert evidence_for(PEOPLE[::-1]) == evidence_for(PEOPLE)


def test_other_seeds_prizes_and_beacons_draw_others():
    """Each of them changes who wins."""

    def winners(**options):
        return [one["leaf"] for one in verify_evidence(evidence_for(PEOPLE, **options)).draws]

    first = winners()
    assert winners(seed="0" * 64) != first
    assert winners(beacon="b", beacon_value="0" * 16) != first
    assert winners(beacon="b", beacon_value="1" * 16) != winners(beacon="b", beacon_value="0" * 16)
    assert winners(tiers=(*PRIZES, Tier(3, "More", 1, 1)))[:4] != first[:4]


def test_evidence_is_small_and_shows_nobody():
    """It grows with the places, not with the list, and holds neither MSISDNs nor the key."""
    few, many = (
        evidence_for([(msisdn(n), 1 + n % 9) for n in range(size)]) for size in (300, 30_000)
    )
    assert len(many) < 4 * len(few) < 100_000
    assert KEY.encode() not in many
    assert not any(msisdn(n).encode() in many for n in range(30_000))


def test_the_pages_vectors_are_the_real_ones():
    """Salts, leaves, hashes and the evidence on the page are what the code gives."""
    people, values = [], {}
    for cells in table_rows(sections(_PAGE, level=2)["Test vectors"]):
        if len(cells) == 4:
            number, entries, salt, leaf = cells
            assert (salt_of(KEY, number), leaf_of(salt, number)) == (salt, leaf)
            people.append((number, int(entries)))
        else:
            values[cells[0]] = cells[1]
    content = evidence_for(people, (Tier(1, "Phone", 50_000, 1, 1),))
    evidence = json.loads(content)
    assert values == {name: {**evidence["announcement"], **evidence}[name] for name in values} != {}
    [block] = [block for block in blocks(_PAGE, "text") if block.text.startswith("{")]
    assert block.text.encode() == content
    assert hashlib.sha256(f"seed:{SEED}".encode()).hexdigest() == values["seed_commitment"]
    assert [place["ticket"] for place in from_the_page()(content)["draws"]] == [11, 5]


def test_whoever_verifies_needs_no_warehouse_and_no_list():
    """The verifier loads neither DuckDB nor numpy nor phonenumbers, and nothing that talks to PostHog."""
    code = "import sys, leadpipe.draws.verify; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "leadpipe.draws.verify" in loaded
    assert (
        loaded & {"duckdb", "numpy", "phonenumbers", "leadpipe.posthog", "leadpipe.warehouse"}
        == set()
    )
