"""Who is alive: whoever works on something holds a lock, and the kernel frees it when the process dies.

A lock says the truth where a process id does not: ids are given to other processes, hosts are renamed, a
container has the ids of the one before it. It holds for all processes that see the same folder.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_SUFFIX = ".lock"


@contextmanager
def living(folder: Path, name: str) -> Iterator[None]:
    """Be alive under a name; several may be under the same, in one process or many.

    Args:
        folder: where the lock lies, and what belongs to the name; made if it is not there.
        name: of a file or folder in it, which need not exist.
    """
    with hold(folder, name) as file:
        try:
            yield
        finally:
            if _is_mine_alone(file):
                _path(folder, name).unlink(missing_ok=True)


@contextmanager
def own_folder(folder: Path, name: str) -> Iterator[Path]:
    """A folder to work in that is removed on leaving: by the next to come if the process dies in it.

    Args:
        folder: where it lies, with those of others; of these the dead ones' are removed first.
        name: whose it is; we are `living` under it. The folder itself is not made.
    """
    remove_dead(folder)
    with living(folder, name):
        try:
            yield folder / name
        finally:
            shutil.rmtree(folder / name, ignore_errors=True)


def hold(folder: Path, name: str) -> IO[str]:
    """As `living`, until the file given back is closed: at the latest by the end of the process."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, name)
    while True:
        file = path.open("a+")
        fcntl.flock(file, fcntl.LOCK_SH)
        if _is_at(file, path):
            return file
        file.close()  # removed as a dead one's just before it was locked


def is_living(folder: Path, name: str) -> bool:
    """Whether some process is alive under a name."""
    try:
        file = _path(folder, name).open("r+")
    except FileNotFoundError:
        return False
    with file:
        return not _is_mine_alone(file)


def remove_dead(folder: Path) -> tuple[str, ...]:
    """Remove what lies in a folder under names of which nobody is alive.

    Returns:
        The names.
    """
    if not folder.is_dir():
        return ()
    removed: list[str] = []
    for name in sorted({entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir()}):
        lock = _path(folder, name)
        with lock.open("a+") as file:
            if not (_is_mine_alone(file) and _is_at(file, lock)):
                continue
            left = folder / name
            shutil.rmtree(left, ignore_errors=True)
            with suppress(IsADirectoryError, PermissionError):  # a folder that could not be removed
                left.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
        removed.append(name)
    return tuple(removed)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}{_SUFFIX}"


def _is_mine_alone(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
