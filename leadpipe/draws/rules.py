"""The rules of who takes part, as people configure them."""

from dataclasses import dataclass
from datetime import date, datetime

from leadpipe.draws.settings import DrawsSettings

NAIRA_PER_POINT = 100


@dataclass(frozen=True)
class Rules:
    """What decides who takes part.

    Args:
        promotion_start: recharges from that day on count; None for all there are.
        max_recharge_naira: a larger amount is taken for a mistake.
        phone_region: the country of numbers written without a country code.
        first_day: the first day whose events are loaded.
    """

    promotion_start: date | None
    max_recharge_naira: int
    phone_region: str
    first_day: date


def rules_of(settings: DrawsSettings, now: datetime) -> Rules:
    """The configured rules."""
    return Rules(
        promotion_start=settings.promotion_start,
        max_recharge_naira=settings.max_recharge_naira,
        phone_region=settings.phone_region,
        first_day=settings.first_day(now),
    )
