"""Stored events as a pandas frame: `leadpipe.read("raw_events")`.

They are not published, as they are most of the bytes: they are read from the warehouse, while nobody writes
to it.
"""

import warnings
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from leadpipe.connections import open_warehouse
from leadpipe.errors import ConfigurationError, NotPublished, WarehouseLocked
from leadpipe.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_LOCK_SECONDS = 2.0
RAW_EVENTS = "raw_events"


def read_events(
    settings: Settings, first: date | str | None = None, last: date | str | None = None
) -> "pd.DataFrame":
    """The events of some days, both inclusive, a row a uuid, in the order of time.

    Raises:
        NotPublished: there is no warehouse yet.
        WarehouseLocked: another process has it.
        ConfigurationError: a day is no day, or the first lies after the last.
    """
    begin, end = _day("first", first) or date.min, _day("last", last) or date.max
    if begin > end:
        raise ConfigurationError(f"first {begin} is after last {end}")
    warehouse = replace(open_warehouse(settings), lock_timeout_seconds=_LOCK_SECONDS)
    if not warehouse.is_there:
        raise NotPublished(f"There is no warehouse at {warehouse} yet. Run `leadpipe sync` first.")
    try:
        with warehouse.connect() as connection, warnings.catch_warnings():
            # DuckDB 1.5 turns times into frames in a way that pandas 3 deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            return connection.execute(
                "SELECT * FROM raw_events WHERE event_date BETWEEN $first AND $last ORDER BY timestamp, uuid",
                {"first": begin, "last": end},
            ).df()
    except WarehouseLocked as error:
        who = f"process {error.pid}" if error.pid else "another process"
        raise WarehouseLocked(
            f"raw_events are read from the warehouse {warehouse}, which {who} has open: a "
            "sync? Read again when it has ended. The published tables can be read at any time.",
            pid=error.pid,
        ) from error


def _day(what: str, said: date | str | None) -> date | None:
    if isinstance(said, datetime):
        return said.date()
    if said is None or isinstance(said, date):
        return said
    try:
        return date.fromisoformat(said)
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{what} should be a day such as 2026-11-01, not {said!r}"
        ) from None
