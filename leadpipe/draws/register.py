"""The register of draws: which stands for a date, its list and secrets, a participant's proof of being in it.

Making a draw is `drawing.py`'s business.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from leadpipe.draws.evidence import proof_of
from leadpipe.draws.frozen_list import FrozenList, read_list
from leadpipe.draws.hashing import canonical_json, leaf_of, salt_of, seed_commitment
from leadpipe.draws.msisdn import masked
from leadpipe.draws.prizes import Tier, check_tiers
from leadpipe.errors import AlreadyDrawn, DrawImpossible, UnknownDraw


@dataclass(frozen=True)
class Draw:
    """A draw as it is stored; `evidence` is None until it is drawn."""

    draw_id: str
    draw_date: date
    attempt: int
    status: str
    commitment: str
    announcement: dict[str, Any]
    frozen_at: datetime
    drawn_at: datetime | None
    evidence: bytes | None

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The announced prizes."""
        return check_tiers(self.announcement["prizes"])


def draw_of(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Draw | None:
    """The draw that stands for a date, frozen or drawn."""
    found = connection.execute(
        "SELECT draw_id, draw_date, attempt, status, commitment, announcement, frozen_at, drawn_at, "
        "evidence FROM draws WHERE draw_date = ? AND status <> 'superseded'",
        [draw_date],
    ).fetchone()
    if found is None:
        return None
    draw_id, day, attempt, status, commitment, announcement, frozen_at, drawn_at, evidence = found
    return Draw(
        draw_id,
        day,
        attempt,
        status,
        commitment,
        json.loads(announcement),
        frozen_at,
        drawn_at,
        evidence.encode() if evidence else None,
    )


def draw_known(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Draw:
    """The draw that stands for a date.

    Raises:
        UnknownDraw: nothing was frozen.
    """
    found = draw_of(connection, draw_date)
    if found is None:
        raise UnknownDraw(
            f"There is no draw of {draw_date}. Make one: leadpipe draws run {draw_date} --prizes prizes.toml"
        )
    return found


def withdraw(connection: duckdb.DuckDBPyConnection, draw_date: date, reason: str) -> Draw:
    """Let the draw of a date not stand any more; it stays on record. Run it inside a transaction.

    Its list is free again: it can be built anew, frozen and drawn from.

    Raises:
        UnknownDraw: the date has no draw that stands.
    """
    draw = draw_known(connection, draw_date)
    connection.execute(
        "UPDATE draws SET status = 'superseded', withdrawn_reason = ? WHERE draw_id = ?",
        [reason, draw.draw_id],
    )
    return draw


def check_same(draw: Draw, tiers: tuple[Tier, ...] | None, *, seed: str | None) -> None:
    """Refuse what a person gives again for a draw that is frozen, unless it is the same.

    Raises:
        AlreadyDrawn: other prizes, or another seed.
    """
    other = "other prizes" if tiers is not None and tiers != draw.tiers else ""
    if seed is not None and seed_commitment(seed) != draw.announcement["seed_commitment"]:
        other = "another seed"
    if other:
        raise AlreadyDrawn(
            f"{draw.draw_id} was frozen with {other}. Leave --{other.split()[1]} out to go on with it, or "
            "make another draw with --redo REASON."
        )


def frozen_list(connection: duckdb.DuckDBPyConnection, draw: Draw, list_key: str) -> FrozenList:
    """The list of a draw, which must be the announced one.

    Raises:
        DrawImpossible: the list is not the one that was frozen.
    """
    frozen = read_list(connection, draw.draw_date, list_key)
    if frozen.tree.root != draw.announcement["root"]:
        raise DrawImpossible(
            f"The participants of {draw.draw_date} are no longer those that {draw.draw_id} froze. "
            "Restore the warehouse from a backup, or redo the draw with a reason."
        )
    return frozen


def secrets_of(connection: duckdb.DuckDBPyConnection, draw_id: str) -> tuple[str, str]:
    """The key that hides the list, and the seed.

    Raises:
        UnknownDraw: the warehouse does not have them.
    """
    found = connection.execute(
        "SELECT list_key, seed FROM draw_secrets WHERE draw_id = ?", [draw_id]
    ).fetchone()
    if found is None:
        raise UnknownDraw(f"The warehouse has no key and seed of {draw_id}; was it restored?")
    return found[0], found[1]


def proof(connection: duckdb.DuckDBPyConnection, draw_date: date, msisdn: str) -> bytes:
    """The proof of one participant's entries in the draw of a date, as the file they are given.

    Raises:
        UnknownDraw: there is no draw, or they do not take part.
    """
    draw = draw_known(connection, draw_date)
    found = connection.execute(
        "SELECT entries FROM draw_participants WHERE draw_date = ? AND msisdn = ?",
        [draw_date, msisdn],
    ).fetchone()
    if found is None:
        raise UnknownDraw(f"{masked(msisdn)} does not take part in the draw of {draw_date}")
    list_key, _ = secrets_of(connection, draw.draw_id)
    salt = salt_of(list_key, msisdn)
    return canonical_json(
        proof_of(
            draw.announcement,
            frozen_list(connection, draw, list_key).tree,
            salt=salt,
            leaf=leaf_of(salt, msisdn),
            entries=int(found[0]),
        )
    )
