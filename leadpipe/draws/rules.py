"""The rules of who takes part, as people configure them."""

from dataclasses import dataclass
from datetime import date, datetime

from leadpipe.draws.settings import DrawsSettings
from leadpipe.zones import begin_of

NAIRA_PER_POINT = 100


@dataclass(frozen=True)
class Rules:
    """What decides who takes part.

    Args:
        promotion_start: recharges from that day on count; None for all there are.
        max_recharge_naira: a larger amount is taken for a mistake.
        phone_region: the country of numbers written without a country code.
        first_day: the first day whose events are loaded.
        draw_timezone: the zone whose days draw dates and the promotion's start are.
        naive_timezone: the zone of times that are written without an offset.
    """

    promotion_start: date | None
    max_recharge_naira: int
    phone_region: str
    first_day: date
    draw_timezone: str = "UTC"
    naive_timezone: str = "UTC"

    def begins_at(self, draw_date: date) -> datetime:
        """When a draw date begins (UTC): what PostHog had received by then decides."""
        return begin_of(draw_date, self.draw_timezone)

    @property
    def promotion_begins_at(self) -> datetime | None:
        """Recharges from that moment on count (UTC); None for all there are."""
        start = self.promotion_start
        return begin_of(start, self.draw_timezone) if start else None

    @property
    def first_loaded_day(self) -> date:
        """The first day (UTC) whose events matter."""
        begins_at = self.promotion_begins_at
        return max(begins_at.date(), self.first_day) if begins_at else self.first_day


def rules_of(settings: DrawsSettings, now: datetime) -> Rules:
    """The configured rules."""
    return Rules(
        promotion_start=settings.promotion_start,
        max_recharge_naira=settings.max_recharge_naira,
        phone_region=settings.phone_region,
        first_day=settings.first_day(now),
        draw_timezone=settings.draw_timezone,
        naive_timezone=settings.naive_timezone,
    )
