"""leadpipe's own SQLite files: how each is opened, whichever domain it belongs to.

Does not belong here: what a file keeps, and what people read when it fails (the module of that file).
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from leadpipe.errors import ConfigurationError

_BUSY_SECONDS = 10.0
_PAUSE_SECONDS = 0.01


def connect(
    path: Path,
    schema: str = "",
    *,
    busy_seconds: float = _BUSY_SECONDS,
    is_acknowledged: bool = False,
) -> sqlite3.Connection:
    """A connection that commits each statement by itself, for the caller to close.

    Args:
        path: of the file; it and its folder are made where they are not there.
        schema: statements that make its tables where they are not there.
        busy_seconds: how long to wait for somebody else who writes.
        is_acknowledged: whether what is in it must be on disk before anybody is told so, and leave no byte
            behind when it is removed: what came from people.

    Raises:
        sqlite3.Error: it cannot be opened or its tables cannot be made.
        OSError: its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        _log_ahead(connection, tries=round(busy_seconds / _PAUSE_SECONDS))
        connection.execute(f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}")
        if is_acknowledged:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
        if schema:
            connection.executescript(schema)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def opened(path: Path, schema: str, *, busy_seconds: float) -> Iterator[sqlite3.Connection]:
    """A connection for what no warehouse has to remember; closed on leaving.

    Args:
        path: as in `connect`.
        schema: as in `connect`.
        busy_seconds: as in `connect`.

    Raises:
        ConfigurationError: it cannot be written, or a statement failed.
    """
    try:
        with closing(connect(path, schema, busy_seconds=busy_seconds)) as connection:
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(f"{path} cannot be written: {error}. Is the disk full?") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All statements inside commit together, or none does."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _log_ahead(connection: sqlite3.Connection, *, tries: int) -> None:
    """Let readers read beside a writer; SQLite makes nobody wait here who opens a new file beside others."""
    for is_last in (*[False] * tries, True):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if is_last or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
