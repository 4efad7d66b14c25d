"""Replace a leads file as a whole, or not at all.

Belongs here: the lock, reading, the swap, the previous version. Does not belong here: what is written.

Beside the file lies a folder `.leadpipe` that git ignores: it holds the lock and the version before the
last change. The new text goes to a temporary file in the same folder, is forced to disk and takes the
file's place by one rename. What else writes to the file does not know our lock: if its bytes are no longer
those that were read, nothing is written.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from leadpipe.errors import LeadsFileBusy, LeadsFileError

SIDE_FOLDER = ".leadpipe"
_TEMPORARY = ".leadpipe-"


@dataclass(frozen=True)
class Snapshot:
    """A file as it was read."""

    path: Path
    data: bytes
    state: os.stat_result

    @property
    def previous(self) -> Path:
        """Where the version before the last change is kept."""
        return self.path.parent / SIDE_FOLDER / f"{self.path.name}.previous"


def read_file(path: Path) -> Snapshot:
    """The bytes of a leads file.

    Raises:
        LeadsFileError: there is none, it is a symbolic link or no file, or it may not be read.
    """
    try:
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            raise LeadsFileError(
                f"{path} is a symbolic link. Replacing it would leave the file it leads to behind; "
                "name the file itself in LEADPIPE_LEADS_FILE."
            )
        if not stat.S_ISREG(state.st_mode):
            raise LeadsFileError(f"{path} is not a file")
        with path.open("rb") as file:
            return Snapshot(path, file.read(), os.fstat(file.fileno()))
    except FileNotFoundError:
        raise LeadsFileError(
            f"There is no leads file {path}. Check the tenant's name, or set LEADPIPE_LEADS_FILE to "
            "where the files of the tenants are."
        ) from None
    except OSError as error:
        raise LeadsFileError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def locked(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock of a leads file; another sync of it waits so long, on this machine.

    Raises:
        LeadsFileBusy: another sync held it all that time.
        LeadsFileError: there is no such file, or its folder may not be written to.
    """
    side = path.parent / SIDE_FOLDER
    try:
        read_file(path)
        side.mkdir(exist_ok=True)
        ignore = side / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        lock = FileLock(side / f"{path.name}.lock", timeout=timeout_seconds)
        lock.acquire()
    except Timeout:
        raise LeadsFileBusy(
            f"Another sync held {path} for {timeout_seconds:.0f} s. Wait for it to end, then try again."
        ) from None
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        yield
    finally:
        lock.release()


def replace_file(read: Snapshot, data: bytes) -> None:
    """Put new bytes in the place of a file, keeping its mode and owner, and keep the old ones.

    Hold the lock. After an error the file is as it was.

    Raises:
        LeadsFileBusy: the file changed since it was read.
        LeadsFileError: it cannot be written: no permission, disk full.
    """
    try:
        for leftover in read.path.parent.glob(f"{_TEMPORARY}*"):
            leftover.unlink(missing_ok=True)  # of a sync that was killed; we hold the lock
        _refuse_if_changed(
            read
        )  # before the previous version gives way, and again just before the swap
        _swap_in(read.previous, read.data, read.state, folder=read.previous.parent)
        _swap_in(read.path, data, read.state, folder=read.path.parent, unchanged=read)
    except OSError as error:
        raise _not_written(read.path, error) from error


def _swap_in(
    path: Path,
    data: bytes,
    state: os.stat_result,
    *,
    folder: Path,
    unchanged: Snapshot | None = None,
) -> None:
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            now = os.fstat(file.fileno())
            if (now.st_uid, now.st_gid) != (state.st_uid, state.st_gid):
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
            os.fsync(file.fileno())
        if unchanged:
            _refuse_if_changed(unchanged)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _refuse_if_changed(read: Snapshot) -> None:
    try:
        now = read_file(read.path)
    except LeadsFileError:
        now = None
    if now is None or now.data != read.data:
        raise LeadsFileBusy(
            f"{read.path} was changed while leadpipe worked on it; it is left as it is. Run the sync again."
        )


def _not_written(path: Path, error: OSError) -> LeadsFileError:
    return LeadsFileError(
        f"{path} cannot be replaced: {error.strerror or error}. It is unchanged. leadpipe must be able to "
        f"write to the folder {path.parent}, as the file's owner."
    )
