"""Passwords as argon2 keeps them: slow to guess for whoever has the file, and the same time for every name.

Belongs here: hashes. Does not belong here: whose they are (`people.py`), how often one may try (`access.py`).
"""

import secrets
from functools import cache
from threading import Semaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from leadpipe.errors import ConfigurationError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 1_000
_HASHER = PasswordHasher()
_AT_ONCE = Semaphore(2)  # 64 MB each, so that many logins at once cost no more memory


def hashed(password: str) -> str:
    """What is kept of a password.

    Raises:
        ConfigurationError: it is too short, or longer than anything a person types.
    """
    if len(password) < LEAST_CHARACTERS:
        raise ConfigurationError(
            f"A password has {LEAST_CHARACTERS} characters at least; this one has {len(password)}. Several "
            "words are easy to keep in mind."
        )
    if len(password) > MOST_CHARACTERS:
        raise ConfigurationError(f"A password has {MOST_CHARACTERS} characters at most.")
    return rehashed(password)


def rehashed(password: str) -> str:
    """The same of a password that is somebody's already, however short."""
    with _AT_ONCE:
        return _HASHER.hash(_bytes(password))


def is_right(kept: str | None, password: str) -> bool:
    """Whether it is the password; without one that is kept it takes as long to say no."""
    if len(password) > MOST_CHARACTERS:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept or _nobodys(), _bytes(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether it was made with weaker parameters than one would be made now."""
    return _HASHER.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_bytes(32))


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
