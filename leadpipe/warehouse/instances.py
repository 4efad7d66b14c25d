"""DuckDB instances that outlive their file's use: a file is attached, used, and let go.

Making an instance takes DuckDB five times as long as opening a small file: it enters all its functions anew.
A sync opens the warehouse some forty times, so the instance stays, without the file, until the next time.

Belongs here: making, keeping and leaving instances. Does not belong here: who waits for a lock, what is in
the file (`connection.py`).
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

Config = Mapping[str, str | bool | int]

_NAME = "leadpipe"  # by which the file is attached; any file's own name might be one of DuckDB's
_MOST_IDLE = 2


@dataclass
class _Instance:
    """An instance for one file: it spills beside it.

    Args:
        root: keeps the instance alive, attaches and detaches.
        users: connections that have the file now.
        is_sound: no error came out of it.
    """

    root: duckdb.DuckDBPyConnection
    users: int = 0
    is_sound: bool = True


class _Instances:
    """Those of a process: in use, or idle with no file attached."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.in_use: dict[str, _Instance] = {}
        self.idle: dict[str, _Instance] = {}

    def enter(self, path: Path, config: Config) -> tuple[str, _Instance]:
        key = f"{path.resolve()} {sorted(config.items())}"
        with self.lock:
            instance = self.in_use.get(key) or self._attached(key, path, config)
            instance.users += 1
            self.in_use[key] = instance
            return key, instance

    def leave(self, key: str, instance: _Instance) -> None:
        with self.lock:
            instance.users -= 1
            if instance.users:
                return
            del self.in_use[key]
            if not instance.is_sound or not _let_go(instance):
                instance.root.close()
                return
            self.idle[key] = instance
            if len(self.idle) > _MOST_IDLE:
                self.idle.pop(next(iter(self.idle))).root.close()

    def _attached(self, key: str, path: Path, config: Config) -> _Instance:
        instance = self.idle.pop(key, None)
        if instance is None:
            spill = {"temp_directory": f"{path}.tmp"}
            instance = _Instance(duckdb.connect(config={**config, **spill}))
        try:
            # A user may have set them, and left.
            threads = config.get("threads")
            instance.root.execute(
                f"SET GLOBAL threads = {threads}" if threads else "RESET GLOBAL threads"
            )
            name = str(path).replace("'", "''")
            instance.root.execute(f"ATTACH '{name}' AS {_NAME}")
        except BaseException:
            instance.root.close()
            raise
        return instance


def _let_go(instance: _Instance) -> bool:
    try:
        instance.root.execute(f"DETACH {_NAME}")
    except duckdb.Error:  # its log stays, and is worked in by whoever opens the file next
        return False
    return True


_here = [_Instances()]
_change = threading.Lock()


def _of_this_process() -> _Instances:
    """A forked process has its own: threads do not survive a fork."""
    with _change:
        if _here[-1].pid != os.getpid():
            _here.append(_Instances())  # the parent's stay as they are
        return _here[-1]


@contextmanager
def connected(path: Path, config: Config) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a file, made if it is not there; nobody else has the file before, nor after.

    Whoever asks for the same file with the same options in the same process shares the instance.

    Args:
        path: of the file.
        config: DuckDB's options.

    Raises:
        duckdb.Error: it cannot be opened, or another process has it.
    """
    instances = _of_this_process()
    key, instance = instances.enter(path, config)
    connection = instance.root.cursor()
    try:
        connection.execute(f"USE {_NAME}")
        yield connection
    except BaseException:
        instance.is_sound = False
        raise
    finally:
        with suppress(duckdb.Error):
            connection.close()
        instances.leave(key, instance)


def cursors_of(
    connection: duckdb.DuckDBPyConnection,
) -> Callable[[], duckdb.DuckDBPyConnection]:
    """Makes further connections that find the tables which a connection finds, outside its transaction.

    The connection is asked once, here: threads may make theirs at the same time.
    """
    [[path, zone]] = connection.execute(
        "SELECT current_setting('search_path'), current_setting('TimeZone')"
    ).fetchall()

    def made() -> duckdb.DuckDBPyConnection:
        cursor = connection.cursor()  # inherits neither
        cursor.execute(f"SET TimeZone = '{zone}'")
        if path:
            cursor.execute(f"SET search_path = '{path}'")
        return cursor

    return made
