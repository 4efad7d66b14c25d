"""The blacklist: who may not take part, from one draw date to another, as people edit it.

Dates are draw dates. What was true for a draw that has begun stays so unless somebody says explicitly
that history was different: then lists of past dates change when they are built again, frozen ones do not.
"""

import csv
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from leadpipe.draws.msisdn import masked, normal_msisdn
from leadpipe.errors import ConfigurationError

_COLUMNS = ("msisdn", "blocked_from", "blocked_until", "reason")
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Block:
    """One person may not take part in the draws of these dates, both inclusive; None is for good."""

    msisdn: str
    blocked_from: date
    blocked_until: date | None
    reason: str = ""


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
    is_backdated: bool = False,
) -> int:
    """Add blocks, all or none; run it inside a transaction. Those already there are not added again.

    Raises:
        ConfigurationError: a block ends before it begins, begins in the past without `is_backdated`,
            or overlaps another block of the same number.
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
        _check_is_no_past(where, block.blocked_from, now, is_backdated=is_backdated)
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
                block.reason[:_LONGEST_REASON],
                author,
                now,
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
    _check_is_no_past(masked(msisdn), until + timedelta(days=1), now, is_backdated=is_backdated)
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


def _check_is_no_past(where: str, first: date, now: datetime, *, is_backdated: bool) -> None:
    if first <= now.date() and not is_backdated:
        raise ConfigurationError(
            f"{where}: this would change the draw of {first}, which has begun. The first that can be "
            f"changed is {now.date() + timedelta(days=1)}. If history really was different, add --backdate."
        )


def read_blocks(path: Path, *, region: str, default_from: date) -> list[Block]:
    """Blocks of a CSV file with the columns msisdn and, where wanted, blocked_from, blocked_until, reason.

    Raises:
        ConfigurationError: a line cannot be read; it names the line, not the number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            unknown = sorted(set(reader.fieldnames or ()) - set(_COLUMNS))
            if unknown or "msisdn" not in (reader.fieldnames or ()):
                raise ConfigurationError(
                    f"{path}: the first line must name the columns {', '.join(_COLUMNS)}"
                )
            return [
                _read_block(row, f"{path}, line {reader.line_num}", region, default_from)
                for row in reader
            ]
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {path}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path} is no CSV file in UTF-8") from error


def _read_block(row: dict[str, str], where: str, region: str, default_from: date) -> Block:
    try:
        return Block(
            read_msisdn(row["msisdn"] or "", region=region),
            date.fromisoformat(row["blocked_from"]) if row.get("blocked_from") else default_from,
            date.fromisoformat(row["blocked_until"]) if row.get("blocked_until") else None,
            (row.get("reason") or "").strip(),
        )
    except (ConfigurationError, ValueError, AttributeError) as error:
        said = (
            error if isinstance(error, ConfigurationError) else "a date is not written 2026-11-20"
        )
        raise ConfigurationError(f"{where}: {said}") from None
