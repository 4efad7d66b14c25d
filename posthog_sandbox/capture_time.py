"""When a captured event happened, by PostHog's rules.

Belongs here: client clocks that are wrong, and the many forms of a date. Does not belong here: the
event otherwise.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

_FARTHEST_FUTURE = timedelta(hours=23)
_MILLISECONDS_FROM = 100_000_000_000
"""Unix times above this are milliseconds: the year 5138 in seconds, 1973 in milliseconds."""


def event_time(event: dict[str, Any], *, sent_at: str | None, now: datetime) -> datetime:
    """The event's timestamp, in UTC.

    The client's clock is corrected by what it said when it sent the event; an `offset` counts
    milliseconds back from now; `$time` stands in for a missing timestamp; a date that cannot be
    read, or is more than 23 hours ahead, is now.
    """
    properties = event.get("properties")
    known: dict[str, Any] = properties if isinstance(properties, dict) else {}
    offset = event.get("offset")
    if isinstance(offset, int) and not isinstance(offset, bool):
        return _not_ahead(now - timedelta(milliseconds=offset), now)
    timestamp = read_date(event.get("timestamp") or known.get("timestamp"))
    if timestamp is None:
        timestamp = read_date(known.get("$time"))
    if timestamp is None:
        return now
    sent = None if known.get("$ignore_sent_at") is True else read_date(sent_at)
    if sent is not None:
        timestamp = _shifted(now, timestamp - sent)
    return _not_ahead(timestamp, now)


def _shifted(now: datetime, by: timedelta) -> datetime:
    try:
        return now + by
    except OverflowError:
        return now


def _not_ahead(timestamp: datetime, now: datetime) -> datetime:
    return now if timestamp - now > _FARTHEST_FUTURE else timestamp


def read_date(value: object) -> datetime | None:
    """A date in ISO 8601, RFC 2822, with slashes, or as a Unix time; naive is UTC."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _from_unix(float(value))
    text = str(value).strip()
    try:
        return _from_unix(float(text))
    except ValueError:
        pass
    for read in (_from_iso, _from_slashes, parsedate_to_datetime):
        try:
            moment = read(text)
        except ValueError:
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None


def _from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _from_slashes(text: str) -> datetime:
    form = "%Y/%m/%d" if text[4:5] == "/" else "%m/%d/%Y"
    date = datetime.strptime(text[:10], form)  # noqa: DTZ007 - naive is UTC, the caller adds it
    return datetime.fromisoformat(f"{date:%Y-%m-%d}{text[10:]}")


def _from_unix(number: float) -> datetime | None:
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
