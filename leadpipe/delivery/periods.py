"""Periods as people write them: `24h`, `7d`, `30d`, or a date."""

import re
from datetime import UTC, datetime, timedelta

from leadpipe.errors import ConfigurationError

_PERIOD = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def since(text: str | None, *, now: datetime) -> datetime:
    """The moment a period begins at; without a text the beginning of everything.

    Raises:
        ConfigurationError: it is no period.
    """
    if not text:
        return BEGINNING
    if found := _PERIOD.fullmatch(text.strip().lower()):
        return max(now - int(found[1]) * _UNITS[found[2]], BEGINNING)
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no period; write 24h, 7d, 30d or a date such as 2026-11-01"
        ) from None
    return day if day.tzinfo else day.replace(tzinfo=UTC)
