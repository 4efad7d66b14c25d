"""Transactions of the warehouse, and who owns what they write.

Where several machines share a warehouse, a transaction holds the locks of what it writes from before it
begins until after it is committed. Everywhere else the connection itself is the right to write. Where a
conflict or a lost connection ends one, the error says whether anything was written.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import duckdb

from leadpipe.errors import WarehouseConflict, WarehouseError
from leadpipe.living import is_living
from leadpipe.warehouse.broken_commits import forget_commit, mend, note_commit
from leadpipe.warehouse.broken_rewrites import forget, put_back, set_aside
from leadpipe.warehouse.failures import is_conflict, is_lost, reason_of, unreachable
from leadpipe.warehouse.lake import state_of
from leadpipe.warehouse.locks import ORDER, Held, Lock, are_held, holding
from leadpipe.warehouse.migrations import applied, refuse_newer


@dataclass
class _Shared:
    """What a connection to a shared warehouse needs to know of it, and the locks it owns now."""

    postgres: str
    timeout_seconds: float
    held: list[Held] = field(default_factory=list)
    is_part_written: bool = False
    """Whether the transaction that is open follows on one of the same block that is committed."""

    def owns(self, lock: Lock) -> bool:
        return any(lock in held.locks for held in self.held)


_NOTHING = "nothing was written"
_A_PART = "what comes before this is written and right without it, this is not"
_UNKNOWN = "it is not known whether this was written, and doing it again is safe"

_shared: WeakKeyDictionary[duckdb.DuckDBPyConnection, _Shared] = WeakKeyDictionary()


@contextmanager
def sharing(
    connection: duckdb.DuckDBPyConnection, postgres: str, *, timeout_seconds: float
) -> Iterator[None]:
    """A connection to a warehouse that others write, too: its transactions have to own what they write."""
    _shared[connection] = _Shared(postgres, timeout_seconds)
    try:
        with _told(_shared[connection]):
            yield
    finally:
        del _shared[connection]


@contextmanager
def owning(connection: duckdb.DuckDBPyConnection, *locks: Lock) -> Iterator[None]:
    """Nobody else writes what the locks name, over several transactions and what is read between them.

    Those that the connection owns already are not taken again.

    Raises:
        WarehouseLocked: somebody kept one too long.
        WarehouseTooNew: a newer leadpipe has migrated the warehouse since this process opened it.
        WarehouseError: one comes before those that are owned already in the order of all.
    """
    shared = _shared.get(connection)
    wanted = tuple(lock for lock in ORDER if lock in locks and not (shared and shared.owns(lock)))
    if shared is None or not wanted:
        yield
        return
    owned = [lock for held in shared.held for lock in held.locks]
    if owned and ORDER.index(wanted[0]) < max(map(ORDER.index, owned)):
        raise WarehouseError(f"The lock {wanted[0]!r} is taken before {owned[-1]!r}, not after it")
    with holding(shared.postgres, wanted, timeout_seconds=shared.timeout_seconds) as held:
        put_back(held.connection, connection)
        mend(held.connection, connection, wanted)
        if set(wanted) != set(ORDER):  # who has all of them is the one to migrate
            _refuse_newer(connection, held)
        shared.held.append(held)
        try:
            yield
        finally:
            shared.held.remove(held)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, *locks: Lock) -> Iterator[None]:
    """Everything inside commits together or not at all.

    Args:
        connection: the warehouse.
        locks: what is written, unless it is owned already.

    Raises:
        WarehouseLocked: somebody kept a lock too long; or its connection is gone, and nothing was written.
        WarehouseConflict: somebody else wrote the same meanwhile; nothing was written.
        WarehouseUnreachable: PostgreSQL or the store of a lake is gone; the message says what was written.
    """
    with owning(connection, *locks):
        shared = _shared.get(connection)
        if shared is not None and not shared.held:
            raise WarehouseError("A transaction of a shared warehouse has to own what it writes")
        try:
            with _told(shared):
                connection.execute("BEGIN TRANSACTION")
                try:
                    yield
                    _fence(shared)
                except BaseException:
                    # It is over already where the connection to its catalog is.
                    with suppress(duckdb.Error):
                        connection.execute("ROLLBACK")
                    raise
            _commit(connection, shared)
        finally:
            if shared is not None:
                shared.is_part_written = False


def has_own_state(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether what people typed and what is under way is in a database of its own."""
    return state_of(connection) is not None


def between_databases(connection: duckdb.DuckDBPyConnection) -> None:
    """Commit, and begin anew, where the state is a database of its own: no transaction writes to both.

    Elsewhere nothing happens, and all is one transaction. What was written before it has to be right without
    what follows: the process may die in between.

    Raises:
        WarehouseLocked, WarehouseConflict, WarehouseUnreachable: as in `transaction`.
    """
    if has_own_state(connection):
        shared = _shared.get(connection)
        _fence(shared)
        _commit(connection, shared)
        if shared is not None:
            shared.is_part_written = True
        connection.execute("BEGIN TRANSACTION")


def fence(connection: duckdb.DuckDBPyConnection) -> None:
    """Make sure that a transaction owns still what it writes, before it changes what is in no database.

    Raises:
        WarehouseLocked: somebody else may own it; nothing was written.
    """
    _fence(_shared.get(connection))


def _fence(shared: _Shared | None) -> None:
    """Make sure that what is owned is owned still: right before a commit."""
    for held in shared.held if shared is not None else ():
        held.fence(_outcome(shared))


def _outcome(shared: _Shared | None) -> str:
    """What became of work that did not come to its commit."""
    return _A_PART if shared is not None and shared.is_part_written else _NOTHING


def _commit(connection: duckdb.DuckDBPyConnection, shared: _Shared | None) -> None:
    with _told(shared, lost=_UNKNOWN):
        if shared is None:
            connection.execute("COMMIT")
        else:
            _commit_on_note(connection, shared)


def _commit_on_note(connection: duckdb.DuckDBPyConnection, shared: _Shared) -> None:
    """Commit with a note of it, which stays where nobody knows whether the commit arrived."""
    catalog = shared.held[0].connection
    token = note_commit(catalog, [lock for held in shared.held for lock in held.locks])
    try:
        connection.execute("COMMIT")
    except duckdb.Error as error:
        if not is_lost(error):
            forget_commit(catalog, token)
        raise
    forget_commit(catalog, token)


@contextmanager
def writing_files_anew(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[None]:
    """A block that commits other files in place of a table's, with the same rows.

    Args:
        connection: owns all locks.
        table: its name.
    """
    shared = _shared.get(connection)
    if shared is None:
        yield
        return
    catalog = shared.held[0].connection
    set_aside(catalog, table)
    try:
        yield
    except duckdb.Error as error:
        if not is_lost(error):
            forget(catalog)
        raise
    forget(catalog)


def alive_among(
    connection: duckdb.DuckDBPyConnection, folder: Path, names: Collection[str]
) -> set[str]:
    """Which names somebody is alive under: see `Warehouse.alive_as`.

    Args:
        connection: the warehouse.
        folder: where those of this machine hold their locks, see `living.py`.
        names: any.
    """
    here = {name for name in names if is_living(folder, name)}
    shared = _shared.get(connection)
    return here if shared is None else here | are_held(shared.postgres, {*names} - here)


def is_shared(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether other machines may write the warehouse at the same time."""
    return connection in _shared


@contextmanager
def _told(shared: _Shared | None, *, lost: str | None = None) -> Iterator[None]:
    """Give what is nobody's mistake its name.

    Args:
        shared: of the connection.
        lost: what became of the work where a server is gone, if it is not certain.
    """
    try:
        yield
    except duckdb.Error as error:
        if is_conflict(error):
            raise WarehouseConflict(
                f"Somebody else wrote the same tables meanwhile; {_outcome(shared)}: {reason_of(error)}. "
                "Run it again. A shell that writes on the warehouse needs a role that only reads."
            ) from error
        if is_lost(error):
            raise unreachable(error, "The lake", lost or _outcome(shared)) from error
        raise


def _refuse_newer(connection: duckdb.DuckDBPyConnection, held: Held) -> None:
    """Look whether another version has migrated the warehouse; one question to PostgreSQL where none has."""
    count = held.rows_of("migrations")
    if count is not None and count != _seen.get(held.postgres):
        refuse_newer(applied(connection))
        _seen[held.postgres] = count


_seen: dict[str, int] = {}
"""How many migrations a warehouse had when it was last looked at."""
