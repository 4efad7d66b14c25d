"""Accounts: named people with a role and a password, in the file of the logins.

Whatever changes of an account ends its sessions in the same transaction, so that nobody goes on with what is
not theirs any more. An account without a password is for a single sign-on alone (`sign_on.py`).
"""

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leadpipe.errors import ConfigurationError
from leadpipe.sqlite_files import transaction
from leadpipe.web.login_file import opened
from leadpipe.web.passwords import hashed, is_outdated, is_right, rehashed
from leadpipe.web.roles import ROLES, Role

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")


@dataclass(frozen=True)
class Person:
    """An account."""

    name: str
    role: Role
    has_password: bool
    added_at: datetime


@dataclass(frozen=True)
class Verified:
    """Somebody who gave the right password, and the hash that it was compared with."""

    name: str
    role: Role
    kept: str


@dataclass(frozen=True)
class People:
    """The accounts of a file; each call opens and closes it."""

    path: Path

    def add(self, name: str, role: Role, password: str | None, *, now: datetime) -> None:
        """Add an account.

        Raises:
            ConfigurationError: the name or password cannot be used, or the name is taken.
        """
        name = checked_name(name)
        kept = None if password is None else hashed(password)
        with opened(self.path) as connection, transaction(connection):
            if _found(connection, name):
                raise ConfigurationError(
                    f"{name} has an account already. `leadpipe access role` and `leadpipe access password` "
                    "change it."
                )
            connection.execute(
                "INSERT INTO people (name, role, password, added_at) VALUES (?, ?, ?, ?)",
                [name, str(role), kept, now.isoformat()],
            )

    def set_role(self, name: str, role: Role) -> int:
        """Give another role; how many sessions ended.

        Raises:
            ConfigurationError: nobody has that name.
        """
        return self._change(name, "UPDATE people SET role = ? WHERE name = ?", str(role))

    def set_password(self, name: str, password: str) -> int:
        """Set another password; how many sessions ended.

        Raises:
            ConfigurationError: nobody has that name, or the password cannot be used.
        """
        return self._change(name, "UPDATE people SET password = ? WHERE name = ?", hashed(password))

    def remove(self, name: str) -> int:
        """Remove an account; how many sessions ended. What the person did stays in the acts.

        Raises:
            ConfigurationError: nobody has that name.
        """
        return self._change(name, "DELETE FROM people WHERE name = ?")

    def all(self) -> list[Person]:
        """The accounts by name; none when there is no file."""
        if not self.path.exists():
            return []
        with opened(self.path) as connection:
            rows = connection.execute(
                "SELECT name, role, password IS NOT NULL, added_at FROM people ORDER BY name"
            ).fetchall()
        return [
            Person(name, ROLES[role], bool(has_password), datetime.fromisoformat(added_at))
            for name, role, has_password, added_at in rows
        ]

    def find(self, name: str) -> Person | None:
        """The account of a name."""
        plain = _plain(name)
        return next((one for one in self.all() if one.name == plain), None)

    def known(self, name: str) -> Person:
        """The account of a name.

        Raises:
            ConfigurationError: nobody has that name.
        """
        found = self.find(name)
        if found is None:
            raise _nobody(name, [one.name for one in self.all()])
        return found

    def verify(self, name: str, password: str) -> Verified | None:
        """The account if it is the password; None, after the same work, if not or if there is no such name.

        A hash made with weaker parameters than today's is made anew.
        """
        plain = _plain(name)
        with opened(self.path) as connection:
            row = connection.execute(
                "SELECT name, role, password FROM people WHERE name = ?", [plain]
            ).fetchone()
        kept = row[2] if row else None
        if not is_right(kept, password) or row is None or kept is None:
            return None
        if is_outdated(kept):
            fresh = rehashed(password)
            with opened(self.path) as connection:
                changed = connection.execute(
                    "UPDATE people SET password = ? WHERE name = ? AND password = ?",
                    [fresh, plain, kept],
                ).rowcount
            kept = fresh if changed else kept
        return Verified(row[0], ROLES[row[1]], kept)

    def _change(self, name: str, statement: str, *values: str) -> int:
        plain = _plain(name)
        with opened(self.path) as connection, transaction(connection):
            if not connection.execute(statement, [*values, plain]).rowcount:
                rows = connection.execute("SELECT name FROM people ORDER BY name").fetchall()
                raise _nobody(name, [row[0] for row in rows])
            return connection.execute(
                "DELETE FROM open_sessions WHERE person = ?", [plain]
            ).rowcount


def checked_name(name: str) -> str:
    """The name in lower case, as it is kept and compared.

    Raises:
        ConfigurationError: it is none.
    """
    if not _NAME.fullmatch(name.strip()):
        raise ConfigurationError(
            f"{name[:200]!a} is no name for an account: letters of a to z, digits and . _ @ + - only, a "
            "letter or digit first, 100 at most."
        )
    return _plain(name)


def _nobody(name: str, names: list[str]) -> ConfigurationError:
    return ConfigurationError(
        f"Nobody is called {name[:200]!a} here. Accounts: {', '.join(names) or 'none yet'}."
    )


def _plain(name: str) -> str:
    return name.strip().lower()


def _found(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM people WHERE name = ?", [name]).fetchone() is not None
