"""What people say about leads, kept the moment they say it: a list of changes that only grows.

A SQLite file beside the warehouse, because the warehouse may be in use; where several machines share a lake,
tables in its state's database, for all of them. It is the truth about status and notes: the warehouse has a
copy (`folding.py`), and what is not in it yet is laid over what is published (`book.py`). Nothing is
overwritten: a change names the version it was made on, and one made on an older version is refused with what
stands there now. Does not belong here: what a change does to records.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from leadpipe import postgres
from leadpipe.errors import ConfigurationError, LeadpipeError
from leadpipe.leads.settings import LeadsSettings
from leadpipe.sqlite_files import connect, transaction
from leadpipe.text import whole

LeadStatus = Literal["new", "contacted", "qualified", "converted", "lost"]
STATUSES: tuple[LeadStatus, ...] = ("new", "contacted", "qualified", "converted", "lost")
Kind = Literal["status", "note"]
ERASED = "erased"
"""The kind of what was a note: it stays as a number, so that no copy of it comes back."""
LONGEST_NOTE = 10_000
NEVER = ""
"""The version of a status that nobody has given yet."""
OF_THE_WAREHOUSE = "warehouse-"
"""How ids of edits begin that an older leadpipe kept in the warehouse only."""

_TICK = timedelta(microseconds=1)
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS edits (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        edit_id TEXT NOT NULL UNIQUE,
        lead_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        author TEXT NOT NULL,
        edited_at TEXT NOT NULL,
        previous TEXT NOT NULL,
        replaced TEXT NOT NULL,
        undoes TEXT,
        batch TEXT
    );
    CREATE INDEX IF NOT EXISTS edits_of_a_lead ON edits (lead_id, number);
    CREATE INDEX IF NOT EXISTS edits_of_a_batch ON edits (batch) WHERE batch IS NOT NULL;
    CREATE TABLE IF NOT EXISTS erasures (erased_at INTEGER PRIMARY KEY AUTOINCREMENT);
"""
_SHARED_SCHEMA = "said_about_leads"
_SHARED_TABLES = """
    CREATE TABLE edits (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        edit_id TEXT NOT NULL UNIQUE,
        lead_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        author TEXT NOT NULL,
        edited_at TEXT NOT NULL COLLATE "C",
        previous TEXT NOT NULL,
        replaced TEXT NOT NULL,
        undoes TEXT,
        batch TEXT
    );
    CREATE INDEX edits_of_a_lead ON edits (lead_id, number);
    CREATE INDEX edits_of_a_batch ON edits (batch) WHERE batch IS NOT NULL;
    CREATE TABLE erasures (erased_at BIGINT GENERATED ALWAYS AS IDENTITY);
"""
_Connection = sqlite3.Connection | postgres.Session
_COLUMNS = "number, edit_id, lead_id, kind, value, author, edited_at, previous, replaced, undoes"
_LAST = f"SELECT {_COLUMNS} FROM edits WHERE lead_id = ? AND kind = 'status' ORDER BY number DESC LIMIT 1"
_LAST_STANDING = f"""
    SELECT {_COLUMNS} FROM edits WHERE lead_id = :lead AND kind = 'status' AND undoes IS NULL
        AND edit_id NOT IN (SELECT undoes FROM edits WHERE lead_id = :lead AND undoes IS NOT NULL)
    ORDER BY number DESC LIMIT 1
"""


class EditsUnavailable(LeadpipeError):  # noqa: N818 - says what is the case
    """The file of edits cannot be read or written (a full disk, no permission): nothing was changed."""


@dataclass(frozen=True)
class Edit:
    """A change as it is kept.

    Args:
        number: its place in this file; 0 of one that only the warehouse has.
        edit_id: unique, for good.
        lead_id: of which lead.
        kind: `status`, `note`, or `erased` for what was a note of a person who was erased.
        value: the status, or the text.
        author: who.
        edited_at: when (UTC); later than every change of the lead before it.
        previous: the version it was made on.
        replaced: the status before it; empty for notes.
        undoes: the change that it takes back.
    """

    number: int
    edit_id: str
    lead_id: str
    kind: str
    value: str = field(repr=False)
    author: str
    edited_at: datetime
    previous: str = NEVER
    replaced: str = ""
    undoes: str | None = None


@dataclass(frozen=True)
class Change:
    """What somebody wants to change.

    Args:
        edit_id: unique; the same one again (a button pressed twice, a request sent again) changes nothing.
        lead_id: of which lead.
        kind: its status, or one more note.
        value: the status, or the text.
        version: of a status, the version it was made on; None on whatever is there.
        published: of a status, the latest that readers see in the published tables, if there is one.
    """

    edit_id: str
    lead_id: str
    kind: Kind
    value: str = field(repr=False)
    version: str | None = None
    published: Edit | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a change: the edit that is kept now, or the one that stands in its way."""

    lead_id: str
    edit: Edit | None = None
    stale: Edit | None = None


def checked(kind: Kind, value: str) -> str:
    """The value as it is kept.

    Raises:
        ConfigurationError: an unknown status, or a note that is empty or too long.
    """
    text = whole(value).replace("\r\n", "\n").strip()
    if kind == "status" and text not in STATUSES:
        raise ConfigurationError(f"{text[:40]!r} is no status; choose one of {', '.join(STATUSES)}")
    if kind == "note" and not 0 < len(text) <= LONGEST_NOTE:
        raise ConfigurationError(f"A note has 1 to {LONGEST_NOTE} characters")
    return text


@dataclass(frozen=True)
class LeadEdits:
    """Where they are kept; each call opens and closes it, whichever process it is in.

    Args:
        path: the file.
        postgres: how libpq connects to the database that has them instead, if several machines are to see
            them. What this machine's file had before is brought there, and the file is called `.moved`.

    Raises:
        EditsUnavailable: from every method, when SQLite or PostgreSQL cannot do its work.
    """

    path: Path
    postgres: str | None = None

    def change(
        self, changes: Sequence[Change], *, author: str, now: datetime, batch: str | None = None
    ) -> list[Outcome]:
        """Keep changes, on disk when this returns; an outcome each. A stale one harms no other.

        Args:
            changes: of any leads.
            author: who makes them.
            now: when (UTC).
            batch: under which name they are undone together.

        Raises:
            ConfigurationError: a value cannot be used; nothing was changed.
        """
        values = [checked(change.kind, change.value) for change in changes]
        with self._transaction() as connection:
            return [
                _apply(connection, change, value, author=author, now=now, batch=batch)
                for change, value in zip(changes, values, strict=True)
            ]

    def undo(
        self, *, author: str, now: datetime, edit_id: str | None = None, batch: str | None = None
    ) -> list[Outcome]:
        """Take back a change, or those of a batch: as if they had not been made.

        A status is taken back only while nobody has given another one since; a note any time, once.
        """
        column, wanted = ("edit_id", edit_id) if edit_id is not None else ("batch", batch)
        with self._transaction() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM edits WHERE {column} = ? AND undoes IS NULL AND kind <> ? "
                "ORDER BY number",
                [wanted, ERASED],
            ).fetchall()
            return [_take_back(connection, _edit(row), author=author, now=now) for row in rows]

    def edits(self, *, after: int = 0) -> list[Edit]:
        """All edits with a number above `after`, in the order in which they were made."""
        return self._read(f"SELECT {_COLUMNS} FROM edits WHERE number > ? ORDER BY number", [after])

    def of(self, lead_id: str) -> list[Edit]:
        """A lead's edits, in the order in which they were made."""
        return self._read(
            f"SELECT {_COLUMNS} FROM edits WHERE lead_id = ? ORDER BY number", [lead_id]
        )

    def state(self) -> tuple[object, int, int]:
        """What tells whether anything is new: which file it is, its last number, how many erasures it saw."""
        if not self._is_there():
            return (None, 0, 0)
        found = self.path.stat() if self.postgres is None else None
        with self._reading() as connection:
            last, erasures = connection.execute(
                "SELECT (SELECT coalesce(max(number), 0) FROM edits), "
                "(SELECT coalesce(max(erased_at), 0) FROM erasures)"
            ).fetchall()[0]
        place = (found.st_dev, found.st_ino) if found else self.postgres
        return (place, int(last), int(erasures))

    def erase(self, edit_ids: Sequence[str]) -> int:
        """Empty notes for good, in every byte of the file; how many had a text."""
        if not edit_ids or not self._is_there():
            return 0
        with self._transaction() as connection:
            erased = connection.executemany(
                "UPDATE edits SET kind = ?, value = '' WHERE edit_id = ? AND kind = 'note'",
                [(ERASED, edit_id) for edit_id in edit_ids],
            ).rowcount
            if erased:
                connection.execute("INSERT INTO erasures DEFAULT VALUES")
        if erased:
            with self._reading() as connection:
                is_file = self.postgres is None
                connection.execute(
                    "PRAGMA wal_checkpoint(TRUNCATE)" if is_file else "VACUUM FULL edits"
                )
        return erased

    def _read(self, query: str, parameters: Sequence[object]) -> list[Edit]:
        if not self._is_there():
            return []
        with self._reading() as connection:
            return [_edit(row) for row in connection.execute(query, parameters).fetchall()]

    def _is_there(self) -> bool:
        return self.postgres is not None or self.path.exists()

    @contextmanager
    def _reading(self) -> Iterator[_Connection]:
        try:
            with closing(self._opened()) as connection:
                yield connection
        except self._failures as error:
            raise EditsUnavailable(f"The edits in {self} cannot be read: {_line(error)}") from error

    @contextmanager
    def _transaction(self) -> Iterator[_Connection]:
        try:
            with closing(self._opened()) as connection, _together(connection):
                yield connection
        except self._failures as error:
            hint = "" if self.postgres else " Is the disk full?"
            raise EditsUnavailable(
                f"{self} cannot be written: {_line(error)}.{hint} Nothing was changed."
            ) from error

    def _opened(self) -> _Connection:
        if self.postgres is None:
            return connect(self.path, _SCHEMA, is_acknowledged=True)
        session = postgres.connect(self.postgres, _SHARED_SCHEMA, _SHARED_TABLES)
        if self.path.exists():
            _bring(self.path, session)
        return session

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (
            (sqlite3.Error,) if self.postgres is None else (postgres.driver().Error, sqlite3.Error)
        )

    def __str__(self) -> str:
        return str(self.path) if self.postgres is None else "PostgreSQL"


def kept_edits(settings: LeadsSettings) -> LeadEdits:
    """Where the settings keep what people say about leads."""
    shared = settings.lake.state if settings.lake is not None else None
    return LeadEdits(settings.edits_path, shared)


@contextmanager
def _together(connection: _Connection) -> Iterator[None]:
    """Nobody else writes meanwhile; all commits, or nothing does."""
    if isinstance(connection, sqlite3.Connection):
        with transaction(connection):
            yield
    elif isinstance(connection, postgres.Session):
        with connection.transaction("edits"):
            yield


def _bring(path: Path, session: postgres.Session) -> None:
    """Take over what a machine's own file has, each edit once, in the order in which they were made."""
    columns = f"{_COLUMNS.removeprefix('number, ')}, batch"
    places = ", ".join("?" * len(columns.split(",")))
    with (
        closing(connect(path, _SCHEMA, is_acknowledged=True)) as file,
        session.transaction("edits"),
    ):
        rows = file.execute(f"SELECT {columns} FROM edits ORDER BY number").fetchall()
        session.executemany(
            f"INSERT INTO edits ({columns}) VALUES ({places}) ON CONFLICT (edit_id) DO NOTHING",
            rows,
        )
    with suppress(FileNotFoundError):  # another process of this machine was faster
        path.rename(path.with_name(f"{path.name}.moved"))


def _line(error: Exception) -> str:
    """An error's first line: what follows may tell of the row."""
    return str(error).partition("\n")[0] or type(error).__name__


def _apply(
    connection: _Connection,
    change: Change,
    value: str,
    *,
    author: str,
    now: datetime,
    batch: str | None,
) -> Outcome:
    current = _current(connection, change.lead_id, change.published)
    given = connection.execute(
        f"SELECT {_COLUMNS} FROM edits WHERE edit_id = ?", [change.edit_id]
    ).fetchone()
    if given is not None:
        kept = _edit(given)
        is_there = kept.kind != "status" or (current and current.edit_id == kept.edit_id)
        return Outcome(change.lead_id, edit=kept) if is_there else _refused(change, current)
    if change.kind == "status":
        if change.version is not None and change.version != (current.edit_id if current else NEVER):
            if current is not None and current.value == value:
                return Outcome(change.lead_id, edit=current)  # two people say the same
            return _refused(change, current)
        previous, replaced = (current.edit_id, current.value) if current else (NEVER, "new")
    else:
        previous, replaced = NEVER, ""
    edit = Edit(
        0,
        change.edit_id,
        change.lead_id,
        change.kind,
        value,
        author,
        _moment(connection, change.lead_id, current, now),
        previous,
        replaced,
    )
    return Outcome(change.lead_id, edit=_insert(connection, edit, batch))


def _take_back(connection: _Connection, edit: Edit, *, author: str, now: datetime) -> Outcome:
    last = connection.execute(_LAST, [edit.lead_id]).fetchone()
    current = _edit(last) if last else None
    if edit.kind == "status":
        standing = connection.execute(_LAST_STANDING, {"lead": edit.lead_id}).fetchone()
        if standing is None or _edit(standing).edit_id != edit.edit_id:
            return Outcome(edit.lead_id, stale=current)
    elif connection.execute("SELECT 1 FROM edits WHERE undoes = ?", [edit.edit_id]).fetchone():
        return Outcome(edit.lead_id, stale=edit)
    taken_back = Edit(
        0,
        f"{edit.edit_id}-undone",  # it can be taken back once
        edit.lead_id,
        edit.kind,
        edit.replaced,
        author,
        _moment(connection, edit.lead_id, current, now),
        current.edit_id if current and edit.kind == "status" else NEVER,
        edit.value if edit.kind == "status" else "",
        undoes=edit.edit_id,
    )
    return Outcome(edit.lead_id, edit=_insert(connection, taken_back, None))


def _refused(change: Change, current: Edit | None) -> Outcome:
    """A stale change; where there is no status to be found, it is that of every lead at first."""
    nobody = Edit(0, NEVER, change.lead_id, "status", "new", "", datetime.fromtimestamp(0, tz=UTC))
    return Outcome(change.lead_id, stale=current or nobody)


def _current(connection: _Connection, lead_id: str, published: Edit | None) -> Edit | None:
    """The latest status of a lead: of this file, or one that only the warehouse has."""
    row = connection.execute(_LAST, [lead_id]).fetchone()
    kept = _edit(row) if row else None
    if kept is None or (published is not None and published.edited_at > kept.edited_at):
        return published
    return kept


def _moment(connection: _Connection, lead_id: str, current: Edit | None, now: datetime) -> datetime:
    """When a change was made: after the lead's last one, whatever the clock says."""
    (last,) = connection.execute(
        "SELECT max(edited_at) FROM edits WHERE lead_id = ?", [lead_id]
    ).fetchall()[0]
    before = [datetime.fromisoformat(last)] if last else []
    before += [current.edited_at] if current else []
    return max([now, *(moment + _TICK for moment in before)])


def _insert(connection: _Connection, edit: Edit, batch: str | None) -> Edit:
    (number,) = connection.execute(
        "INSERT INTO edits (edit_id, lead_id, kind, value, author, edited_at, previous, replaced, undoes, "
        "batch) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
        [
            edit.edit_id,
            edit.lead_id,
            edit.kind,
            edit.value,
            edit.author,
            edit.edited_at.isoformat(timespec="microseconds"),  # texts in the order of time
            edit.previous,
            edit.replaced,
            edit.undoes,
            batch,
        ],
    ).fetchall()[0]
    return Edit(**{**vars(edit), "number": int(number)})


def _edit(row: tuple[Any, ...]) -> Edit:
    number, edit_id, lead_id, kind, value, author, edited_at, previous, replaced, undoes = row
    moment = datetime.fromisoformat(edited_at)
    return Edit(number, edit_id, lead_id, kind, value, author, moment, previous, replaced, undoes)
