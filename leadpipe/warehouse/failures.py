"""What DuckDB's errors mean where the warehouse is a lake: a conflict, a lost server, or a mistake of ours.

DuckDB has one class for many of them, so their words decide; the tests provoke each.
"""

import re

import duckdb

from leadpipe.errors import WarehouseUnreachable

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
_SECRETS = re.compile(r"(password|passfile|sslpassword)\s*=\s*('[^']*'|\S+)", re.IGNORECASE)
_LONGEST = 300


def is_conflict(error: duckdb.Error) -> bool:
    """Whether somebody else wrote the same tables at the same time."""
    return bool(_CONFLICT.search(str(error)))


def is_lost(error: duckdb.Error) -> bool:
    """Whether PostgreSQL or the store could not be reached, or did not answer as it should."""
    return isinstance(error, duckdb.HTTPException) or bool(_LOST.search(str(error)))


def unreachable(error: duckdb.Error, what: str, outcome: str) -> WarehouseUnreachable:
    """The error for a part of a lake that does not answer, with what became of the work."""
    return WarehouseUnreachable(
        f"{what} cannot be reached; {outcome}: {reason_of(error)}. Run it again; "
        "`leadpipe check` tries each part of the lake."
    )


def reason_of(error: BaseException) -> str:
    """The words of an error on one line, without a secret."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = _SECRETS.sub(r"\1=…", " ".join(lines)) or type(error).__name__
    text = text.rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
