"""What arrives over HTTP for delivery, leads and the partner's notices, kept durably until a run takes it.

A SQLite file beside the warehouse, because the warehouse may be in use. What is taken leaves the file only
after the warehouse has committed it. What cannot be taken is set aside in it, with its reason.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from leadpipe.errors import DeliveryError
from leadpipe.sqlite_files import connect
from leadpipe.text import whole

Kind = Literal["lead", "notice"]
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS handovers (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        identity TEXT NOT NULL,
        content TEXT NOT NULL,
        received_at TEXT NOT NULL,
        UNIQUE (kind, identity)
    );
    CREATE TABLE IF NOT EXISTS set_aside (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        content TEXT NOT NULL,
        reason TEXT NOT NULL,
        received_at TEXT NOT NULL
    );
"""
_MOST_ASIDE = 1_000
_LONGEST_ASIDE = 10_000


@dataclass(frozen=True)
class HandOver:
    """Something that arrived; `identity` tells it from others."""

    number: int
    kind: Kind
    identity: str
    content: str
    received_at: datetime


@dataclass(frozen=True)
class SetAside:
    """Something that arrived and could not be taken, and why."""

    number: int
    kind: Kind
    content: str = field(repr=False)
    reason: str
    received_at: datetime


@dataclass(frozen=True)
class HandOversState:
    """How full the file is: what waits by kind, since when the oldest does, and how much is set aside."""

    waiting: Mapping[str, int] = field(default_factory=dict)
    oldest_at: datetime | None = None
    set_aside: int = 0


@dataclass(frozen=True)
class HandOvers:
    """The file; each call opens and closes it.

    Raises:
        DeliveryError: from every method, when SQLite cannot do its work: nothing was taken.
    """

    path: Path

    def add(
        self, kind: Kind, contents: Sequence[str], *, now: datetime, identity: str | None = None
    ) -> int:
        """Keep contents, on disk when this returns; how many were not there yet."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            new = sum(
                connection.execute(
                    "INSERT OR IGNORE INTO handovers (kind, identity, content, received_at) "
                    "VALUES (?, ?, ?, ?)",
                    (
                        kind,
                        identity or hashlib.sha256(content.encode("utf-8", "replace")).hexdigest(),
                        whole(content),
                        now.isoformat(),
                    ),
                ).rowcount
                for content in contents
            )
            connection.execute("COMMIT")
        return new

    def check_writable(self) -> None:
        """Write to the file, and change nothing."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA user_version = 0")
            connection.execute("COMMIT")

    def waiting(self) -> list[HandOver]:
        """Everything that waits, the oldest first; it stays until `remove`."""
        if not self.path.exists():
            return []
        with self._open() as connection:
            rows = connection.execute(
                "SELECT number, kind, identity, content, received_at FROM handovers ORDER BY number"
            ).fetchall()
        return [
            HandOver(number, kind, identity, content, datetime.fromisoformat(at))
            for number, kind, identity, content, at in rows
        ]

    def state(self) -> HandOversState:
        """How full it is; nothing of what arrived is read."""
        if not self.path.exists():
            return HandOversState()
        with self._open() as connection:
            waiting = dict(
                connection.execute("SELECT kind, count(*) FROM handovers GROUP BY kind").fetchall()
            )
            oldest = connection.execute(
                "SELECT received_at FROM handovers ORDER BY number LIMIT 1"
            ).fetchone()
            (aside,) = connection.execute("SELECT count(*) FROM set_aside").fetchone()
        return HandOversState(waiting, datetime.fromisoformat(oldest[0]) if oldest else None, aside)

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget what the warehouse has."""
        if numbers:
            with self._open() as connection:
                connection.executemany(
                    "DELETE FROM handovers WHERE number = ?", [(number,) for number in numbers]
                )

    def set_aside(
        self, kind: Kind, content: str, reason: str, *, now: datetime, number: int | None = None
    ) -> None:
        """Keep something apart with its reason, the latest thousand; `number` is of what waited."""
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO set_aside (kind, content, reason, received_at) VALUES (?, ?, ?, ?)",
                (kind, whole(content[:_LONGEST_ASIDE]), whole(reason), now.isoformat()),
            )
            connection.execute(
                "DELETE FROM set_aside WHERE number <= (SELECT max(number) FROM set_aside) - ?",
                (_MOST_ASIDE,),
            )
            if number is not None:
                connection.execute("DELETE FROM handovers WHERE number = ?", (number,))
            connection.execute("COMMIT")

    def aside(self) -> list[SetAside]:
        """What was set aside, the oldest first."""
        if not self.path.exists():
            return []
        with self._open() as connection:
            rows = connection.execute(
                "SELECT number, kind, content, reason, received_at FROM set_aside ORDER BY number"
            ).fetchall()
        return [
            SetAside(number, kind, content, reason, datetime.fromisoformat(at))
            for number, kind, content, reason, at in rows
        ]

    def forget_aside(self) -> int:
        """Forget what was set aside; how many."""
        if not self.path.exists():
            return 0
        with self._open() as connection:
            return connection.execute("DELETE FROM set_aside").rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self.path, _SCHEMA, is_acknowledged=True)) as connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise DeliveryError(
                f"{self.path} cannot be written: {error}. Is the disk full?"
            ) from error
