"""Time zones by IANA name: valid ones, when a day of one begins, and how a clock there shows a moment.

Pure. Does not belong here: which zone something is in, which is a setting of its domain.
"""

from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

# Files beside the zones on some systems; they are no names of IANA's, and mean something else elsewhere.
_NO_NAMES = {"localtime", "posixrules", "Factory"}


def checked_zone(name: str) -> str:
    """The name, if it is a zone's.

    Raises:
        ValueError: there is no such zone.
    """
    if name not in _names():
        raise ValueError(
            f"{name!r} is no time zone; write an IANA name such as UTC, Africa/Lagos or America/New_York"
        )
    return name


@cache  # every zone's file is opened for it, which took as long as all other settings together
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_NAMES)


ZoneName = Annotated[str, AfterValidator(checked_zone)]
"""The type of a setting that is a time zone."""


def begin_of(day: date, zone: str) -> datetime:
    """The moment (UTC) at which a day begins in a zone.

    Where clocks are put forward at midnight, the day begins with its first moment after that; where
    midnight comes twice, with the first.
    """
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def day_in(zone: str, moment: datetime) -> date:
    """Which day it is in a zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


def clock_text(moment: datetime, now: datetime, zone: str) -> str:
    """A moment as a clock in a zone shows it: the time, with the day where that is not the day of `now`."""
    local, current = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    if local.date() == current.date():
        return f"{local:%H:%M}"
    if local.year == current.year:
        return f"{local.day} {local:%b %H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"
