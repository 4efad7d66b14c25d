"""What listings say of today: views and leads of yesterday, and which listings rise most.

Yesterday is the team's, hour by hour; it is held against an average day of the seven before it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from leadpipe.today.parts import Fact, Line, Look, Row, Section
from leadpipe.warehouse import read_sql
from leadpipe.zones import day_in

_LIST = "/listings"
_PLACE = 20
_DAYS_BEFORE = 7
_ROWS = 5
_STEP = "No listing was looked at in eight days. They are here after a sync that finds views of listings."


def today(look: Look) -> Iterator[Section | Line]:
    """Yesterday's views and leads, and the listings that rise most; summed once a publication and day."""
    begin, end = look.begin(days_ago=1), look.begin(days_ago=0)
    yield look.made(("listings of yesterday", begin, end), lambda: _summed(look, begin, end))


def _summed(look: Look, begin: datetime, end: datetime) -> Section:
    rows = look.query(
        read_sql("listings", "today.sql"),
        {
            "first": look.begin(days_ago=1 + _DAYS_BEFORE),
            "begin": begin,
            "end": end,
            "days": _DAYS_BEFORE,
        },
    )
    if not rows:
        return Section("Listings", _LIST, _PLACE, step=_STEP)
    [known] = look.query("SELECT max(read_until) AS until FROM event_days") or [{"until": None}]
    rising = [row for row in rows if row["views"] - row["views_before"] >= 1][:_ROWS]
    yesterday = day_in(look.zone, begin)
    path = f"{_LIST}?from={yesterday}&to={yesterday}"
    return Section(
        "Listings",
        _LIST,
        _PLACE,
        facts=[
            _fact(rows, "views", "views yesterday", path),
            _fact(rows, "leads", "contact actions yesterday", path),
        ],
        heading="Rising most",
        rows=[_row(row) for row in rising],
        as_of=known["until"],
    )


def _fact(rows: list[dict[str, Any]], column: str, label: str, path: str) -> Fact:
    count = sum(row[column] for row in rows)
    before = sum(row[f"{column}_before"] for row in rows)
    note = f"{_plain(before)} on a day of the week before"
    return Fact(f"{count:,}", label, path, note=note, said=f"{count:,} {label} ({note})")


def _row(row: Mapping[str, Any]) -> Row:
    leads = row["leads"]
    note = f"{_plain(row['views_before'])} a day before"
    if leads:
        note += f"; {leads:,} contact action{'' if leads == 1 else 's'}"
    return Row(
        row["listing_id"],
        f"{_LIST}/{quote(row['listing_id'], safe='')}",
        f"{row['views']:,} view{'' if row['views'] == 1 else 's'}",
        note,
        said=f"{row['listing_id']} ({row['views']:,} views, {_plain(row['views_before'])} a day before)",
    )


def _plain(value: float) -> str:
    """An average: with a decimal where it is small."""
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:,.0f}"  # noqa: PLR2004
