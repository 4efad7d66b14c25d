"""Who is logged in, and what they did: sessions that can be ended, and a log of acts.

The page and the Dagster UI are two programs with one login: both look here. A session's id is in the cookie
only; the file has its hash. Belongs here: sessions and acts. Does not belong here: cookies and forms
(`sessions.py`), accounts (`people.py`), the file itself (`login_file.py`).
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from leadpipe.terminal import visible
from leadpipe.web.login_file import opened
from leadpipe.web.people import People, Verified
from leadpipe.web.roles import ROLES, Role

SESSION_HOURS = 12
_KEPT_ACTS = 100_000
_COLUMNS = "s.name, s.address, s.started_at, s.ends_at, s.person, p.role"
# A session of an account that is not there any more is none.
_SESSIONS = """
    FROM open_sessions s LEFT JOIN people p ON p.name = s.person
    WHERE (s.person IS NULL OR p.name IS NOT NULL) AND s.ends_at > ?
"""
_log = logging.getLogger("leadpipe.acts")


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in: a short name to tell sessions apart, and where they logged in from.

    Without a `person` it was begun with the admin token, which operates.
    """

    name: str
    address: str
    started_at: datetime
    ends_at: datetime
    person: str | None = None
    role: Role = Role.OPERATOR


@dataclass(frozen=True)
class Act:
    """Something that somebody did; never with personal data of leads. `person` is an account's name."""

    done_at: datetime
    who: str
    what: str
    person: str | None = None


@dataclass(frozen=True)
class Logins:
    """The sessions and acts of a file; each call opens and closes it."""

    path: Path

    @property
    def people(self) -> People:
        """The accounts of the same file."""
        return People(self.path)

    def begin(
        self,
        token: SecretStr | None,
        *,
        address: str,
        now: datetime,
        person: Verified | None = None,
    ) -> str | None:
        """Begin a session of somebody who gave the token, or a password; its id, for the cookie.

        None if the account's password was changed, or the account removed, since it was looked at.
        """
        session = secrets.token_urlsafe(32)
        with opened(self.path) as connection:
            connection.execute("DELETE FROM open_sessions WHERE ends_at <= ?", [now.isoformat()])
            begun = connection.execute(
                "INSERT INTO open_sessions (id, name, person, address, token, started_at, ends_at) "
                "SELECT ?, ?, ?, ?, ?, ?, ? "
                "WHERE ? IS NULL OR EXISTS (SELECT 1 FROM people WHERE name = ? AND password = ?)",
                [
                    _hashed(session),
                    secrets.token_hex(3),
                    person.name if person else None,
                    address,
                    _of(token),
                    now.isoformat(),
                    (now + timedelta(hours=SESSION_HOURS)).isoformat(),
                    *([person.name if person else None] * 2),
                    person.kept if person else None,
                ],
            ).rowcount
        return session if begun else None

    def find(self, session: str, token: SecretStr | None, *, now: datetime) -> Session | None:
        """The session of an id, if it has not ended and was begun under this token."""
        if not self.path.exists():
            return None
        with opened(self.path) as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} {_SESSIONS} AND s.id = ? AND s.token = ?",
                [now.isoformat(), _hashed(session), _of(token)],
            ).fetchone()
        return _session(row) if row else None

    def end(self, session: str) -> None:
        """End a session by its id."""
        with opened(self.path) as connection:
            connection.execute("DELETE FROM open_sessions WHERE id = ?", [_hashed(session)])

    def end_session(self, name: str) -> None:
        """End a session by its short name."""
        with opened(self.path) as connection:
            connection.execute("DELETE FROM open_sessions WHERE name = ?", [name])

    def end_named(self, name: str) -> int:
        """End a session by its short name, or all sessions of an account; how many there were."""
        with opened(self.path) as connection:
            return connection.execute(
                "DELETE FROM open_sessions WHERE name = ? OR person = ?",
                [name, name.strip().lower()],
            ).rowcount

    def end_all(self) -> int:
        """End all sessions; how many there were."""
        with opened(self.path) as connection:
            return connection.execute("DELETE FROM open_sessions").rowcount

    def sessions(self, *, now: datetime) -> list[Session]:
        """Those who are logged in, the latest first."""
        with opened(self.path) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} {_SESSIONS} ORDER BY s.started_at DESC, s.name",
                [now.isoformat()],
            ).fetchall()
        return [_session(row) for row in rows]

    def note(self, who: str, what: str, *, now: datetime, person: str | None = None) -> None:
        """Keep what somebody did, and log it."""
        who, what = visible(who), visible(what)
        _log.info("%s %s", who, what)
        with opened(self.path) as connection:
            connection.execute(
                "INSERT INTO acts (done_at, who, what, person) VALUES (?, ?, ?, ?)",
                [now.isoformat(), who, what, person],
            )
            connection.execute(
                "DELETE FROM acts WHERE number <= (SELECT max(number) FROM acts) - ?", [_KEPT_ACTS]
            )

    def acts(self, *, limit: int, person: str | None = None) -> list[Act]:
        """What was done, by everybody or by one account, the latest first."""
        with opened(self.path) as connection:
            rows = connection.execute(
                "SELECT done_at, who, what, person FROM acts WHERE ? IS NULL OR person = ? "
                "ORDER BY number DESC LIMIT ?",
                [person, person, limit],
            ).fetchall()
        return [
            Act(datetime.fromisoformat(done_at), who, what, name)
            for done_at, who, what, name in rows
        ]


def _of(token: SecretStr | None) -> str:
    return _hashed(token.get_secret_value()) if token is not None else ""


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _session(row: tuple[str, str, str, str, str | None, str | None]) -> Session:
    name, address, started_at, ends_at, person, role = row
    return Session(
        name,
        address,
        datetime.fromisoformat(started_at),
        datetime.fromisoformat(ends_at),
        person,
        ROLES[role] if role else Role.OPERATOR,
    )
