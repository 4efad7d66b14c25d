"""What a date's list depends on: gathered, compared with what it is now, and hashed into the announcement.

Building the list of it is `participants.py`'s business.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb

from leadpipe.draws.hashing import canonical_json, sha256_hex
from leadpipe.draws.msisdn import READING
from leadpipe.draws.rules import NAIRA_PER_POINT, Rules
from leadpipe.errors import DrawImpossible
from leadpipe.warehouse import read_sql

Inputs = Mapping[str, Any]
"""What a list depends on, as JSON; `RULES` of it are published with the draw, the rest only in a hash."""

RULES = (
    "begins_at",
    "blacklisted",
    "draw_timezone",
    "max_recharge_naira",
    "naira_per_point",
    "naive_timezone",
    "phone_numbers",
    "phone_region",
    "promotion_start",
)

# What differs, in words; {before} and {now} are its values. In the order in which a person is told.
_CHANGES = {
    "draw_timezone": "LEADPIPE_DRAW_TIMEZONE is {now}, it was {before}",
    "begins_at": "the date begins at {now}, it began at {before}",
    "naive_timezone": "LEADPIPE_NAIVE_TIMEZONE is {now}, it was {before}",
    "promotion_start": "LEADPIPE_PROMOTION_START is {now}, it was {before}",
    "max_recharge_naira": "LEADPIPE_MAX_RECHARGE_NAIRA is {now}, it was {before}",
    "phone_region": "LEADPIPE_PHONE_REGION is {now}, it was {before}",
    "phone_numbers": "phone numbers are read by {now}, they were by {before}",
    "naira_per_point": "a point takes {now} naira, it took {before}",
    "blacklisted": "{now} numbers are blacklisted on the date, {before} were",
    "blacklist": "other numbers are blacklisted on the date",
    "recharges": "{now} recharge events count as received, {before} did",
    "recharges_fingerprint": "recharge events have changed",
    "unread_days": "{now} days before the date are not read, {before} were not",
}

# A difference that another one says better.
_SAID_BY = {
    "begins_at": "draw_timezone",
    "blacklist": "blacklisted",
    "recharges_fingerprint": "recharges",
}

_NOT_NOTED = "The list of {draw_date} was built by a leadpipe that did not note what it depends on."


def inputs_of(connection: duckdb.DuckDBPyConnection, draw_date: date, rules: Rules) -> Inputs:
    """What the list of a date depends on now."""
    begins_at = rules.begins_at(draw_date)
    blocked = [
        msisdn
        for (msisdn,) in connection.execute(
            f"{read_sql('draws', 'blocked.sql')} ORDER BY msisdn", {"draw_date": draw_date}
        ).fetchall()
    ]
    recharges, fingerprint = connection.execute(
        read_sql("draws", "recharge_inputs.sql"), {"begins_at": begins_at}
    ).fetchall()[0]
    return {
        "begins_at": f"{begins_at:%Y-%m-%dT%H:%M:%SZ}",
        "blacklist": sha256_hex("\n".join(blocked)),
        "blacklisted": len(blocked),
        "draw_timezone": rules.draw_timezone,
        "max_recharge_naira": rules.max_recharge_naira,
        "naira_per_point": NAIRA_PER_POINT,
        "naive_timezone": rules.naive_timezone,
        "phone_numbers": READING,
        "phone_region": rules.phone_region,
        "promotion_start": rules.promotion_start.isoformat() if rules.promotion_start else "",
        "recharges": recharges,
        "recharges_fingerprint": fingerprint,
        "unread_days": unread_days(connection, draw_date, rules),
    }


def unread_days(connection: duckdb.DuckDBPyConnection, draw_date: date, rules: Rules) -> int:
    """How many days were not read up to the beginning of a date."""
    found = connection.execute(
        f"SELECT count(*) FROM ({read_sql('draws', 'unread_days.sql')})",
        {"first_day": rules.first_loaded_day, "begins_at": rules.begins_at(draw_date)},
    ).fetchone()
    return int(found[0]) if found else 0


def inputs_built(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Inputs | None:
    """What the list of a date was built from; None if an older version built it, or nobody did."""
    found = connection.execute(
        "SELECT inputs FROM draw_participant_builds WHERE draw_date = ?", [draw_date]
    ).fetchone()
    if found is None or found[0] is None:
        return None
    inputs: Inputs = json.loads(found[0])
    return inputs


def as_text(inputs: Inputs) -> str:
    """The inputs as they are stored and hashed."""
    return canonical_json(inputs).decode().strip()


def inputs_sha256(inputs: Inputs, list_key: str) -> str:
    """What is announced of all inputs; without the key no blacklist can be tried against it."""
    return sha256_hex(f"inputs:{list_key}:{as_text(inputs)}")


def changes(before: Inputs, now: Inputs) -> list[str]:
    """What differs, in words."""
    differing = {name for name in _CHANGES if before.get(name) != now.get(name)}
    return [
        words.format(now=_said(now.get(name)), before=_said(before.get(name)))
        for name, words in _CHANGES.items()
        if name in differing and _SAID_BY.get(name) not in differing
    ]


def staleness(connection: duckdb.DuckDBPyConnection, draw_date: date, rules: Rules) -> str | None:
    """Why the list of a date has to be built again before it can be frozen; None if it has not."""
    before = inputs_built(connection, draw_date)
    if before is None:
        return _NOT_NOTED.format(draw_date=draw_date)
    found = changes(before, inputs_of(connection, draw_date, rules))
    if found:
        return f"The list of {draw_date} is older than what it depends on: {'; '.join(found)}."
    return None


def check_is_fresh(connection: duckdb.DuckDBPyConnection, draw_date: date, rules: Rules) -> Inputs:
    """The inputs of a date's list, which must be those of now.

    Raises:
        DrawImpossible: the list is older than something it depends on; the message says than what.
    """
    if stale := staleness(connection, draw_date, rules):
        raise DrawImpossible(
            f"{stale} Build it again: leadpipe draws participants {draw_date} --build"
        )
    return inputs_noted(connection, draw_date)


def inputs_noted(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Inputs:
    """The inputs of a date's list, whatever is the case now.

    Raises:
        DrawImpossible: an older version built it, which did not note them.
    """
    noted = inputs_built(connection, draw_date)
    if noted is None:
        raise DrawImpossible(
            f"{_NOT_NOTED.format(draw_date=draw_date)} Withdraw its draw and build it again: leadpipe draws "
            f"withdraw {draw_date} --reason REASON, then leadpipe draws participants {draw_date} --build"
        )
    return noted


def blocked_participants(connection: duckdb.DuckDBPyConnection, draw_date: date) -> list[str]:
    """Numbers on the date's list that the blacklist has for that date: none may win."""
    return [
        msisdn
        for (msisdn,) in connection.execute(
            "SELECT msisdn FROM draw_participants WHERE draw_date = $draw_date "
            f"AND msisdn IN ({read_sql('draws', 'blocked.sql')}) ORDER BY msisdn",
            {"draw_date": draw_date},
        ).fetchall()
    ]


def _said(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return str(value) if value else "unset"
