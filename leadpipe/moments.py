"""Moments as people say them: how long ago something was, or how soon it will be.

Pure. Which zone somebody's days are of is the business of who asks.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_DAYS_SAID = 31


def ago(moment: datetime, now: datetime, zone: str = "UTC") -> str:
    """How long ago something was, short: `2 h ago`, `in 5 min`; the day, of what is a month away.

    Args:
        moment: with a zone.
        now: with a zone.
        zone: whose days are said (IANA).
    """
    seconds = (now - moment).total_seconds()
    if abs(seconds) < _MINUTE:
        return "just now"
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if size <= abs(seconds) < _DAY * _DAYS_SAID:
            span = f"{abs(seconds) // size:.0f} {unit}"
            return f"{span} ago" if seconds > 0 else f"in {span}"
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d}"
