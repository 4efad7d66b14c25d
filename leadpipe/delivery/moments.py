"""Times as partners write them: when it was at the earliest, and at the latest.

Pure. A time without its zone is no moment but a span of a day; one that cannot be read is none.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

Span = tuple[datetime, datetime]
_EAST, _WEST = timedelta(hours=14), timedelta(hours=12)  # the zones that are farthest from UTC
_EPOCH = re.compile(r"[0-9]{9,16}(\.[0-9]{1,9})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = timedelta(days=1)


def span_of(value: object, zone: str | None = None) -> Span | None:
    """A time as the earliest and latest moment it may mean; None if it cannot be read.

    Args:
        value: ISO 8601, a mail's date, or seconds, milliseconds or microseconds since 1970.
        zone: the IANA name of the zone of times that name none; without it they are spans.
    """
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    try:
        if _EPOCH.fullmatch(text):
            moment = _since_1970(float(text))
            return moment, moment
        if _DATE.fullmatch(text):
            begin = datetime.combine(date.fromisoformat(text), time())
            return _placed(begin, begin + _DAY, zone)
        local = _local(text)
        return None if local is None else _placed(local, local, zone)
    except (ValueError, OverflowError, OSError):
        return None


def moment(value: object, zone: str | None = None) -> datetime | None:
    """A time that means one moment; None if it means none, or several."""
    span = span_of(value, zone)
    return span[0] if span is not None and span[0] == span[1] else None


def _local(text: str) -> datetime | None:
    ended = text.removesuffix(" UTC").removesuffix(" GMT")
    try:
        found = datetime.fromisoformat(ended)
        return found.replace(tzinfo=UTC) if ended != text and found.tzinfo is None else found
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None


def _placed(begin: datetime, end: datetime, zone: str | None) -> Span:
    if begin.tzinfo is not None:
        return begin.astimezone(UTC), end.astimezone(UTC)
    if zone is not None:
        local = ZoneInfo(zone)
        return begin.replace(tzinfo=local).astimezone(UTC), end.replace(tzinfo=local).astimezone(
            UTC
        )
    return begin.replace(tzinfo=UTC) - _EAST, end.replace(tzinfo=UTC) + _WEST


def _since_1970(number: float) -> datetime:
    while number >= 100_000_000_000:  # noqa: PLR2004 - no seconds before the year 5138
        number /= 1_000
    return datetime.fromtimestamp(number, UTC)
