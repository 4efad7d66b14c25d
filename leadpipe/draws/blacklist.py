"""The blacklist: who may not take part, from one draw date to another, as people edit it.

Dates are draw dates. What was true for a draw that has begun stays so unless somebody says explicitly
that history was different: then lists of past dates change when they are built again, frozen ones do not.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from leadpipe.draws.msisdn import masked, normal_msisdn
from leadpipe.errors import ConfigurationError
from leadpipe.zones import begin_of, day_in

_LONGEST_REASON = 500


@dataclass(frozen=True)
class Block:
    """One person may not take part in the draws of these dates, both inclusive; None is for good.

    Who says so and when is empty for a block that is said now.
    """

    msisdn: str
    blocked_from: date
    blocked_until: date | None
    reason: str = ""
    author: str = ""
    edited_at: datetime | None = None


def read_msisdn(spelling: str, *, region: str) -> str:
    """A number a person typed, as E.164 digits.

    Raises:
        ConfigurationError: it is no phone number; the message does not repeat it.
    """
    msisdn = normal_msisdn(spelling.strip(), region=region)
    if msisdn is None:
        raise ConfigurationError(
            f"The MSISDN ({len(spelling)} characters) is no valid phone number; write it as "
            "+2348031234567 or 08031234567"
        )
    return msisdn


def add_blocks(
    connection: duckdb.DuckDBPyConnection,
    blocks: list[Block],
    *,
    author: str,
    now: datetime,
    zone: str,
    is_backdated: bool = False,
) -> int:
    """Add blocks, all or none; run it inside a transaction. Those already there are not added again.

    Args:
        connection: the warehouse.
        blocks: what to add.
        author: who says so, where a block does not name its own.
        now: when (UTC), likewise.
        zone: the time zone whose days draw dates are.
        is_backdated: draw dates that have begun may be changed, too.

    Raises:
        ConfigurationError: a block ends before it begins, begins in the past without `is_backdated`,
            overlaps another block of the same number, or its number takes part in a draw that stands.
    """
    added = 0
    for number, block in enumerate(blocks, 1):
        where = f"Block {number} ({masked(block.msisdn)})"
        if block.blocked_until is not None and block.blocked_until < block.blocked_from:
            raise ConfigurationError(
                f"{where} ends on {block.blocked_until}, before it begins on {block.blocked_from}"
            )
        overlapping = connection.execute(
            "SELECT blocked_from, blocked_until, reason FROM blacklist WHERE msisdn = $msisdn "
            "AND blocked_from <= coalesce($until, 'infinity'::DATE) "
            "AND coalesce(blocked_until, 'infinity'::DATE) >= $begin ORDER BY blocked_from",
            {"msisdn": block.msisdn, "begin": block.blocked_from, "until": block.blocked_until},
        ).fetchall()
        if (block.blocked_from, block.blocked_until, block.reason) in overlapping:
            continue
        _check_is_no_past(where, block.blocked_from, now, zone, is_backdated=is_backdated)
        _check_takes_no_part(connection, where, block)
        if len(block.reason) > _LONGEST_REASON:
            raise ConfigurationError(
                f"{where} has a reason of {len(block.reason):,} characters; {_LONGEST_REASON} fit"
            )
        if overlapping:
            begin, until, _ = overlapping[0]
            raise ConfigurationError(
                f"{where} overlaps the block from {begin} to {until or 'for good'}; "
                "end that one first: leadpipe draws blacklist remove"
            )
        connection.execute(
            "INSERT INTO blacklist VALUES (?, ?, ?, ?, ?, ?)",
            [
                block.msisdn,
                block.blocked_from,
                block.blocked_until,
                block.reason,
                block.author or author,
                block.edited_at or now,
            ],
        )
        added += 1
    return added


def end_block(
    connection: duckdb.DuckDBPyConnection,
    msisdn: str,
    *,
    until: date,
    author: str,
    now: datetime,
    zone: str,
    is_backdated: bool = False,
) -> None:
    """Let a person take part again after a date; run it inside a transaction.

    Raises:
        ConfigurationError: the number has no block after that date, or the date is past.
    """
    open_blocks = connection.execute(
        "SELECT blocked_from FROM blacklist WHERE msisdn = $msisdn "
        "AND coalesce(blocked_until, 'infinity'::DATE) > $until",
        {"msisdn": msisdn, "until": until},
    ).fetchall()
    if not open_blocks:
        raise ConfigurationError(f"{masked(msisdn)} is not blocked after {until}")
    _check_is_no_past(
        masked(msisdn), until + timedelta(days=1), now, zone, is_backdated=is_backdated
    )
    connection.execute(
        "UPDATE blacklist SET blocked_until = $until, author = $author, edited_at = $now "
        "WHERE msisdn = $msisdn AND coalesce(blocked_until, 'infinity'::DATE) > $until",
        {"msisdn": msisdn, "until": until, "author": author, "now": now},
    )
    # One that would have begun later never does.
    connection.execute(
        "DELETE FROM blacklist WHERE msisdn = $msisdn AND blocked_until < blocked_from",
        {"msisdn": msisdn},
    )


def _check_is_no_past(
    where: str, first: date, now: datetime, zone: str, *, is_backdated: bool
) -> None:
    if begin_of(first, zone) <= now and not is_backdated:
        raise ConfigurationError(
            f"{where}: this would change the draw of {first}, which has begun. The first that can be "
            f"changed is {day_in(zone, now) + timedelta(days=1)}. If history really was different, add "
            "--backdate."
        )


def _check_takes_no_part(connection: duckdb.DuckDBPyConnection, where: str, block: Block) -> None:
    """A draw that stands has whom it has: nobody on its list can be blocked on its date afterwards."""
    found = connection.execute(
        "SELECT draw_id, draw_date, status FROM draws JOIN draw_participants USING (draw_date) "
        "WHERE msisdn = $msisdn AND status <> 'superseded' AND draw_date >= $begin "
        "AND draw_date <= coalesce($until, 'infinity'::DATE) ORDER BY draw_date",
        {"msisdn": block.msisdn, "begin": block.blocked_from, "until": block.blocked_until},
    ).fetchall()
    if found:
        draw_id, draw_date, status = found[0]
        more = f" (and {len(found) - 1:,} later ones)" if len(found) > 1 else ""
        raise ConfigurationError(
            f"{where} takes part in {draw_id}{more}, which is {status}. If they must not win, withdraw it "
            f"first: leadpipe draws withdraw {draw_date} --reason REASON. Else begin the block later: --from"
        )
