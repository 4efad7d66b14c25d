"""leadpipe: PostHog events in DuckDB, exactly once, and the tables made of them.

`leadpipe.read("listing_analytics")` gives a published table as a pandas frame.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["__version__", "read"]
__version__ = "0.2.0"


def read(table: str) -> "pd.DataFrame":
    """A published table as a pandas frame; see `leadpipe.published.reading.TABLES` for the names.

    Raises:
        NotPublished: no such table, or nothing published yet.
    """
    from leadpipe.published.reading import read_frame  # noqa: PLC0415 - importing leadpipe stays cheap
    from leadpipe.settings import load_settings  # noqa: PLC0415

    return read_frame(load_settings().published_dir, table)
