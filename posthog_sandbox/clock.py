"""The server's clock, which a test may hold still.

Belongs here: now. Does not belong here: monotonic time for limits and logs, which nobody holds.
"""

from datetime import UTC, datetime


class Clock:
    """Now in UTC, or the moment it is held at."""

    def __init__(self) -> None:
        self.held_at: datetime | None = None

    def now(self) -> datetime:
        """The current moment, aware, in UTC."""
        return self.held_at or datetime.now(UTC)


def read_moment(text: str) -> datetime:
    """A moment in ISO 8601; naive is UTC.

    Raises:
        ValueError: the text is no moment.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
