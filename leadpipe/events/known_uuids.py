"""The filter of uuids: which of them surely are of no stored event.

How such a filter works, and why it can be trusted, is in `leadpipe/warehouse/filters.py`. Whether it has all
that is stored is inspected every night (`inspections.py`).
"""

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb

from leadpipe.warehouse import KeyFilter, Keys, open_filters

NAME = "uuids"
_SPAN = timedelta(days=31)


def open_uuids(connection: duckdb.DuckDBPyConnection) -> KeyFilter | None:
    """The filter of the stored uuids; None for one in memory or a lake."""
    found = connection.execute("SELECT count(*) FROM raw_events").fetchone()
    stored = int(found[0]) if found else 0
    opened = open_filters(connection, [Keys(NAME, lambda: _stored(connection), at_least=stored)])
    return opened[0] if opened else None


def hashed(uuids: str) -> str:
    """What the filter is asked by, of a query that gives `uuid`."""
    return f"SELECT hash(uuid) AS hash FROM ({uuids})"


def _stored(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """All that is stored, a month at a time."""
    first, last = _days_after(connection, date.min)
    while first is not None and last is not None:
        until = first + min(_SPAN, date.max - first)
        yield hashed(
            f"SELECT uuid FROM raw_events WHERE event_date BETWEEN DATE '{first}' AND DATE '{until}'"
        )
        first, last = _days_after(connection, until)


def _days_after(
    connection: duckdb.DuckDBPyConnection, day: date
) -> tuple[date | None, date | None]:
    return connection.execute(
        "SELECT min(event_date), max(event_date) FROM raw_events WHERE event_date > $day",
        {"day": day},
    ).fetchone() or (None, None)
