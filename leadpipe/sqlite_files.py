"""Small SQLite files of leadpipe's own, for what no warehouse has to remember.

Does not belong here: what must be on disk before it is acknowledged (`inbox/store.py`, `leads/edits.py`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from leadpipe.errors import ConfigurationError


@contextmanager
def opened(path: Path, schema: str, *, busy_seconds: float) -> Iterator[sqlite3.Connection]:
    """A connection that commits each statement by itself; closed on leaving.

    Args:
        path: of the file; it and its folder are made where they are not there.
        schema: statements that make its tables where they are not there.
        busy_seconds: how long to wait for somebody else who writes.

    Raises:
        ConfigurationError: it cannot be written, or a statement failed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(
            sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(schema)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(f"{path} cannot be written: {error}. Is the disk full?") from error
