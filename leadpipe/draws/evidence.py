"""Announce a draw, carry it out, and write its evidence: pure functions of the tree, prizes and seed.

What is stored of it is `drawing.py`'s business; checking it is `verify.py`'s, which trusts nothing here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from leadpipe.draws.hashing import (
    canonical_sha256,
    final_seed,
    seed_commitment,
)
from leadpipe.draws.prizes import Place, Tier, places_of, tiers_as_dicts
from leadpipe.draws.sampling import Drawn, draw, numbers
from leadpipe.draws.tree import SumTree
from leadpipe.errors import DrawImpossible

ALGORITHM = "leadpipe-draw-2"
PROOF = "leadpipe-proof-1"
MOST_ENTRIES = 2**53 - 1  # beyond that, JSON readers of other languages round


@dataclass(frozen=True)
class Terms:
    """What is fixed before a draw: which draw it is, its prizes, and the beacon named for it, if any.

    Args:
        rules: by which the list was built, zones included; published.
        inputs_sha256: the hash of all that the list depends on.
    """

    draw_id: str
    draw_date: date
    tiers: tuple[Tier, ...]
    rules: Mapping[str, Any]
    inputs_sha256: str
    beacon: str = ""
    supersedes: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """Who was drawn for a place: the leaf is the participant."""

    place: Place
    drawn: Drawn


def announce(terms: Terms, tree: SumTree, list_sha256: str, seed: str) -> dict[str, Any]:
    """What is published before the draw; its hash is the commitment.

    Raises:
        DrawImpossible: more places than participants, or too many entries.
    """
    places = len(places_of(terms.tiers))
    if places > tree.participants:
        raise DrawImpossible(
            f"The prizes have {places:,} winners and runner-ups, but only {tree.participants:,} "
            f"take part in the draw of {terms.draw_date}. Nothing was frozen; reduce the prizes."
        )
    if tree.total > MOST_ENTRIES:
        raise DrawImpossible(
            f"The draw of {terms.draw_date} has {tree.total} entries, more than {MOST_ENTRIES}"
        )
    return {
        "algorithm": ALGORITHM,
        "beacon": terms.beacon,
        "draw_date": terms.draw_date.isoformat(),
        "draw_id": terms.draw_id,
        "inputs_sha256": terms.inputs_sha256,
        "list_sha256": list_sha256,
        "participants": tree.participants,
        "prizes": tiers_as_dicts(terms.tiers),
        "reason": terms.reason,
        "root": tree.root,
        "rules": dict(terms.rules),
        "seed_commitment": seed_commitment(seed),
        "supersedes": terms.supersedes,
        "total_entries": tree.total,
    }


def carry_out(
    announcement: dict[str, Any],
    tiers: tuple[Tier, ...],
    tree: SumTree,
    *,
    seed: str,
    beacon_value: str,
) -> list[Outcome]:
    """Draw every place, in order; the same for the same announcement, seed and beacon value."""
    places = places_of(tiers)
    stream = numbers(final_seed(canonical_sha256(announcement), seed, beacon_value))
    drawn = draw(stream, total=tree.total, places=len(places), find=tree.find)
    return [Outcome(place, one) for place, one in zip(places, drawn, strict=True)]


def evidence_of(
    announcement: dict[str, Any],
    outcomes: list[Outcome],
    tree: SumTree,
    *,
    seed: str,
    beacon_value: str,
    label: Callable[[str], str],
) -> dict[str, Any]:
    """All that is needed to check the draw; `label` gives a leaf's masked MSISDN."""
    commitment = canonical_sha256(announcement)
    evidence: dict[str, Any] = {
        "announcement": announcement,
        "beacon_value": beacon_value,
        "commitment": commitment,
        "draws": [
            {
                "tier": outcome.place.tier.id,
                "is_runner_up": outcome.place.is_runner_up,
                "rank": outcome.place.rank,
                "ticket": outcome.drawn.ticket,
                "entries": outcome.drawn.interval.entries,
                "leaf": outcome.drawn.interval.leaf,
                "msisdn": label(outcome.drawn.interval.leaf),
            }
            for outcome in outcomes
        ],
        "final_seed": final_seed(commitment, seed, beacon_value),
        "seed": seed,
        "tree": tree.cut(outcome.drawn.interval.leaf for outcome in outcomes),
    }
    return {**evidence, "checksum": canonical_sha256(evidence)}


def proof_of(
    announcement: dict[str, Any], tree: SumTree, *, salt: str, leaf: str, entries: int
) -> dict[str, Any]:
    """What one participant is given: their salt, and the path from their leaf to the root; no MSISDN."""
    proof: dict[str, Any] = {
        "announcement": announcement,
        "commitment": canonical_sha256(announcement),
        "entries": entries,
        "format": PROOF,
        "salt": salt,
        "tree": tree.cut([leaf]),
    }
    return {**proof, "checksum": canonical_sha256(proof)}
