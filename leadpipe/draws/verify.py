"""Check evidence and proofs, trusting nothing in them: pure Python, no warehouse, any machine.

The page docs/draws.md says the same in words. Making evidence is `evidence.py`'s business.
"""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from leadpipe.draws.hashing import (
    LIST_KEY_HEX,
    SEED_HEX,
    canonical_json,
    canonical_sha256,
    final_seed,
    leaf_of,
    seed_commitment,
)
from leadpipe.draws.opened_tree import check_is_small, fail, open_tree
from leadpipe.draws.prizes import check_tiers, places_of
from leadpipe.draws.sampling import Drawn, Interval, draw, numbers
from leadpipe.errors import ConfigurationError

_PROOF = "leadpipe-proof-1"
_MASKED = re.compile(r"[0-9]{1,6}\*{1,12}[0-9]{0,3}", re.ASCII)
_ANNOUNCED_1: dict[str, type] = {
    "algorithm": str,
    "beacon": str,
    "draw_date": str,
    "draw_id": str,
    "list_sha256": str,
    "participants": int,
    "prizes": list,
    "reason": str,
    "root": str,
    "seed_commitment": str,
    "supersedes": str,
    "total_entries": int,
}
# What an announcement has, by its algorithm: what older versions of leadpipe wrote stays valid.
_ANNOUNCED: dict[str, dict[str, type]] = {
    "leadpipe-draw-1": _ANNOUNCED_1,
    "leadpipe-draw-2": {**_ANNOUNCED_1, "inputs_sha256": str, "rules": dict},
}
_RULES: dict[str, type] = {
    "begins_at": str,
    "blacklisted": int,
    "draw_timezone": str,
    "max_recharge_naira": int,
    "naira_per_point": int,
    "naive_timezone": str,
    "phone_numbers": str,
    "phone_region": str,
    "promotion_start": str,
}
_LONGEST_OFFSET = timedelta(hours=24)
_EVIDENCE: dict[str, type] = {
    "announcement": dict,
    "beacon_value": str,
    "checksum": str,
    "commitment": str,
    "draws": list,
    "final_seed": str,
    "seed": str,
    "tree": dict,
}
_PROVED: dict[str, type] = {
    "announcement": dict,
    "checksum": str,
    "commitment": str,
    "entries": int,
    "format": str,
    "salt": str,
    "tree": dict,
}


@dataclass(frozen=True)
class Verified:
    """What holds: the announcement, its hash, and the places as the evidence lists them."""

    announcement: dict[str, Any]
    commitment: str
    draws: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class VerifiedProof:
    """What a proof shows: the MSISDN it was checked with has these entries in the announced list."""

    announcement: dict[str, Any]
    commitment: str
    entries: int
    leaf: str


def verify_evidence(content: bytes, *, commitment: str | None = None) -> Verified:
    """Recompute everything in a draw's evidence.

    Args:
        content: the file, byte by byte as it was published.
        commitment: as published before the draw; without it the evidence is only checked in itself.

    Raises:
        EvidenceInvalid: the first thing that does not hold.
    """
    evidence = _read(content, _EVIDENCE, "evidence")
    announcement = _announcement(evidence, commitment)
    seed, beacon_value = evidence["seed"], evidence["beacon_value"]
    if seed_commitment(seed) != announcement["seed_commitment"]:
        fail("the seed is not the one that was announced")
    if bool(beacon_value) != bool(announcement["beacon"]):
        fail("a beacon's value belongs to a draw that named a beacon, and to no other")
    stream_seed = final_seed(evidence["commitment"], seed, beacon_value)
    if evidence["final_seed"] != stream_seed:
        fail("final_seed does not follow from announcement, seed and beacon")
    intervals = open_tree(evidence["tree"], announcement)
    drawn = _draw_again(announcement, stream_seed, intervals)
    _check_places(evidence["draws"], drawn, announcement)
    check_is_small(evidence["tree"], {one.interval.leaf for one in drawn})
    return Verified(announcement, evidence["commitment"], tuple(evidence["draws"]))


def _draw_again(
    announcement: dict[str, Any], stream_seed: str, intervals: list[Interval]
) -> list[Drawn]:
    def find(position: int) -> Interval:
        after = bisect_right(intervals, position, key=lambda interval: interval.start)
        interval = intervals[after - 1]
        if not interval.start <= position < interval.start + interval.entries:
            fail(f"the tree does not show who has entry {position}")
        return interval

    places = len(places_of(check_tiers(announcement["prizes"])))
    if places > announcement["participants"]:
        fail("there are more places than participants")
    return draw(numbers(stream_seed), total=announcement["total_entries"], places=places, find=find)


def _check_places(listed: list[Any], drawn: list[Drawn], announcement: dict[str, Any]) -> None:
    places = places_of(check_tiers(announcement["prizes"]))
    if len(listed) != len(places):
        fail(f"{len(listed)} places are listed, but the prizes have {len(places)}")
    for number, (said, place, one) in enumerate(zip(listed, places, drawn, strict=True), 1):
        found = {
            "tier": place.tier.id,
            "is_runner_up": place.is_runner_up,
            "rank": place.rank,
            "ticket": one.ticket,
            "entries": one.interval.entries,
            "leaf": one.interval.leaf,
            "msisdn": "",
        }
        claim = {**said, "msisdn": ""} if isinstance(said, dict) else said
        if canonical_json(claim) != canonical_json(found):
            fail(f"place number {number} is not who the seed draws")
        if type(said.get("msisdn")) is not str or not _MASKED.fullmatch(said["msisdn"]):
            fail(f"place number {number} has no masked MSISDN")


def verify_proof(content: bytes, msisdn: str, *, commitment: str | None = None) -> VerifiedProof:
    """Recompute a participant's path to the announced root; the file itself does not hold their number.

    Args:
        content: the file, byte by byte.
        msisdn: theirs, as E.164 digits.
        commitment: as published before the draw.

    Raises:
        EvidenceInvalid: the first thing that does not hold.
    """
    proof = _read(content, _PROVED, "a proof")
    if proof["format"] != _PROOF:
        fail(f"this version checks {_PROOF}, not {proof['format']!r}")
    announcement = _announcement(proof, commitment)
    if not re.fullmatch(rf"[0-9a-f]{{{LIST_KEY_HEX}}}", proof["salt"], re.ASCII):
        fail("the salt is not 32 hexadecimal digits")
    leaf = leaf_of(proof["salt"], msisdn)
    entries = [one.entries for one in open_tree(proof["tree"], announcement) if one.leaf == leaf]
    if entries != [proof["entries"]]:
        fail("the tree does not have this MSISDN with these entries")
    check_is_small(proof["tree"], {leaf})
    return VerifiedProof(announcement, proof["commitment"], proof["entries"], leaf)


def is_proof(content: bytes) -> bool:
    """Whether a file says of itself that it is a participant's proof."""
    return b'"format":"leadpipe-proof-' in content


def _read(content: bytes, fields: dict[str, type], what: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
        canonical = canonical_json(value)
    except (ValueError, RecursionError):
        fail("the file is not JSON")
    if canonical != content:
        fail("the file was changed: it is not written the canonical way")
    _check_fields(value, fields, what)
    if canonical_sha256({k: v for k, v in value.items() if k != "checksum"}) != value["checksum"]:
        fail("the checksum does not fit the content")
    return value  # type: ignore[no-any-return]


def _check_fields(value: object, fields: dict[str, type], what: str) -> None:
    if not isinstance(value, dict) or set(value) != set(fields):
        fail(f"the file is not {what}: its fields are not {', '.join(sorted(fields))}")
    for name, kind in fields.items():
        if type(value[name]) is not kind:
            fail(f"{name} is no {kind.__name__}")


def _announcement(document: dict[str, Any], commitment: str | None) -> dict[str, Any]:
    announcement: dict[str, Any] = document["announcement"]
    fields = _ANNOUNCED.get(str(announcement.get("algorithm")))
    if fields is None:
        fail(f"this version checks {', '.join(_ANNOUNCED)}, not {announcement.get('algorithm')!r}")
    _check_fields(announcement, fields, "an announcement of a draw")
    if canonical_sha256(announcement) != document["commitment"]:
        fail("the commitment is not the hash of the announcement")
    if commitment is not None and commitment != document["commitment"]:
        fail(f"the commitment is not {commitment}, which was published before")
    if "rules" in announcement:
        _check_rules(announcement)
    try:
        date.fromisoformat(announcement["draw_date"])
        check_tiers(announcement["prizes"])
    except (ValueError, ConfigurationError) as error:
        fail(f"the announcement cannot be used: {error}")
    if not 1 <= announcement["participants"] <= announcement["total_entries"]:
        fail("there are not as many entries as participants")
    if len(document.get("seed", "0" * SEED_HEX)) != SEED_HEX:
        fail(f"the seed is not {SEED_HEX} hexadecimal digits")
    return announcement


def _check_rules(announcement: dict[str, Any]) -> None:
    """The rules are whole, and the date begins within a day of midnight UTC, as it does in every zone."""
    _check_fields(announcement["rules"], _RULES, "an announcement with its rules")
    if not re.fullmatch(r"[0-9a-f]{64}", announcement["inputs_sha256"], re.ASCII):
        fail("inputs_sha256 is no hash")
    try:
        begins_at = datetime.strptime(announcement["rules"]["begins_at"], "%Y-%m-%dT%H:%M:%S%z")
        midnight = datetime.combine(
            date.fromisoformat(announcement["draw_date"]), time(), tzinfo=UTC
        )
    except ValueError:
        fail("the draw date or its beginning is no time")
    if abs(begins_at - midnight) > _LONGEST_OFFSET:
        fail("the draw date does not begin when its rules say")
