"""Who may write where several machines share a warehouse: advisory locks of PostgreSQL, by name.

A warehouse in a file, or a lake whose catalog is one, belongs to one process at a time, and needs none of
them. They are advisory: a person's own shell can write past them, so shells get a role that reads.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

from leadpipe.errors import ConfigurationError, WarehouseLocked, WarehouseUnreachable
from leadpipe.warehouse.failures import reason_of

if TYPE_CHECKING:
    import psycopg

Lock = Literal[
    "door",
    "leads",
    "listings",
    "visitors",
    "participants",
    "interactions",
    "delivery",
    "publication",
    "maintenance",
]
"""What is written under each: of `door` events, days and the ledger; of `participants` all of the draws; of
the others their domain's tables, what was published, and the files of the lake."""

ORDER: tuple[Lock, ...] = get_args(Lock)
"""In which they are taken where several are needed, so that two writers never wait for each other."""

_CONNECT_SECONDS = 10
_NAMESPACE = 0x6C656164  # "lead": our locks among those of other programs in the same database


@dataclass(frozen=True)
class Held:
    """Locks that are held, by a connection of their own."""

    connection: "psycopg.Connection"
    postgres: str
    locks: tuple[Lock, ...] = ()

    def fence(self, outcome: str = "nothing was written") -> None:
        """Make sure they are held still: right before a commit.

        Args:
            outcome: what became of the work if they are not.

        Raises:
            WarehouseLocked: the connection is gone, and with it the locks.
        """
        try:
            self.connection.execute("SELECT 1")
        except _psycopg().Error as error:
            raise WarehouseLocked(
                f"The connection to PostgreSQL that held the lock is gone; {outcome}. "
                "The next run does it again."
            ) from error

    def rows_of(self, table: str) -> int | None:
        """How many rows the catalog says a table of the lake has; None if there is no such table."""
        found = self.connection.execute(
            "SELECT record_count FROM ducklake_table_stats JOIN ducklake_table USING (table_id) "
            "WHERE table_name = %s AND end_snapshot IS NULL",
            [table],
        ).fetchone()
        return int(found[0]) if found else None


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
    with session(postgres) as connection:
        connection.execute(f"SET lock_timeout = {max(1, round(timeout_seconds * 1000))}")
        wanted = tuple(sorted(set(locks), key=ORDER.index))
        for lock in wanted:
            _take(connection, lock, timeout_seconds)
        yield Held(connection, postgres, wanted)


@contextmanager
def making(postgres: str, table: str, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the door while the block makes what is not there: of many who come at once, one makes it.

    Args:
        postgres: how libpq connects.
        table: says that it was made; where it is, nothing is held.
        timeout_seconds: how long to wait for who makes it.

    Raises:
        WarehouseLocked, WarehouseUnreachable: as in `holding`.
    """
    with session(postgres) as connection:
        found = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    if found and found[0] is not None:
        yield
        return
    with holding(postgres, ("door",), timeout_seconds=timeout_seconds):
        yield


@contextmanager
def standing(postgres: str, name: str, *, is_alone: bool) -> Iterator[Callable[[], bool]]:
    """Hold a name until the block or the process ends; gives what says whether it is held, now as later.

    It is gone with the connection that holds it, so what it says of others is true on every machine.

    Args:
        postgres: how libpq connects.
        name: any text; its meaning is the caller's.
        is_alone: by nobody else at the same time; else by as many as like.

    Raises:
        WarehouseUnreachable: PostgreSQL cannot be reached.
    """
    function = "pg_try_advisory_lock" if is_alone else "pg_try_advisory_lock_shared"
    with session(postgres) as connection:
        found = connection.execute(f"SELECT {function}(%s)", [_number(name)]).fetchone()
        is_ours = bool(found and found[0])

        def is_held() -> bool:
            try:
                connection.execute("SELECT 1")
            except _psycopg().Error:
                return False
            return is_ours

        yield is_held


def are_held(postgres: str, names: Collection[str]) -> set[str]:
    """Which of the names somebody holds, on whatever machine.

    Raises:
        WarehouseUnreachable: PostgreSQL cannot be reached.
    """
    if not names:
        return set()
    with session(postgres) as connection:
        found = connection.execute(
            "SELECT classid::bigint, objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    held = {(high << 32) | low for high, low in found}
    return {name for name in names if _number(name) % 2**64 in held}


def _number(name: str) -> int:
    """A name's number, as PostgreSQL's locks have it: 64 bits with a sign."""
    digest = hashlib.sha256(f"leadpipe {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def session(postgres: str) -> Iterator["psycopg.Connection"]:
    """A connection that holds locks: its server notices within a minute that our machine has vanished."""
    psycopg = _psycopg()
    try:
        connection = psycopg.connect(
            postgres,
            autocommit=True,
            fallback_application_name="leadpipe",
            connect_timeout=_CONNECT_SECONDS,
        )
    except psycopg.Error as error:
        raise WarehouseUnreachable(
            f"PostgreSQL cannot be reached for the locks: {reason_of(error)}. Nothing was written; "
            "`leadpipe check` tries each part of the lake."
        ) from error
    with closing(connection):
        try:
            connection.execute(
                "SELECT set_config('tcp_keepalives_idle', '20', false), "
                "set_config('tcp_keepalives_interval', '10', false), "
                "set_config('tcp_keepalives_count', '3', false)"
            )
            yield connection
        except psycopg.OperationalError as error:
            raise WarehouseUnreachable(
                f"The connection to PostgreSQL that held the lock is gone: {reason_of(error)}. "
                "Run it again; `leadpipe check` tries each part of the lake."
            ) from error


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
