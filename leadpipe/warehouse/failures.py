"""What DuckDB's errors mean where the warehouse is a lake: a conflict, a lost server, or a mistake of ours.

DuckDB has one class for many of them, so their words decide; the tests provoke each.
"""

import re

import duckdb

from leadpipe.errors import WarehouseRefused, WarehouseUnreachable

_CONFLICT = re.compile(
    r"transaction conflict|could not serialize access|write-write conflict|conflict on (tuple|update)"
    r"|duplicate key value violates unique constraint",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"server closed the connection|no connection to the server|could not connect to server"
    r"|connection to server .* failed|unable to connect to postgres|could not send (data|query)"
    r"|could not receive data|terminating connection|connection refused|connection not open"
    r"|the database system is (starting up|shutting down|in recovery)|SSL SYSCALL error"
    r"|lost synchronization with server|connection timed out|Could not establish connection"
    r"|IO Error: .*\b(HTTP|curl|S3)\b|HTTP Error|Unable to connect to URL|Failed to (read|write) connection",
    re.IGNORECASE | re.DOTALL,
)
_ANSWERS = (
    (
        WarehouseRefused,
        re.compile(r"NoSuchBucket"),
        "There is no such bucket: make it or correct LEADPIPE_LAKE_DATA, then run it again.",
    ),
    (
        WarehouseRefused,
        re.compile(
            r"HTTP(?: code)? 40[13]\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch"
        ),
        (
            "The store refuses it: the key LEADPIPE_LAKE_KEY_ID needs the rights to list, read, write and "
            "delete under LEADPIPE_LAKE_DATA. `leadpipe check` tries each; then run it again."
        ),
    ),
    (
        WarehouseUnreachable,
        re.compile(r"HTTP(?: code)? 5\d\d\b"),
        "The store answers, and fails: look at it and its logs, then run it again.",
    ),
)
"""What a store says, which error that is, and what to do about it."""
_AGAIN = "Run it again; `leadpipe check` tries each part of the lake."
_SECRETS = re.compile(r"(password|passfile|sslpassword)\s*=\s*('[^']*'|\S+)", re.IGNORECASE)
_LONGEST = 300


def is_conflict(error: duckdb.Error) -> bool:
    """Whether somebody else wrote the same tables at the same time."""
    return bool(_CONFLICT.search(str(error)))


def is_lost(error: duckdb.Error) -> bool:
    """Whether PostgreSQL or the store could not be reached, or did not answer as it should."""
    return isinstance(error, duckdb.HTTPException) or bool(_LOST.search(str(error)))


def unreachable(error: duckdb.Error, what: str, outcome: str) -> WarehouseUnreachable:
    """The error for a part of a lake that does not answer, or refuses, with what became of the work."""
    kind, step = _answer_of_the_store(error) or (WarehouseUnreachable, _AGAIN)
    state = "cannot be reached" if step is _AGAIN else "cannot be used"
    return kind(f"{what} {state}; {outcome}: {reason_of(error)}. {step}")


def next_step(error: duckdb.Error) -> str:
    """What somebody has to do about a lost part of a lake."""
    _, step = _answer_of_the_store(error) or (None, _AGAIN)
    return step


def _answer_of_the_store(error: duckdb.Error) -> tuple[type[WarehouseUnreachable], str] | None:
    """Which error it is and what to do; None where the store has not answered, or it was not the store."""
    text = str(error)
    return next(((kind, step) for kind, words, step in _ANSWERS if words.search(text)), None)


def reason_of(error: BaseException) -> str:
    """The words of an error on one line, without a secret."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = _SECRETS.sub(r"\1=…", " ".join(lines)) or type(error).__name__
    text = text.rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
