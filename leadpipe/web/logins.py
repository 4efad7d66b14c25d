"""Who is logged in, and what they did: sessions that can be ended, and a log of acts, in a file of their own.

The page and the Dagster UI are two programs with one login: both look here. A session's id is in the cookie
only; the file has its hash. Belongs here: the file. Does not belong here: cookies and forms (`sessions.py`).
"""

import hashlib
import logging
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from leadpipe.errors import ConfigurationError
from leadpipe.terminal import visible

SESSION_HOURS = 12
_KEPT_ACTS = 100_000
_BUSY_SECONDS = 10.0
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS sessions (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        address TEXT NOT NULL,
        token TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ends_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS acts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        done_at TEXT NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL
    );
"""
_log = logging.getLogger("leadpipe.acts")


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in: a short name to tell sessions apart, and where they logged in from."""

    name: str
    address: str
    started_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Act:
    """Something that somebody did; never with personal data."""

    done_at: datetime
    who: str
    what: str


@dataclass(frozen=True)
class Logins:
    """The file; each call opens and closes it."""

    path: Path

    def begin(self, token: SecretStr, *, address: str, now: datetime) -> str:
        """Begin a session of somebody who gave the token; its id, for the cookie."""
        session = secrets.token_urlsafe(32)
        with self._open() as connection:
            connection.execute("DELETE FROM sessions WHERE ends_at <= ?", [now.isoformat()])
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
                [
                    _hashed(session),
                    secrets.token_hex(3),
                    address,
                    _hashed(token.get_secret_value()),
                    now.isoformat(),
                    (now + timedelta(hours=SESSION_HOURS)).isoformat(),
                ],
            )
        return session

    def find(self, session: str, token: SecretStr, *, now: datetime) -> Session | None:
        """The session of an id, if it has not ended and was begun with this token."""
        if not self.path.exists():
            return None
        with self._open() as connection:
            row = connection.execute(
                "SELECT name, address, started_at, ends_at FROM sessions "
                "WHERE id = ? AND token = ? AND ends_at > ?",
                [_hashed(session), _hashed(token.get_secret_value()), now.isoformat()],
            ).fetchone()
        return _session(row) if row else None

    def end(self, session: str) -> None:
        """End a session."""
        with self._open() as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", [_hashed(session)])

    def end_all(self) -> int:
        """End all sessions; how many there were."""
        with self._open() as connection:
            return connection.execute("DELETE FROM sessions").rowcount

    def sessions(self, *, now: datetime) -> list[Session]:
        """Those who are logged in, the latest first."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT name, address, started_at, ends_at FROM sessions WHERE ends_at > ? "
                "ORDER BY started_at DESC, name",
                [now.isoformat()],
            ).fetchall()
        return [_session(row) for row in rows]

    def note(self, who: str, what: str, *, now: datetime) -> None:
        """Keep what somebody did, and log it."""
        who, what = visible(who), visible(what)
        _log.info("%s %s", who, what)
        with self._open() as connection:
            connection.execute(
                "INSERT INTO acts (done_at, who, what) VALUES (?, ?, ?)",
                [now.isoformat(), who, what],
            )
            connection.execute(
                "DELETE FROM acts WHERE number <= (SELECT max(number) FROM acts) - ?", [_KEPT_ACTS]
            )

    def acts(self, *, limit: int) -> list[Act]:
        """What was done, the latest first."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT done_at, who, what FROM acts ORDER BY number DESC LIMIT ?", [limit]
            ).fetchall()
        return [Act(datetime.fromisoformat(done_at), who, what) for done_at, who, what in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with closing(
                sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(
                f"{self.path} cannot be written: {error}. Is the disk full?"
            ) from error


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _session(row: tuple[str, str, str, str]) -> Session:
    name, address, started_at, ends_at = row
    return Session(
        name, address, datetime.fromisoformat(started_at), datetime.fromisoformat(ends_at)
    )
