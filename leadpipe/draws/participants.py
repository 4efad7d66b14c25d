"""Build `draw_participants`: who takes part on each date, and what was rejected.

A date that a draw has frozen keeps its list. Who is on the blacklist is `blacklist.py`'s business.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb

from leadpipe.draws.inputs import as_text, inputs_of
from leadpipe.draws.msisdn import MASKED_SQL, is_decimal, normal_msisdn, region_named
from leadpipe.draws.rules import NAIRA_PER_POINT, Rules
from leadpipe.warehouse import Rows, read_sql, rows_of, stamp, transaction

_NO_NUMBER = "msisdn is no phone number"
_DECIMAL = "msisdn is a decimal number and no phone number (made by a spreadsheet?)"


@dataclass(frozen=True)
class Build:
    """One date's list: its size, and what kept it from being complete or new."""

    draw_date: date
    participants: int
    total_entries: int
    recharges: int
    blacklisted: int
    unread_days: int
    rejected: dict[str, int]
    is_frozen: bool = False
    differences: int = 0


@contextmanager
def typed_recharges(connection: duckdb.DuckDBPyConnection, rules: Rules) -> Iterator[None]:
    """Have the temporary table `recharges`: all recharge events, typed, with one spelling a number."""
    region = region_named(rules.phone_region)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE recharges AS {read_sql('draws', 'recharges.sql')}",
        {
            "max_recharge_naira": rules.max_recharge_naira,
            "mobile_pattern": region.mobile_pattern,
            "country_code": region.country_code,
            "naive_timezone": rules.naive_timezone,
        },
    )
    try:
        _read_odd_spellings(connection, region.name)
        yield
    finally:
        connection.execute("DROP TABLE recharges")


def _read_odd_spellings(connection: duckdb.DuckDBPyConnection, region: str) -> None:
    odd = [
        spelling
        for (spelling,) in connection.execute(
            "SELECT DISTINCT spelling FROM recharges "
            "WHERE msisdn IS NULL AND reason IS NULL AND refund_of IS NULL"
        ).fetchall()
    ]
    msisdns = [normal_msisdn(spelling, region=region) for spelling in odd]
    connection.execute(
        """
        UPDATE recharges SET
            msisdn = odd.msisdn,
            reason = odd.reason
        FROM (
            SELECT unnest($spellings::VARCHAR[]) AS spelling, unnest($msisdns::VARCHAR[]) AS msisdn,
                   unnest($reasons::VARCHAR[]) AS reason
        ) AS odd
        WHERE recharges.spelling = odd.spelling
          AND recharges.msisdn IS NULL AND recharges.reason IS NULL AND refund_of IS NULL
        """,
        {
            "spellings": odd,
            "msisdns": msisdns,
            "reasons": [
                None if msisdn else _DECIMAL if is_decimal(spelling) else _NO_NUMBER
                for spelling, msisdn in zip(odd, msisdns, strict=True)
            ],
        },
    )


def build_participants(
    connection: duckdb.DuckDBPyConnection, first: date, last: date, *, rules: Rules, now: datetime
) -> list[Build]:
    """Replace the lists of a range of dates, both ends inclusive, a transaction a date.

    A date with a draw that was frozen or drawn is compared instead, and stays.
    """
    with typed_recharges(connection, rules):
        builds: list[Build] = []
        for offset in range((last - first).days + 1):
            draw_date = first + timedelta(days=offset)
            with transaction(connection, "participants"):
                stamp(connection, f"participants of {draw_date}")
                builds.append(_build(connection, draw_date, rules, now))
    return builds


def _build(
    connection: duckdb.DuckDBPyConnection, draw_date: date, rules: Rules, now: datetime
) -> Build:
    day = {"draw_date": draw_date}
    window = {
        **day,
        "begins_at": rules.begins_at(draw_date),
        "promotion_begins_at": rules.promotion_begins_at,
    }
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE blocked AS {read_sql('draws', 'blocked.sql')}", day
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE built AS {read_sql('draws', 'participants.sql')}",
        {**window, "naira_per_point": NAIRA_PER_POINT},
    )
    try:
        if is_frozen(connection, draw_date):
            return _compare(connection, draw_date)
        for table in ("draw_participants", "draw_rejections", "draw_participant_builds"):
            connection.execute(f"DELETE FROM {table} WHERE draw_date = $draw_date", day)
        connection.execute("INSERT INTO draw_participants FROM built ORDER BY msisdn")
    finally:
        connection.execute("DROP TABLE built; DROP TABLE blocked")
    connection.execute(
        f"INSERT INTO draw_rejections {read_sql('draws', 'rejections.sql')}",
        {**window, "day_before_begins_at": rules.begins_at(draw_date - timedelta(days=1))},
    )
    note_build(connection, draw_date, rules, now)
    return built(connection, draw_date)


def note_build(
    connection: duckdb.DuckDBPyConnection, draw_date: date, rules: Rules, now: datetime
) -> None:
    """Note of the date's list, which is there, how large it is and what it depends on."""
    inputs = inputs_of(connection, draw_date, rules)
    connection.execute(
        """
        INSERT INTO draw_participant_builds BY NAME
        SELECT $draw_date AS draw_date, count(*) AS participants,
               coalesce(sum(entries), 0) AS total_entries, coalesce(sum(recharges), 0) AS recharges,
               $blacklisted AS blacklisted, $unread_days AS unread_days,
               $promotion_start AS promotion_start, $max_recharge_naira AS max_recharge_naira,
               $phone_region AS phone_region, $draw_timezone AS draw_timezone,
               $naive_timezone AS naive_timezone, $begins_at AS begins_at, $inputs AS inputs,
               $now AS built_at
        FROM draw_participants WHERE draw_date = $draw_date
        """,
        {
            "draw_date": draw_date,
            "blacklisted": inputs["blacklisted"],
            "unread_days": inputs["unread_days"],
            "promotion_start": rules.promotion_start,
            "max_recharge_naira": rules.max_recharge_naira,
            "phone_region": rules.phone_region,
            "draw_timezone": rules.draw_timezone,
            "naive_timezone": rules.naive_timezone,
            "begins_at": rules.begins_at(draw_date),
            "inputs": as_text(inputs),
            "now": now,
        },
    )


def is_frozen(connection: duckdb.DuckDBPyConnection, draw_date: date) -> bool:
    """Whether a draw that stands has the date's list."""
    found = connection.execute(
        "SELECT 1 FROM draws WHERE draw_date = ? AND status <> 'superseded'", [draw_date]
    ).fetchone()
    return found is not None


def _compare(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Build:
    found = connection.execute(
        """
        SELECT count(*) FROM built
        FULL JOIN (FROM draw_participants WHERE draw_date = $draw_date) AS frozen USING (msisdn)
        WHERE built.entries IS DISTINCT FROM frozen.entries
        """,
        {"draw_date": draw_date},
    ).fetchone()
    stored = built(connection, draw_date)
    return Build(
        **{**vars(stored), "is_frozen": True, "differences": int(found[0]) if found else 0}
    )


def built(connection: duckdb.DuckDBPyConnection, draw_date: date) -> Build:
    """What was built for a date, as it is stored; nothing but zeros if the date was never built."""
    found = connection.execute(
        "SELECT participants, total_entries, recharges, blacklisted, unread_days "
        "FROM draw_participant_builds WHERE draw_date = ?",
        [draw_date],
    ).fetchone()
    rejected = connection.execute(
        "SELECT reason, recharges FROM draw_rejections WHERE draw_date = ? "
        "ORDER BY recharges DESC, reason",
        [draw_date],
    ).fetchall()
    participants, entries, recharges, blacklisted, unread = found or (0,) * 5
    return Build(
        draw_date, participants, entries, recharges, blacklisted, unread, rejected=dict(rejected)
    )


def late_changes(
    connection: duckdb.DuckDBPyConnection,
    draw_date: date,
    *,
    rules: Rules,
    is_masked: bool = True,
) -> Rows:
    """Recharges and refunds from before a date that PostHog received after it began."""
    columns = f"* REPLACE ({MASKED_SQL} AS msisdn)" if is_masked else "*"
    with typed_recharges(connection, rules):
        return rows_of(
            connection.execute(
                f"SELECT {columns} FROM ({read_sql('draws', 'changes.sql')})",
                {
                    "begins_at": rules.begins_at(draw_date),
                    "promotion_begins_at": rules.promotion_begins_at,
                    "naira_per_point": NAIRA_PER_POINT,
                },
            )
        )
