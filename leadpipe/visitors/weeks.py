"""ISO weeks: Monday to Sunday in UTC, and the ways people write them."""

import re
from datetime import UTC, date, datetime, time, timedelta

from leadpipe.errors import ConfigurationError

WEEK = timedelta(days=7)
LIVE_WEEKS = 5
"""The latest weeks whose count is live; a late pageview of an older one waits for the next sync."""
_ISO_WEEK = re.compile(r"(\d{4})-?W(\d{1,2})", re.IGNORECASE)


def week_of(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def weeks_between(first: date, last: date) -> list[date]:
    """The Mondays of all weeks from that of `first` to that of `last`, in order."""
    start = week_of(first)
    return [start + WEEK * number for number in range((week_of(last) - start).days // 7 + 1)]


def start_of_week(week: date) -> datetime:
    """The first moment of a week (UTC)."""
    return datetime.combine(week, time(), UTC)


def week_id(week: date) -> str:
    """The id of a week's row: 202647 for 2026-W47."""
    year, number, _ = week.isocalendar()
    return f"{year}{number:02}"


def week_name(week: date) -> str:
    """How people write a week: 2026-W47."""
    year, number, _ = week.isocalendar()
    return f"{year}-W{number:02}"


def week_dates(week: date, *, today: date | None = None) -> str:
    """A week by its days, as people read it: `23–29 Nov`, `30 Nov–6 Dec`; with the year if that is another.

    Args:
        week: its Monday.
        today: whose year needs no saying; None: no year does.
    """
    last = week + timedelta(days=6)
    first_month = "" if week.month == last.month else f" {week:%b}"
    is_told = today is not None and last.year != today.year
    year = f" {last.year}" if is_told else ""
    first_year = f" {week.year}" if is_told and week.year != last.year else ""
    return f"{week.day}{first_month}{first_year}–{last.day} {last:%b}{year}"


def parse_week(text: str) -> date:
    """A week's Monday, from `2026-W47`, from `202647`, or from any of its days (`2026-11-18`).

    Raises:
        ConfigurationError: the text names no week.
    """
    wanted = text.strip()
    try:
        if found := _ISO_WEEK.fullmatch(wanted):
            return date.fromisocalendar(int(found[1]), int(found[2]), 1)
        if wanted.isdigit() and len(wanted) == 6:  # noqa: PLR2004 - yyyyww
            return date.fromisocalendar(int(wanted[:4]), int(wanted[4:]), 1)
        return week_of(date.fromisoformat(wanted))
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no week; write 2026-W47, or a day of it such as 2026-11-16"
        ) from None
