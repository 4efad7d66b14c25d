"""The inbox file: SQLite in WAL mode, every commit on disk before it is acknowledged.

Several processes have it open at once: the web application adds, a run takes out. SQLite waits for the
other's short transactions.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from leadpipe.errors import LeadpipeError
from leadpipe.inbox.payloads import Payload
from leadpipe.sqlite_files import connect, transaction

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS waiting (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        uuid TEXT NOT NULL UNIQUE,
        event TEXT NOT NULL,
        day TEXT NOT NULL,
        person_id TEXT,
        distinct_id TEXT,
        wire TEXT NOT NULL,
        received_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS dead_letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        reason TEXT NOT NULL,
        content TEXT NOT NULL,
        received_at TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_ALREADY_THERE = "SELECT uuid FROM waiting WHERE uuid IN (SELECT value FROM json_each(?))"
_ADD = """
    INSERT OR IGNORE INTO waiting (uuid, event, day, person_id, distinct_id, wire, received_at)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'), :now
    FROM json_each(:rows) ORDER BY key
"""
_COUNT = """
    INSERT INTO totals VALUES ('received', ?), ('duplicates', ?), ('last_received_at', ?)
    ON CONFLICT (name) DO UPDATE SET value =
        CASE name WHEN 'last_received_at' THEN excluded.value
                  ELSE CAST(value AS INTEGER) + excluded.value END
"""


_OLDEST = "SELECT received_at FROM waiting ORDER BY id LIMIT 1"


class InboxUnavailable(LeadpipeError):  # noqa: N818 - says what is the case
    """The inbox file cannot be written (a full disk, no permission): nothing was taken in."""


@dataclass(frozen=True)
class Waiting:
    """An event in the inbox; `received_at` is when it first arrived."""

    number: int
    event: str
    day: date
    person_id: str | None
    distinct_id: str | None
    wire: str
    uuid: str
    received_at: datetime


@dataclass(frozen=True)
class DeadLetter:
    """Something delivered that is no usable event; it waits for a person."""

    number: int
    reason: str
    content: str
    received_at: datetime


@dataclass(frozen=True)
class InboxState:
    """How full the inbox is; `received` and `duplicates` count since the file was made."""

    waiting: int = 0
    oldest_at: datetime | None = None
    dead_letters: int = 0
    received: int = 0
    duplicates: int = 0
    last_received_at: datetime | None = None


class Inbox:
    """One inbox file, made when first opened; each call opens and closes it.

    `kept_open` saves that for a thread that writes all the time.

    Raises:
        InboxUnavailable: from every method, when SQLite cannot do its work.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def kept_open(self) -> Iterator["Inbox"]:
        """The same inbox on one connection, for the calling thread only."""
        inbox = Inbox(self.path)
        with self._connection() as connection:
            connection.execute(
                "PRAGMA wal_autocheckpoint = 0"
            )  # a commit would wait for it; `checkpoint`
            inbox._kept = connection
            inbox._file = _identity(self.path)
            yield inbox

    def is_in_place(self) -> bool:
        """Whether the file kept open is still at its path: a removed one would take events and lose them."""
        return self._file is not None and self._file == _identity(self.path)

    def add(self, payloads: Sequence[Payload], *, now: datetime) -> list[int]:
        """Keep what payloads hold, durably and all together.

        Returns:
            For each payload how many of its events were not there yet.
        """
        moment = now.isoformat()
        deliveries = [delivery for payload in payloads for delivery in payload.deliveries]
        problems = [problem for payload in payloads for problem in payload.problems]
        # Few statements, whatever the batch: at each one the thread waits for the interpreter anew.
        with self._transaction() as connection:
            uuids = json.dumps([delivery.uuid for delivery in deliveries])
            there = {uuid for (uuid,) in connection.execute(_ALREADY_THERE, [uuids])}
            news = _news(payloads, there)
            rows = [
                (d.uuid, d.event, d.day.isoformat(), d.person_id, d.distinct_id, d.wire)
                for d in deliveries
            ]
            if any(news):
                connection.execute(_ADD, {"rows": json.dumps(rows), "now": moment})
            if problems:
                connection.executemany(
                    "INSERT INTO dead_letters (reason, content, received_at) VALUES (?, ?, ?)",
                    [(problem.reason, problem.content, moment) for problem in problems],
                )
            if deliveries:
                received = len(deliveries)
                connection.execute(_COUNT, [received, received - sum(news), moment])
        return news

    def checkpoint(self, *, above_bytes: int = 4_000_000) -> None:
        """Move the log of commits into the file when it is that long; nobody waits for it."""
        log = self.path.with_name(f"{self.path.name}-wal")
        if log.exists() and log.stat().st_size > above_bytes:
            self._read("PRAGMA wal_checkpoint(PASSIVE)", [])

    def check_writable(self) -> None:
        """Write to the file, and change nothing."""
        with self._transaction() as connection:
            connection.execute("PRAGMA user_version = 0")

    def take(self, *, after: int = 0, limit: int = 50_000) -> list[Waiting]:
        """The oldest events with a number above `after`; they stay until `remove`."""
        rows = self._read(
            "SELECT id, event, day, person_id, distinct_id, wire, uuid, received_at FROM waiting "
            "WHERE id > ? ORDER BY id LIMIT ?",
            [after, limit],
        )
        return [
            Waiting(
                number=row[0],
                event=row[1],
                day=date.fromisoformat(row[2]),
                person_id=row[3],
                distinct_id=row[4],
                wire=row[5],
                uuid=row[6],
                received_at=datetime.fromisoformat(row[7]),
            )
            for row in rows
        ]

    def remove(self, numbers: Sequence[int]) -> None:
        """Forget events that the warehouse has."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM waiting WHERE id = ?", [(n,) for n in numbers])

    def clear_log(self) -> None:
        """Move the whole log of commits into the file, and leave none of its bytes; not while others read."""
        self._read("PRAGMA wal_checkpoint(TRUNCATE)", [])

    def bury(self, event: Waiting, reason: str, *, now: datetime) -> None:
        """Make a dead letter of a waiting event."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO dead_letters (reason, content, received_at) VALUES (?, ?, ?)",
                [reason, event.wire, now.isoformat()],
            )
            connection.execute("DELETE FROM waiting WHERE id = ?", [event.number])

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """The latest dead letters first."""
        rows = self._read(
            "SELECT id, reason, content, received_at FROM dead_letters ORDER BY id DESC LIMIT ?",
            [limit],
        )
        return [
            DeadLetter(number, reason, content, datetime.fromisoformat(received_at))
            for number, reason, content, received_at in rows
        ]

    def forget_dead_letters(self, numbers: Sequence[int]) -> int:
        """Remove dead letters; return how many there were."""
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(n,) for n in numbers])
            return connection.total_changes - before

    def state(self) -> InboxState:
        """How full the inbox is."""
        waiting = self._read("SELECT count(*) FROM waiting", [])[0][0]
        # The first number is the oldest: no look at every row, whose events are large.
        oldest = next((at for (at,) in self._read(_OLDEST, [])), None)
        dead = self._read("SELECT count(*) FROM dead_letters", [])[0][0]
        totals = dict(self._read("SELECT name, value FROM totals", []))
        last = totals.get("last_received_at")
        return InboxState(
            waiting=waiting,
            oldest_at=datetime.fromisoformat(oldest) if oldest else None,
            dead_letters=dead,
            received=int(totals.get("received", 0)),
            duplicates=int(totals.get("duplicates", 0)),
            last_received_at=datetime.fromisoformat(last) if last else None,
        )

    def waiting_events(self) -> frozenset[str]:
        """The names of the events that wait."""
        return frozenset(name for (name,) in self._read("SELECT DISTINCT event FROM waiting", []))

    def _read(self, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            with self._connection() as connection:
                return connection.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise InboxUnavailable(f"The inbox {self.path} cannot be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection() as connection, transaction(connection):
                yield connection
        except sqlite3.Error as error:
            raise InboxUnavailable(
                f"The inbox {self.path} cannot be written: {error}. Is the disk full?"
            ) from error

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if self._kept is not None:
            yield self._kept
            return
        with closing(self._opened()) as connection:
            yield connection

    def _opened(self) -> sqlite3.Connection:
        try:
            return connect(self.path, _SCHEMA, is_acknowledged=True)
        except OSError as error:
            raise InboxUnavailable(f"{self.path.parent} cannot be made: {error}") from error
        except sqlite3.Error as error:
            raise InboxUnavailable(f"The inbox {self.path} cannot be opened: {error}") from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _news(payloads: Sequence[Payload], there: set[str]) -> list[int]:
    """How many events of each payload are new, when earlier ones come first."""
    seen = set(there)
    news = []
    for payload in payloads:
        before = len(seen)
        seen.update(delivery.uuid for delivery in payload.deliveries)
        news.append(len(seen) - before)
    return news
