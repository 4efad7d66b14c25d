"""Who may write where several machines share a warehouse: advisory locks of PostgreSQL, by name.

A warehouse in a file, or a lake whose catalog is one, belongs to one process at a time, and needs none of
them. They are advisory: a person's own shell can write past them, so shells get a role that reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

from leadpipe.errors import ConfigurationError, WarehouseLocked

if TYPE_CHECKING:
    import psycopg

Lock = Literal["door", "leads", "listings", "visitors", "participants", "delivery", "maintenance"]
"""What is written under each: of `door` events, days and the ledger; of the others their domain's tables."""

ORDER: tuple[Lock, ...] = get_args(Lock)
"""In which they are taken where several are needed, so that two writers never wait for each other."""

_NAMESPACE = 0x6C656164  # "lead": our locks among those of other programs in the same database


@dataclass(frozen=True)
class Held:
    """Locks that are held, by a connection of their own."""

    connection: "psycopg.Connection"

    def fence(self) -> None:
        """Make sure they are held still: right before a commit.

        Raises:
            WarehouseLocked: the connection is gone, and with it the locks.
        """
        try:
            self.connection.execute("SELECT 1")
        except _psycopg().Error as error:
            raise WarehouseLocked(
                "The connection to PostgreSQL that held the lock is gone; nothing was written. "
                "The next run does it again."
            ) from error


@contextmanager
def holding(postgres: str, locks: tuple[Lock, ...], *, timeout_seconds: float) -> Iterator[Held]:
    """Hold locks while the block runs; they are gone with the process, however it ends.

    Args:
        postgres: how libpq connects.
        locks: taken in one order everywhere.
        timeout_seconds: how long to wait for each.

    Raises:
        WarehouseLocked: somebody else kept one, or PostgreSQL cannot be reached.
    """
    psycopg = _psycopg()
    try:
        connection = psycopg.connect(postgres, autocommit=True, application_name="leadpipe")
    except psycopg.Error as error:
        raise WarehouseLocked(
            f"PostgreSQL cannot be reached for the locks: {_line(error)}"
        ) from error
    with connection:
        connection.execute(f"SET lock_timeout = {max(1, round(timeout_seconds * 1000))}")
        for lock in sorted(set(locks), key=ORDER.index):
            _take(connection, lock, timeout_seconds)
        yield Held(connection)


def _take(connection: "psycopg.Connection", lock: Lock, timeout_seconds: float) -> None:
    number = ORDER.index(lock)
    try:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [_NAMESPACE, number])
    except _psycopg().errors.LockNotAvailable as error:
        found = connection.execute(
            "SELECT pid, client_addr::text FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND classid = %s AND objid = %s AND granted",
            [_NAMESPACE, number],
        ).fetchone()
        pid, address = found or (None, None)
        who = (
            f"PostgreSQL's process {pid} for {address or 'this machine'}" if pid else "another one"
        )
        raise WarehouseLocked(
            f"The lock {lock!r} is held by {who} and stayed so for {timeout_seconds:.0f} s. "
            "Wait for it to finish, then try again.",
            pid=pid,
        ) from error


def _psycopg() -> ModuleType:
    """PostgreSQL's driver, which only a shared warehouse needs."""
    try:
        return import_module("psycopg")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "psycopg is not installed. A lake with its catalog in PostgreSQL needs it: "
            "pip install 'leadpipe[lake]'"
        ) from None


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
