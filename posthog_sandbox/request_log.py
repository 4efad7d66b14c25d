"""What reached the sandbox since the last reset, for tests to look at.

Belongs here: the record of requests. Does not belong here: the control endpoints' own requests.
"""

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class Entry:
    """One request; `rows` only of a query that was answered."""

    path: str
    name: str | None = None
    query: str | None = None
    status: int = 0
    rows: int | None = None
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def end(self, status: int) -> None:
        """Note how it ended; the first word counts."""
        if not self.status:
            self.status = status
            self.seconds = time.monotonic() - self.began

    def public(self) -> dict[str, Any]:
        """Without what only the log needs."""
        plain = asdict(self)
        del plain["began"]
        return plain


class RequestLog:
    """Requests in order of arrival."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def begin(self, path: str) -> Entry:
        """Record that a request has come."""
        entry = Entry(path)
        self.entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all."""
        self.entries = []
