"""Who of the people that came to a listing on replaced days, or went, is there on other days, too.

`listing_people` has years of people. A filter a month says which of them it surely does not have
(`leadpipe/warehouse/filters.py`), so months are looked through, the latest first, for the few they may have.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import duckdb

from leadpipe.warehouse import (
    Hashes,
    KeyFilter,
    Keys,
    forget_filters,
    hashes_of,
    look_through,
    open_filters,
    remember_keys,
)

_NAME = "people-"
_MONTH = timedelta(days=31)
_CHANGED = """
    SELECT listing_id, is_lead, actor, pair FROM people_gone
    UNION
    SELECT listing_id, is_lead, actor, pair FROM people_fresh
"""

_UNSETTLED = """
    SELECT DISTINCT pair AS hash FROM people_changed
    WHERE (listing_id, is_lead, actor) NOT IN (
        SELECT (listing_id, is_lead, actor) FROM people_found WHERE is_elsewhere
    )
"""


def find_people(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `people_found`: those of `people_gone` and `people_fresh` that are there on any day.

    Of each `is_elsewhere` says whether it is a day that was not replaced. The tables are those of
    `listings.py`, in its transaction; `listing_people` is as it is now.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE people_changed AS {_CHANGED}")
    months = _months_of(connection, "SELECT event_date FROM listing_day_builds")
    replaced = _months_of(connection, "SELECT date FROM replaced_days")
    known = open_filters(connection, [_keys(month) for month in sorted({*months, *replaced})])
    looked = replaced if known is not None else sorted({*months, *replaced})
    spans = " OR ".join(_span(month) for month in looked)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE people_found AS
        SELECT listing_id, is_lead, actor, pair,
               bool_or(date NOT IN (SELECT date FROM replaced_days)) AS is_elsewhere
        FROM listing_people
        WHERE pair IN (SELECT pair FROM people_changed) AND ({spans})
        GROUP BY listing_id, is_lead, actor, pair
    """)
    if known is None:
        return
    by_name = {each.keys.name: each for each in known}
    others = [by_name[_name(month)] for month in sorted({*months} - {*replaced}, reverse=True)]

    def look(month: KeyFilter, pairs: Hashes) -> Hashes:
        connection.execute(
            "INSERT INTO people_found "
            "SELECT DISTINCT listing_id, is_lead, actor, pair, true FROM listing_people "
            f"WHERE {_span(_month_of(month))} AND pair IN (SELECT unnest($pairs::UBIGINT[]))",
            {"pairs": pairs.tolist()},
        )
        return hashes_of(connection, _UNSETTLED)

    look_through(others, hashes_of(connection, _UNSETTLED), look)
    for month in replaced:
        of_month = f"SELECT pair AS hash FROM people_fresh WHERE {_span(month)}"
        remember_keys(connection, by_name[_name(month)], hashes_of(connection, of_month))


def forget_people(connection: duckdb.DuckDBPyConnection) -> None:
    """Have all filters made anew, as the table was."""
    forget_filters(connection, _NAME)


def _keys(month: date) -> Keys:
    query = f"SELECT pair AS hash FROM listing_people WHERE {_span(month)}"
    return Keys(_name(month), lambda: [query])


def _name(month: date) -> str:
    return f"{_NAME}{month:%Y-%m}"


def _month_of(known: KeyFilter) -> date:
    return date.fromisoformat(f"{known.keys.name.removeprefix(_NAME)}-01")


def _span(month: date) -> str:
    last = (month + _MONTH).replace(day=1) - timedelta(days=1)
    return f"date BETWEEN DATE '{month}' AND DATE '{last}'"


def _months_of(connection: duckdb.DuckDBPyConnection, days: str) -> Sequence[date]:
    return [
        month
        for (month,) in connection.execute(
            "SELECT DISTINCT CAST(date_trunc('month', day) AS DATE) "
            f"FROM ({days}) AS days(day) ORDER BY ALL"
        ).fetchall()
    ]
