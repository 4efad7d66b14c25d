"""Open the warehouse, briefly, and always close it.

DuckDB lets one process write a file, or many read it. So every writer opens late, commits and closes
soon, and waits with jitter while somebody else has the file. Readers use the published Parquet files
instead (`publish.py`) and never wait.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import duckdb

from leadpipe import tracing
from leadpipe.errors import (
    ConfigurationError,
    WarehouseConflict,
    WarehouseError,
    WarehouseLocked,
)
from leadpipe.living import is_living, living
from leadpipe.places import Lake
from leadpipe.warehouse.failures import is_lost, reason_of, unreachable
from leadpipe.warehouse.instances import connected, cursors_of
from leadpipe.warehouse.lake import connected as lake_connected
from leadpipe.warehouse.lake import preparing, search_path
from leadpipe.warehouse.locks import ORDER, Lock, are_held, standing
from leadpipe.warehouse.migrations import is_behind, migrate
from leadpipe.warehouse.sql import has_table
from leadpipe.warehouse.transactions import owning, sharing, transaction

_LOCK_PID = re.compile(r"\(PID (\d+)\)")
_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 2.0
_MOST_ATTEMPTS = 10

ResultT = TypeVar("ResultT")


def lock_holder(error: duckdb.Error) -> tuple[bool, int | None]:
    """Whether the error says that another process has the file, and that process's id."""
    text = str(error)
    found = _LOCK_PID.search(text)
    return "lock" in text.lower(), int(found.group(1)) if found else None


def receipt_of(path: Path) -> Path:
    """What says that a warehouse's file was moved to a lake, beside where it was."""
    return path.with_name(f"{path.name}.moved.json")


def _refuse_moved_file(path: Path) -> None:
    """Begin no new file where one was until it was moved."""
    receipt = receipt_of(path.resolve())
    if not path.exists() and receipt.exists():
        raise WarehouseError(
            f"The warehouse {path} was moved; {receipt} says where to. Set LEADPIPE_WAREHOUSE to that, or "
            "put the receipt elsewhere to begin anew."
        )


def _refuse_moved_lake(connection: duckdb.DuckDBPyConnection) -> None:
    """Go on with no lake whose tables were moved to a file."""
    if has_table(connection, search_path(connection).partition(".")[0], "moved_away"):
        to, at = connection.execute("SELECT moved_to, moved_at FROM moved_away").fetchall()[0]
        raise WarehouseError(
            f"This lake was moved to {to} at {at:%Y-%m-%d %H:%M} UTC. Set LEADPIPE_WAREHOUSE to that, or "
            "drop the lake's table moved_away to go on here, without what came there since."
        )


def _file_at(path: Path) -> int | None:
    """Which file is at a path: its inode, None if there is none."""
    return path.stat().st_ino if path.exists() else None


@dataclass(frozen=True)
class Warehouse:
    """A DuckDB file or a lake, and how to open it. Holds no connection: `connect()` does, for a moment.

    Args:
        path: the DuckDB file; its folder is made when it is first opened.
        lock_timeout_seconds: how long `connect()` waits while another process has the file.
        memory_limit: what DuckDB may use before it spills to disk, as DuckDB writes it (`2GB`).
        lake: where the tables are instead, in place of the file; `path` names the folder beside which
            this machine keeps what is its own.
    """

    path: Path
    lock_timeout_seconds: float = 60.0
    memory_limit: str = "2GB"
    threads: int | None = None
    lake: Lake | None = None
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with all migrations applied; closed on leaving, whatever happened.

        Raises:
            WarehouseLocked: another process kept the file longer than `lock_timeout_seconds`.
            WarehouseTooNew: a newer leadpipe has migrated the file.
            ConfigurationError: DuckDB can have no file at this path.
        """
        with tracing.span("warehouse") as span, ExitStack() as opened:
            asked_at = self.clock()
            connection, is_migrated = self._open(opened)
            span.note(leadpipe__wait_seconds=self.clock() - asked_at)
            connection.execute("SET TimeZone = 'UTC'")
            postgres = self.lake.postgres if self.lake is not None else None
            if postgres is not None:
                opened.enter_context(
                    sharing(connection, postgres, timeout_seconds=self.lock_timeout_seconds)
                )
            if not is_migrated:
                if self.lake is not None:
                    _refuse_moved_lake(connection)
                self._migrate(connection)
            yield connection

    def _migrate(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Apply what is missing; where others may do so at the same moment, while nobody else writes."""
        if self.lake is None or self.lake.postgres is None:
            migrate(connection, now=datetime.now(UTC))
            return
        with preparing(self.lake) as is_mine:
            if is_mine and is_behind(connection):
                with owning(connection, *ORDER):
                    migrate(connection, now=datetime.now(UTC))

    def _open(self, opened: ExitStack) -> tuple[duckdb.DuckDBPyConnection, bool]:
        """A connection that `opened` closes, and whether all migrations are known to be applied.

        Waits, within bounds, while another process has the file.
        """
        give_up_at = self.clock() + self.lock_timeout_seconds
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                if self.lake is None:
                    return opened.enter_context(self._open_file()), False
                return opened.enter_context(self._open_lake(self.lake))
            except duckdb.Error as error:
                if self.lake is not None and is_lost(error):
                    raise unreachable(error, f"The lake {self}", "nothing was written") from error
                if not isinstance(error, duckdb.IOException):
                    raise self._unreadable(error) from error
                is_locked, pid = lock_holder(error)
                if not is_locked:
                    raise WarehouseError(f"Cannot open the warehouse {self}: {error}") from error
                if self.clock() + wait > give_up_at:
                    who = f"process {pid}" if pid else "another process"
                    raise WarehouseLocked(
                        f"The warehouse {self} is in use by {who} and stayed so for "
                        f"{self.lock_timeout_seconds:.0f} s. Wait for it to finish or end it "
                        "(a DuckDB shell or notebook left open?), then try again.",
                        pid=pid,
                    ) from error
                self.sleep(wait * (0.5 + random.random()))  # noqa: S311 - jitter, no secret
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _unreadable(self, error: duckdb.Error) -> WarehouseError:
        if self.lake is not None:
            return WarehouseError(
                f"The lake {self} cannot be opened: {reason_of(error)}. "
                "`leadpipe check` tries each of its parts."
            )
        return WarehouseError(
            f"{self} is not a DuckDB file this version can read: {error}. "
            "Move it aside, or restore it from a backup."
        )

    def __str__(self) -> str:
        return str(self.path) if self.lake is None else f"ducklake:{self.lake.catalog}"

    @property
    def is_there(self) -> bool:
        """Whether it was made; of one in PostgreSQL only its server knows, so that counts as there."""
        if self.lake is None:
            return self.path.exists()
        return self.lake.is_shared or Path(self.lake.catalog).exists()

    @contextmanager
    def _open_file(self) -> Iterator[duckdb.DuckDBPyConnection]:
        if "?" in str(self.path.resolve()):  # DuckDB would write its log beside another folder
            raise ConfigurationError(
                f"The warehouse {self.path} has a question mark in its path, which DuckDB takes for a web "
                "address. Choose another folder: LEADPIPE_DATA_DIR, or LEADPIPE_WAREHOUSE for the file alone."
            )
        _refuse_moved_file(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        config: dict[str, str | bool | int] = {
            "memory_limit": self.memory_limit,
            "storage_compatibility_version": "v1.5.0",
            "preserve_insertion_order": False,
        }
        if self.threads:
            config["threads"] = self.threads
        while True:
            before = _file_at(self.path)
            with connected(self.path, config) as connection:
                if before in (None, _file_at(self.path)):
                    yield connection
                    return
            # It was written anew (`rewriting.py`) between opening and locking it.

    @contextmanager
    def _open_lake(self, lake: Lake) -> Iterator[tuple[duckdb.DuckDBPyConnection, bool]]:
        if not lake.is_shared and "?" in str(Path(lake.catalog).resolve()):
            raise ConfigurationError(
                f"The lake {self} has a question mark in its path, which DuckDB takes for a web address. "
                "Choose another folder: LEADPIPE_WAREHOUSE."
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with lake_connected(lake, memory_limit=self.memory_limit, threads=self.threads) as (
            connection,
            is_prepared,
        ):
            yield connection, is_prepared

    @contextmanager
    def writing(self, lock: Lock, *locks: Lock) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside one `transaction`: committed on leaving, rolled back on an error.

        Whatever takes long and needs no warehouse (asking PostHog, typing rows) belongs before it.

        Args:
            lock: what is written, for a warehouse that several machines share. A file, and a lake whose
                catalog is one, belongs to one process at a time, and needs none.
            locks: what else is.

        Raises:
            WarehouseLocked: another process kept the file, or somebody a lock, longer than
                `lock_timeout_seconds`.
            WarehouseConflict, WarehouseUnreachable: see `transaction`.
        """
        with self.connect() as connection, transaction(connection, lock, *locks):
            yield connection

    @contextmanager
    def alive_as(self, folder: Path, name: str) -> Iterator[None]:
        """Be alive under a name, for all that see the folder and all that share the warehouse.

        Raises:
            WarehouseUnreachable: PostgreSQL does not answer.
        """
        postgres = self.lake.postgres if self.lake is not None else None
        with ExitStack() as held:
            if postgres is not None:
                held.enter_context(standing(postgres, name, is_alone=False))
            held.enter_context(living(folder, name))
            yield

    @contextmanager
    def alone_as(self, name: str) -> Iterator[Callable[[], bool]]:
        """Be the only one under a name among all machines that share the warehouse; gives whether we are.

        What it gives is false as soon as the connection that held the name is gone. Where one machine has the
        warehouse, we are alone.

        Raises:
            WarehouseUnreachable: PostgreSQL does not answer.
        """
        postgres = self.lake.postgres if self.lake is not None else None
        if postgres is None:
            yield lambda: True
            return
        with standing(postgres, name, is_alone=True) as is_held:
            yield is_held

    def is_alive(self, folder: Path, name: str) -> bool:
        """Whether somebody is alive under a name.

        Raises:
            WarehouseUnreachable: PostgreSQL does not answer.
        """
        postgres = self.lake.postgres if self.lake is not None else None
        return is_living(folder, name) or (
            postgres is not None and name in are_held(postgres, [name])
        )

    def write(
        self, lock: Lock, function: Callable[[duckdb.DuckDBPyConnection], ResultT], *locks: Lock
    ) -> ResultT:
        """What a function gives inside `writing`, done again while it conflicts with somebody's write.

        Args:
            lock: what is written.
            function: changes nothing but the warehouse, so that it can be done again.
            locks: what else is written.

        Raises:
            WarehouseConflict: each of the attempts met one.
            WarehouseLocked, WarehouseUnreachable: as in `writing`.
        """
        wait = _FIRST_WAIT_SECONDS
        for left in range(_MOST_ATTEMPTS - 1, -1, -1):
            try:
                with self.writing(lock, *locks) as connection:
                    return function(connection)
            except WarehouseConflict:
                if not left:
                    raise
                self.sleep(wait * (0.5 + random.random()))  # noqa: S311 - jitter, no secret
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
        raise AssertionError("there is a last attempt")


@contextmanager
def another_cursor(
    connection: duckdb.DuckDBPyConnection,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection beside another one, which finds the same tables; for a thread, or what may fail.

    What the other has not committed, and its temporary tables, are not in it.
    """
    with cursors_of(connection)() as cursor:
        yield cursor


def commit_by_one_thread(connection: duckdb.DuckDBPyConnection) -> None:
    """Let one thread compress what was written, at the end of a transaction that wrote a row group or two.

    It takes less CPU than several, and holds but one row group in memory. Close the connection next.
    A lake has written its files by then.
    """
    if not is_of_a_lake(connection):
        connection.execute("SET threads = 1")


@contextmanager
def by_one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """For batches of less than a row group a thread: two take a third more CPU, and 100 MB.

    Of a lake the threads are those of all connections of the process, and stay.
    """
    if is_of_a_lake(connection):
        yield
        return
    threads = connection.execute("SELECT current_setting('threads')").fetchall()[0][0]
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {threads}")


def is_of_a_lake(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether its tables are a lake's."""
    found = connection.execute(
        "SELECT type FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    return found == [("ducklake",)]


@contextmanager
def memory(
    *, spill: Path | None = None, memory_limit: str | None = None, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory connection: for reading files of a publication, or typing rows apart from the warehouse.

    Args:
        spill: a folder for what the limit does not hold; made if missing.
        memory_limit: as in `Warehouse`; by default DuckDB's own.
        threads: by default one a core.
    """
    config: dict[str, str | bool | int | float | list[str]] = {}
    if spill is not None:
        spill.mkdir(parents=True, exist_ok=True)
        config |= {"temp_directory": str(spill), "preserve_insertion_order": False}
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(config=config)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()
