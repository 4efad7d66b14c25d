"""leadpipe: PostHog events in DuckDB, exactly once, and the tables made of them.

`leadpipe.read("listing_analytics")` gives a published table as a pandas frame, `leadpipe.read("raw_events")`
the events themselves, and `leadpipe.query("SELECT …")` the answer to a question.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

__all__ = ["__version__", "query", "read"]
__version__ = "0.3.0"


def read(
    table: str, *, first: "date | str | None" = None, last: "date | str | None" = None
) -> "pd.DataFrame":
    """A table as a pandas frame: a published one, or `raw_events`.

    Args:
        table: a name from docs/tables.md, or `raw_events`: every event that is kept, with what it means, from
            the warehouse itself.
        first: of `raw_events`, the first day (UTC), as a date or `2026-11-01`. Default: all.
        last: the last day, inclusive.

    Raises:
        NotPublished: no such table, or nothing is there yet.
        WarehouseLocked: of `raw_events`, somebody writes to the warehouse at the moment.
        ConfigurationError: a day is none, or lies after the last one; or the table has no range.
    """
    from leadpipe.errors import ConfigurationError  # noqa: PLC0415 - importing leadpipe stays cheap
    from leadpipe.published.reading import read_frame  # noqa: PLC0415
    from leadpipe.published.stored_events import RAW_EVENTS, read_events  # noqa: PLC0415
    from leadpipe.settings import load_settings  # noqa: PLC0415

    if table == RAW_EVENTS:
        return read_events(load_settings(), first, last)
    if first is not None or last is not None:
        raise ConfigurationError(
            f"Days can be chosen of {RAW_EVENTS} alone; of {table} choose rows in the frame."
        )
    return read_frame(load_settings().published_dir, table)


def query(sql: str) -> "pd.DataFrame":
    """The answer to a SELECT over the published tables, all of one publication, as a pandas frame.

    Args:
        sql: DuckDB's SQL; each published table goes by its name.

    Raises:
        NotPublished: nothing is there yet, or no such table.
    """
    from leadpipe.published.reading import query_frame  # noqa: PLC0415 - importing leadpipe stays cheap
    from leadpipe.settings import load_settings  # noqa: PLC0415

    return query_frame(load_settings().published_dir, sql)
