"""Freeze a date's list, carry out its draw, and keep both: what is stored of a draw, and when.

One draw stands for a date. Redone with a reason, the one before is kept as superseded.
"""

import re
import secrets
from datetime import date, datetime

import duckdb

from leadpipe.draws.evidence import Outcome, Terms, announce, carry_out, evidence_of
from leadpipe.draws.frozen_list import FrozenList, read_list
from leadpipe.draws.hashing import (
    LIST_KEY_HEX,
    SEED_HEX,
    canonical_json,
    canonical_sha256,
)
from leadpipe.draws.inputs import (
    RULES,
    blocked_participants,
    check_is_fresh,
    inputs_noted,
    inputs_sha256,
)
from leadpipe.draws.msisdn import masked
from leadpipe.draws.participants import built
from leadpipe.draws.prizes import Tier
from leadpipe.draws.register import Draw, draw_known, draw_of, frozen_list, secrets_of, withdraw
from leadpipe.draws.rules import Rules
from leadpipe.errors import AlreadyDrawn, ConfigurationError, DrawImpossible
from leadpipe.posthog.capture import event_uuid
from leadpipe.warehouse import transaction

_SEED = re.compile(rf"[0-9a-f]{{{SEED_HEX}}}", re.ASCII)
WINNER_EVENT, RUNNER_UP_EVENT = "draw_winner", "draw_runner_up"
_BEACON_VALUE = re.compile(r"[0-9a-f]{16,256}", re.ASCII)


def freeze(
    connection: duckdb.DuckDBPyConnection,
    draw_date: date,
    tiers: tuple[Tier, ...],
    *,
    rules: Rules,
    now: datetime,
    seed: str | None = None,
    beacon: str = "",
    redo_reason: str = "",
) -> tuple[Draw, FrozenList]:
    """Fix the list, the prizes and the seed of a date's draw, in one transaction.

    Args:
        connection: the warehouse.
        draw_date: the date whose participants were built.
        tiers: the prizes.
        rules: those of now; a list that was built by others, or of another blacklist, is refused.
        now: when (UTC).
        seed: 64 hexadecimal digits; by default random ones.
        beacon: a public source of randomness, named before its value is known.
        redo_reason: why the draw that stands is not to; needed if there is one.

    Returns:
        The draw, and its list, which `run` can use.

    Raises:
        AlreadyDrawn: there is a draw, and no reason to redo it.
        DrawImpossible: nobody takes part, fewer than there are places, events were not all read, or the
            list is older than what it depends on. A draw that is redone has the list of the one before.
    """
    if seed is not None and not _SEED.fullmatch(seed):
        raise ConfigurationError(f"The seed must be {SEED_HEX} hexadecimal digits, in lower case")
    standing = draw_of(connection, draw_date)
    if standing is not None and not redo_reason.strip():
        raise AlreadyDrawn(
            f"{draw_date} has the draw {standing.draw_id}, {standing.status} with the commitment "
            f"{standing.commitment}. To make another, say why: --redo REASON. The first stays on record."
        )
    _check_is_drawable(connection, draw_date)
    if standing is None:
        inputs = check_is_fresh(connection, draw_date, rules)
    else:
        inputs = inputs_noted(connection, draw_date)
    _check_nobody_is_blocked(connection, draw_date)
    list_key, seed = secrets.token_hex(LIST_KEY_HEX // 2), seed or secrets.token_hex(SEED_HEX // 2)
    attempts, before, withdrawn_reason = _attempts(connection, draw_date)
    attempt = attempts + 1
    terms = Terms(
        draw_id=f"draw-{draw_date}" + (f"-{attempt}" if attempt > 1 else ""),
        draw_date=draw_date,
        tiers=tiers,
        rules={name: inputs[name] for name in RULES},
        inputs_sha256=inputs_sha256(inputs, list_key),
        beacon=beacon.strip(),
        supersedes=before,
        reason=(redo_reason.strip() or withdrawn_reason) if before else "",
    )
    frozen = read_list(connection, draw_date, list_key)
    announcement = announce(terms, frozen.tree, frozen.sha256, seed)
    draw = Draw(
        terms.draw_id,
        draw_date,
        attempt,
        "frozen",
        canonical_sha256(announcement),
        announcement,
        now,
        None,
        None,
    )
    with transaction(connection, "participants"):
        if standing is not None:
            withdraw(connection, draw_date, terms.reason)
        connection.execute(
            "INSERT INTO draws VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, NULL, ?, NULL, NULL)",
            [
                draw.draw_id,
                draw_date,
                attempt,
                draw.status,
                frozen.tree.participants,
                frozen.tree.total,
                draw.commitment,
                canonical_json(announcement).decode().strip(),
                terms.supersedes or None,
                terms.reason or None,
                now,
            ],
        )
        connection.execute(
            "INSERT INTO draw_secrets VALUES (?, ?, ?)", [draw.draw_id, list_key, seed]
        )
    return draw, frozen


def _attempts(connection: duckdb.DuckDBPyConnection, draw_date: date) -> tuple[int, str, str]:
    """How many draws the date has had; the id of the last, and why it was withdrawn, if it was."""
    found = connection.execute(
        "SELECT attempt, draw_id, coalesce(withdrawn_reason, '') FROM draws "
        "WHERE draw_date = ? ORDER BY attempt DESC LIMIT 1",
        [draw_date],
    ).fetchone()
    return found or (0, "", "")


def _check_is_drawable(connection: duckdb.DuckDBPyConnection, draw_date: date) -> None:
    state = built(connection, draw_date)
    if not state.participants:
        raise DrawImpossible(
            f"Nobody is eligible for the draw of {draw_date}. If its participants were not built yet: "
            f"leadpipe draws participants {draw_date} --build"
        )
    if state.unread_days:
        raise DrawImpossible(
            f"{state.unread_days} days before {draw_date} were not read up to its beginning, so people may "
            f"be missing. Run leadpipe sync, then leadpipe draws participants {draw_date} --build"
        )


def _check_nobody_is_blocked(connection: duckdb.DuckDBPyConnection, draw_date: date) -> None:
    if blocked := blocked_participants(connection, draw_date):
        standing = draw_of(connection, draw_date)
        withdraw_first = f"leadpipe draws withdraw {draw_date} --reason REASON, then "
        raise DrawImpossible(
            f"{len(blocked):,} numbers on the list of {draw_date} are blacklisted on that date, first "
            f"{masked(blocked[0])}. Build the list again: {withdraw_first if standing else ''}"
            f"leadpipe draws participants {draw_date} --build"
        )


def run(
    connection: duckdb.DuckDBPyConnection,
    draw_date: date,
    *,
    now: datetime,
    beacon_value: str = "",
    frozen: FrozenList | None = None,
) -> Draw:
    """Carry out the frozen draw of a date, in one transaction; one already drawn stays as it is.

    Raises:
        UnknownDraw: nothing was frozen.
        ConfigurationError: a beacon was named but its value is missing, or the other way round.
        DrawImpossible: the list is not the one that was frozen, or has somebody who is blacklisted.
    """
    draw = draw_known(connection, draw_date)
    if draw.evidence is not None:
        return draw
    beacon = draw.announcement["beacon"]
    if bool(beacon) != bool(beacon_value):
        raise ConfigurationError(
            f"The draw of {draw_date} waits for {beacon!r}: give its value with --beacon-value"
            if beacon
            else f"The draw of {draw_date} was frozen without a beacon; it takes no --beacon-value"
        )
    if beacon_value and not _BEACON_VALUE.fullmatch(beacon_value):
        raise ConfigurationError(
            "The beacon's value must be 16 to 256 hexadecimal digits, in lower case"
        )
    _check_nobody_is_blocked(connection, draw_date)
    list_key, seed = secrets_of(connection, draw.draw_id)
    frozen = frozen or frozen_list(connection, draw, list_key)
    outcomes = carry_out(
        draw.announcement, draw.tiers, frozen.tree, seed=seed, beacon_value=beacon_value
    )
    with transaction(connection, "participants"):
        people = _people(connection, draw_date, frozen, outcomes)
        evidence = canonical_json(
            evidence_of(
                draw.announcement,
                outcomes,
                frozen.tree,
                seed=seed,
                beacon_value=beacon_value,
                label=lambda leaf: masked(people[leaf][0]),
            )
        )
        connection.execute(
            "UPDATE draws SET status = 'drawn', drawn_at = ?, beacon_value = ?, evidence = ? "
            "WHERE draw_id = ?",
            [now, beacon_value or None, evidence.decode(), draw.draw_id],
        )
        connection.executemany(
            "INSERT INTO draw_winners VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            [_winner(draw, outcome, *people[outcome.drawn.interval.leaf]) for outcome in outcomes],
        )
    return draw_known(connection, draw_date)


def _winner(draw: Draw, outcome: Outcome, msisdn: str, distinct_id: str) -> list[object]:
    place = outcome.place
    return [
        draw.draw_id,
        draw.draw_date,
        place.tier.id,
        place.tier.name,
        place.tier.value,
        place.is_runner_up,
        place.rank,
        msisdn,
        distinct_id,
        outcome.drawn.interval.entries,
        event_uuid(
            draw.commitment,
            RUNNER_UP_EVENT if place.is_runner_up else WINNER_EVENT,
            str(place.tier.id),
            str(place.rank),
        ),
    ]


def _people(
    connection: duckdb.DuckDBPyConnection,
    draw_date: date,
    frozen: FrozenList,
    outcomes: list[Outcome],
) -> dict[str, tuple[str, str]]:
    """MSISDN and distinct id of each leaf drawn."""
    leaves = {frozen.msisdn_of(leaf): leaf for leaf in (o.drawn.interval.leaf for o in outcomes)}
    rows = connection.execute(
        "SELECT msisdn, distinct_id FROM draw_participants "
        "WHERE draw_date = $draw_date AND msisdn IN (SELECT unnest($msisdns::VARCHAR[]))",
        {"draw_date": draw_date, "msisdns": sorted(leaves)},
    ).fetchall()
    return {leaves[msisdn]: (msisdn, distinct_id) for msisdn, distinct_id in rows}
