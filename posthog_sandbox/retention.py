"""How long PostHog shows events: the floor of every read of `events`, and what the project says of it.

Belongs here: the plan's retention and its floor at a moment. Does not belong here: printing the floor
into a query (`hogql_tables.py`).
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

DEFAULT_MONTHS = 84
"""Seven years: what PostHog gives a project until its plan says otherwise."""


@dataclass(frozen=True)
class Retention:
    """The retention of the project's plan; not enforced, as on a PostHog of one's own.

    Attributes:
        months: of the plan; None stands for a plan that the project does not tell.
        is_enforced: whether older events are hidden.
        fixed_floor: the floor, instead of so many months before now; it stands still.
    """

    months: int | None = DEFAULT_MONTHS
    is_enforced: bool = False
    fixed_floor: datetime | None = None

    def __post_init__(self) -> None:
        if self.months is not None and self.months < 1:
            raise ValueError(f"{self.months} months are no retention; PostHog has at least 1")

    def floor(self, now: datetime, timezone: str) -> datetime | None:
        """Events at this moment or before it are hidden (UTC); None if none are.

        PostHog counts months back in the project's zone: the same day and minute, or the month's last day.
        """
        if not self.is_enforced:
            return None
        if self.fixed_floor is not None:
            return self.fixed_floor
        local = now.astimezone(ZoneInfo(timezone)).replace(microsecond=0)
        whole = local.year * 12 + local.month - 1 - (self.months or DEFAULT_MONTHS)
        year, month = whole // 12, whole % 12 + 1
        day = min(local.day, calendar.monthrange(year, month)[1])
        return local.replace(year=year, month=month, day=day).astimezone(UTC)

    def public(self) -> dict[str, Any]:
        """The project's fields."""
        return {
            "event_retention_months": self.months,
            "events_retention_enforced": self.is_enforced,
        }
