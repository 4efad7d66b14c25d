"""Secrets that leadpipe makes and keeps in the data folder: whole, and their owner's alone.

Belongs here: files with one secret each. Does not belong here: secrets that a person chose (`signing.py`).
"""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from leadpipe.errors import ConfigurationError
from leadpipe.private import can_others_read

LEAST_CHARACTERS = 20
_FRESH_BYTES = 32


def kept_secret(path: Path) -> str:
    """The secret in a file that only its owner can read; made when it is not there.

    A new one is whole on disk before it has its name, so that a full disk or a kill leaves none or all of it.

    Raises:
        ConfigurationError: the file has no whole secret, or others can read it.
    """
    with suppress(FileNotFoundError):
        return _read(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # for its owner alone
    aside = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(f"{secrets.token_urlsafe(_FRESH_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was faster: its secret is the one
            os.link(aside, path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        aside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return _read(path)


def _read(path: Path) -> str:
    secret = path.read_text(encoding="utf-8", errors="replace").strip()
    if can_others_read(path):
        raise ConfigurationError(
            f"{path} holds a secret, and others at this machine can read it: chmod 600 {path}. If somebody "
            "may have seen it: remove it, and the next start makes another one."
        )
    if len(secret) < LEAST_CHARACTERS:
        raise ConfigurationError(
            f"{path} holds no whole secret ({len(secret)} characters; was the disk full?). Remove it, and "
            "the next start makes one."
        )
    return secret
