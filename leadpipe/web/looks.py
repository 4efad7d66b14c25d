"""When somebody looked at the page Today, and what was there to see: so that it can say what is new since.

A browser has an id in a cookie of its own, which outlives logins and opens nothing; the file has its hash.
A look is over after half an hour without another: until then what was new stays new, however often one looks.
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from leadpipe.sqlite_files import opened

LOOK_ENDS_AFTER = timedelta(minutes=30)
_KEPT = timedelta(days=400)  # browsers keep a cookie no longer
_COOKIE, _SECURE_COOKIE = "leadpipe-reader", "__Host-leadpipe-reader"
_LONGEST_ID = 64
_BUSY_SECONDS = 2.0
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS looks (
        reader TEXT PRIMARY KEY,
        looked_at TEXT NOT NULL,
        marks TEXT NOT NULL,
        before_at TEXT,
        before_marks TEXT
    ) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Before:
    """The look before this one: when (UTC), and by domain what was there."""

    at: datetime
    marks: Mapping[str, str]


@dataclass(frozen=True)
class Looks:
    """The file; each call opens and closes it.

    Raises:
        ConfigurationError: from every method, when SQLite cannot do its work.
    """

    path: Path

    def before(self, reader: str, *, now: datetime) -> Before | None:
        """What somebody saw before this look; None for a first one."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT looked_at, marks, before_at, before_marks FROM looks WHERE reader = ?",
                [_hashed(reader)],
            ).fetchone()
        if row is None:
            return None
        looked_at, marks, before_at, before_marks = row
        if now - datetime.fromisoformat(looked_at) < LOOK_ENDS_AFTER:
            looked_at, marks = before_at, before_marks
        return Before(datetime.fromisoformat(looked_at), json.loads(marks)) if looked_at else None

    def keep(self, reader: str, marks: Mapping[str, str], *, now: datetime) -> None:
        """Keep that somebody looks now, and what there is to be seen."""
        with self._open() as connection:
            connection.execute("DELETE FROM looks WHERE looked_at < ?", [(now - _KEPT).isoformat()])
            connection.execute(
                """
                INSERT INTO looks VALUES (:reader, :now, :marks, NULL, NULL)
                ON CONFLICT (reader) DO UPDATE SET
                    before_at = CASE WHEN looked_at > :ends THEN before_at ELSE looked_at END,
                    before_marks = CASE WHEN looked_at > :ends THEN before_marks ELSE marks END,
                    looked_at = excluded.looked_at, marks = excluded.marks
                """,
                {
                    "reader": _hashed(reader),
                    "now": now.isoformat(),
                    "marks": json.dumps(dict(marks)),
                    "ends": (now - LOOK_ENDS_AFTER).isoformat(),
                },
            )

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self.path, _SCHEMA, busy_seconds=_BUSY_SECONDS)


def reader_of(request: Request) -> str:
    """The id of the browser, a new one where it has none."""
    given = request.cookies.get(_name(request), "")
    return given if 0 < len(given) <= _LONGEST_ID else secrets.token_urlsafe(24)


def remember(response: Response, request: Request, reader: str) -> None:
    """Let the browser keep its id."""
    response.set_cookie(
        _name(request),
        reader,
        max_age=int(_KEPT.total_seconds()),
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def _name(request: Request) -> str:
    return _SECURE_COOKIE if _is_https(request) else _COOKIE


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def _hashed(reader: str) -> str:
    return hashlib.sha256(reader.encode()).hexdigest()
