"""The file that the page, the Dagster UI and `leadpipe access` share: accounts, sessions, acts.

Belongs here: its tables, and how it is opened. Does not belong here: what they mean (`logins.py`,
`people.py`).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from leadpipe.errors import ConfigurationError
from leadpipe.sqlite_files import connect, transaction

_VERSION = 1
# An earlier leadpipe has sessions of another shape in `sessions`; it makes that table when it misses it.
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS acts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        done_at TEXT NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS people (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        password TEXT,
        added_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS open_sessions (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        person TEXT,
        address TEXT NOT NULL,
        token TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ends_at TEXT NOT NULL
    );
    DROP TABLE IF EXISTS sessions;
"""


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the file, made for its owner alone when it is not there; each statement commits.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(connect(path)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                _make(connection)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise ConfigurationError(f"{path} cannot be written: {error}. Is the disk full?") from error


def _make(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        columns = {row[1] for row in connection.execute("PRAGMA table_info(acts)")}
        if "person" not in columns:
            connection.execute("ALTER TABLE acts ADD COLUMN person TEXT")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
