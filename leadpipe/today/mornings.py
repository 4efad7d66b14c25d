"""The morning message, once a day to each receiver: whatever is started twice, killed or tried again.

Who was told is kept in a file of its own, before the message goes: one that may have arrived is not sent
again, one that surely did not is. Does not belong here: what is said (`message.py`), and when
(`automation.py`).
"""

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from leadpipe.notices import Receiver, outcomes
from leadpipe.sqlite_files import opened

_BUSY_SECONDS = 10.0
_KEPT = timedelta(days=400)
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS mornings (
        day TEXT NOT NULL,
        receiver TEXT NOT NULL,
        state TEXT NOT NULL,
        told_at TEXT NOT NULL,
        PRIMARY KEY (day, receiver)
    ) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Sent:
    """What became of a morning's message.

    Args:
        told: how many receivers took it now.
        before: how many had it, or may have had it, already.
        problems: a line for each that did not take it.
        is_over: nothing is to be tried again.
    """

    told: int = 0
    before: int = 0
    problems: tuple[str, ...] = ()
    is_over: bool = True


@dataclass(frozen=True)
class Mornings:
    """The file of who was told on which day; each call opens and closes it."""

    path: Path

    def send(
        self,
        text: str,
        to: Sequence[Receiver],
        *,
        subject: str,
        day: date,
        now: datetime,
    ) -> Sent:
        """Tell everyone who was not told that day.

        Args:
            text: the message.
            to: the receivers; those of one setting are told apart by their place in it.
            subject: of the mail, the title in chats.
            day: the team's.
            now: when (UTC).

        Raises:
            ConfigurationError: who was told cannot be kept, so nobody is told.
        """
        due = [receiver for receiver in to if self._claim(day, receiver.setting, now)]
        problems = []
        told = 0
        is_over = True
        for receiver, outcome in zip(due, outcomes(text, due, subject=subject), strict=True):
            if outcome is None:
                told += 1
                self._keep(day, receiver.setting, "told", now)
                continue
            problems.append(outcome.problem)
            if outcome.may_have_arrived:
                self._keep(day, receiver.setting, "unknown", now)
            else:
                is_over = False
                self._give_back(day, receiver.setting)
        return Sent(told, len(to) - len(due), tuple(problems), is_over=is_over)

    def _claim(self, day: date, receiver: str, now: datetime) -> bool:
        """Whether it is this call that tells the receiver: of two at once, one."""
        with self._open() as connection:
            connection.execute("DELETE FROM mornings WHERE day < ?", [(day - _KEPT).isoformat()])
            return (
                connection.execute(
                    "INSERT INTO mornings VALUES (?, ?, 'sending', ?) ON CONFLICT DO NOTHING",
                    [day.isoformat(), receiver, now.isoformat()],
                ).rowcount
                == 1
            )

    def _keep(self, day: date, receiver: str, state: str, now: datetime) -> None:
        with self._open() as connection:
            connection.execute(
                "UPDATE mornings SET state = ?, told_at = ? WHERE day = ? AND receiver = ?",
                [state, now.isoformat(), day.isoformat(), receiver],
            )

    def _give_back(self, day: date, receiver: str) -> None:
        with self._open() as connection:
            connection.execute(
                "DELETE FROM mornings WHERE day = ? AND receiver = ?", [day.isoformat(), receiver]
            )

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return opened(self.path, _SCHEMA, busy_seconds=_BUSY_SECONDS)
