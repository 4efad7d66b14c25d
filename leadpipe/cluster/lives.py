"""Who works on a run, seen from every machine: a lock of PostgreSQL that is gone with the process.

What `leadpipe/living.py` is for one machine. The lock is a session's advisory lock in Dagster's own database.
A machine that vanishes is noticed by the server's keepalives, which each session asks for.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

_LOOK_SECONDS = 10.0
_OPTIONS = "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"


@dataclass(frozen=True)
class PostgresLives:
    """The lives of runs, in one database.

    Args:
        postgres: how libpq connects to it.
    """

    postgres: str

    def hold(self, run_id: str) -> "Hold":
        """Be alive under a run's id until the process ends or `close()` is called.

        Raises:
            psycopg.Error: PostgreSQL cannot be reached.
        """
        return Hold(self, run_id)

    @contextmanager
    def holding(self, run_id: str) -> Iterator[None]:
        """Be alive while the block runs."""
        held = self.hold(run_id)
        try:
            yield
        finally:
            held.close()

    def is_living(self, run_id: str) -> bool:
        """Whether some process, on whatever machine, is alive under a run's id.

        Raises:
            psycopg.Error: PostgreSQL cannot be reached.
        """
        with self.connect() as connection:
            row = connection.execute(
                "SELECT pg_try_advisory_lock(%s)", [_number(run_id)]
            ).fetchone()
        return row == (False,)

    def clear(self) -> None:
        """Nothing is left of the dead."""

    def connect(self) -> "psycopg.Connection":
        """A session of its own."""
        return psycopg.connect(
            self.postgres,
            autocommit=True,
            application_name="leadpipe run",
            options=_OPTIONS,
            connect_timeout=10,
        )


class Hold:
    """A lock that is held: taken again, should its session be lost while the process lives."""

    def __init__(self, lives: PostgresLives, run_id: str) -> None:
        self._lives = lives
        self._number = _number(run_id)
        self._ended = threading.Event()
        self._connection = self._taken()
        self._thread = threading.Thread(target=self._keep, name=f"lives {run_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go."""
        self._ended.set()
        self._thread.join()
        with suppress(psycopg.Error):
            self._connection.close()

    def _taken(self) -> "psycopg.Connection":
        connection = self._lives.connect()
        connection.execute("SELECT pg_advisory_lock_shared(%s)", [self._number])
        return connection

    def _keep(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                with suppress(psycopg.Error):
                    self._connection = self._taken()


def _number(run_id: str) -> int:
    """A run's id as a lock's number: of both, 64 bits are enough to meet no other."""
    return int.from_bytes(uuid.UUID(run_id).bytes[-8:], "big", signed=True)
