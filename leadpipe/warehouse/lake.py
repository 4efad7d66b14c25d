"""The warehouse as a lake: tables as Parquet in a bucket or folder, their catalog in PostgreSQL or a file.

One DuckDB instance a process holds the extensions and what is attached; a connection is a cursor of it.
A catalog in PostgreSQL stays attached, since opening it costs more than most queries; a catalog in a file is
let go after each use, since it belongs to one process at a time, like the warehouse of one file.

Belongs here: attaching, and handing out connections. Does not belong here: who may write (`locks.py`).
"""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import duckdb

from leadpipe.places import Lake, StoreKeys
from leadpipe.warehouse.extensions import load
from leadpipe.warehouse.locks import making

_MAKING_SECONDS = 60.0


class _Instance:
    """The process's DuckDB instance, and what is attached to it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.users: dict[Lake, int] = {}
        self.names: dict[Lake, str] = {}
        self.prepared: set[Lake] = set()
        self.root = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "preserve_insertion_order": False,
            }
        )
        self.extensions: set[str] = set()

    def attach(self, lake: Lake) -> str:
        """The name it is attached by."""
        with self.lock:
            if lake not in self.names:
                name = next(
                    name
                    for name in ("lake", *(f"lake_{n}" for n in range(2, len(self.names) + 3)))
                    if name not in self.names.values()
                )
                self._attach(lake, name)
                self.names[lake] = name
            self.users[lake] = self.users.get(lake, 0) + 1
            return self.names[lake]

    def leave(self, lake: Lake) -> None:
        with self.lock:
            self.users[lake] -= 1
            if self.users[lake] == 0 and not lake.is_shared:
                self.prepared.discard(lake)
                # A catalog that cannot be checkpointed, as its disk is full, is left all the same: what was
                # committed stays in its log, as it does with a file, and whoever comes next reads it there.
                with suppress(duckdb.IOException):
                    self.root.execute(f"DETACH {self.names.pop(lake)}")

    def _attach(self, lake: Lake, name: str) -> None:
        missing = tuple(one for one in _needed(lake) if one not in self.extensions)
        load(self.root, missing)  # a process that needs but one is not kept for the others
        self.extensions.update(missing)
        if "postgres_scanner" in missing:
            # PostgreSQL has no NUL in a text: what came with one is kept, with the mark for what is no text.
            self.root.execute("SET GLOBAL pg_null_byte_replacement = '\ufffd'")
        if lake.keys is not None:
            self.root.execute(_secret(name, lake.data, lake.keys))
        if "://" not in lake.data:
            Path(lake.data).mkdir(parents=True, exist_ok=True)
        with _alone_where_new(lake):
            self.root.execute(
                f"ATTACH {quoted(f'ducklake:{lake.catalog}')} AS {name} "
                f"(DATA_PATH {quoted(lake.data)}, DATA_INLINING_ROW_LIMIT 0)"
            )
        if lake.state is not None:
            try:
                self.root.execute(f"ATTACH {quoted(lake.state)} AS {name}_state (TYPE postgres)")
            except duckdb.Error:
                self.root.execute(f"DETACH {name}")
                raise


_instance_lock = threading.Lock()
_instance: list[_Instance] = []


def _of_this_process() -> _Instance:
    """The one instance; a forked process makes its own, since threads do not survive a fork."""
    with _instance_lock:
        if not _instance or _instance[0].pid != os.getpid():
            _instance[:] = [_Instance()]
        return _instance[0]


@contextmanager
def connected(
    lake: Lake, *, memory_limit: str, threads: int | None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, bool]]:
    """A connection whose statements find the lake's tables by their names, and whether it is prepared.

    Raises:
        duckdb.Error: the catalog or the data cannot be reached, or another process has the catalog's file.
        ConfigurationError: an extension is missing.
        WarehouseLocked, WarehouseUnreachable: the lake is new, and somebody else is long in making it; its
            PostgreSQL cannot be reached.
    """
    instance = _of_this_process()
    name = instance.attach(lake)
    try:
        with instance.root.cursor() as connection:
            connection.execute(f"SET GLOBAL memory_limit = '{memory_limit}'")
            connection.execute(
                f"SET GLOBAL threads = {threads}" if threads else "RESET GLOBAL threads"
            )
            look_at(connection, name, has_state=lake.state is not None)
            yield connection, lake in instance.prepared
    finally:
        instance.leave(lake)


@contextmanager
def preparing(lake: Lake) -> Iterator[bool]:
    """Whether the block has to prepare a lake that is connected; who comes meanwhile waits for it.

    It is prepared once the block has ended well, for as long as it stays attached.
    """
    instance = _of_this_process()
    with instance.lock:
        yield lake not in instance.prepared
        instance.prepared.add(lake)


def look_at(connection: duckdb.DuckDBPyConnection, name: str, *, has_state: bool) -> None:
    """Let a connection find tables of a lake, and of its state, by their names alone."""
    path = f"{name}.main,{name}_state.public" if has_state else f"{name}.main"
    connection.execute(f"SET search_path = '{path}'")


def attach_past(connection: duckdb.DuckDBPyConnection, lake: Lake, snapshot: int) -> None:
    """Let a connection of an instance of its own read a lake as it was, and only that.

    Raises:
        duckdb.Error: the snapshot has expired, or the lake cannot be reached.
    """
    if lake.keys is not None:
        connection.execute(_secret("lake", lake.data, lake.keys))
    connection.execute(
        f"ATTACH {quoted(f'ducklake:{lake.catalog}')} AS lake (SNAPSHOT_VERSION {snapshot}, READ_ONLY)"
    )
    look_at(connection, "lake", has_state=False)


def state_of(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Under which name the state's database is attached; None where all tables are in one."""
    _, _, state = search_path(connection).partition(",")
    return state.partition(".")[0] or None


@contextmanager
def state_first(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let a table's name mean the state's where both databases have it, while the block runs."""
    path = search_path(connection)
    lake, _, state = path.partition(",")
    connection.execute(f"SET search_path = '{state},{lake}'")
    try:
        yield
    finally:
        connection.execute(f"SET search_path = '{path}'")


def search_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Where a connection looks for tables: places as `database.schema`, separated by commas."""
    return str(connection.execute("SELECT current_setting('search_path')").fetchall()[0][0])


def _alone_where_new(lake: Lake) -> AbstractContextManager[None]:
    """The catalog of a lake is made by who attaches it first; DuckLake refuses those who do so beside it."""
    if lake.postgres is None:
        return nullcontext()
    return making(lake.postgres, "public.ducklake_metadata", timeout_seconds=_MAKING_SECONDS)


def _needed(lake: Lake) -> Iterator[str]:
    """The extensions of a lake: checking the signature of one takes a third of a second."""
    yield "ducklake"
    if "://" in lake.data:
        yield "httpfs"
    if lake.is_shared or lake.state is not None:
        yield "postgres_scanner"


def _secret(name: str, scope: str, keys: StoreKeys) -> str:
    options = {
        "TYPE": "s3",
        "KEY_ID": quoted(keys.key_id),
        "SECRET": quoted(keys.secret.get_secret_value()),
        "REGION": quoted(keys.region),
        "SCOPE": quoted(scope),
    }
    if keys.endpoint is not None:
        options |= {
            "ENDPOINT": quoted(keys.endpoint),
            "USE_SSL": str(keys.is_https).lower(),
            "URL_STYLE": "'path'",
        }
    listed = ", ".join(f"{option} {value}" for option, value in options.items())
    return f"CREATE OR REPLACE SECRET {name} ({listed})"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
