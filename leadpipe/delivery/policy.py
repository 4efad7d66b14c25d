"""When a lead is sent again, and when a person decides; numbers only."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class DeliveryPolicy:
    """How leads are delivered.

    Args:
        concurrency: requests in flight at once.
        first_wait: before the second attempt; doubled for each further one, with jitter.
        longest_wait: between two attempts.
        most_attempts: after so many a person decides.
        settle: how long after an unanswered request the partner may still take the lead.
        breaker_after: so many failures in a row, and sending stops.
        breaker_rest: how long it stops; doubled each time the partner is still dead.
        region: of phone numbers without a country code.
        honours_key: the partner takes a lead once per idempotency key, so sending again is safe.
    """

    concurrency: int = 8
    first_wait: timedelta = timedelta(minutes=1)
    longest_wait: timedelta = timedelta(hours=6)
    most_attempts: int = 8
    settle: timedelta = timedelta(seconds=60)
    breaker_after: int = 10
    breaker_rest: timedelta = timedelta(minutes=1)
    honours_key: bool = False
    region: str = "US"

    def wait_after(self, attempts: int, jitter: float) -> timedelta:
        """How long to wait after so many attempts; `jitter` is from 0 to 1.

        Half is fixed, half is random: leads that failed together do not come back together.
        """
        doubled = self.first_wait * 2.0 ** min(max(attempts - 1, 0), 20)
        return min(doubled, self.longest_wait) * (1 + jitter) / 2

    def next_attempt_at(self, attempts: int, *, now: datetime, jitter: float) -> datetime | None:
        """When to send again; None when a person has to decide."""
        if attempts >= self.most_attempts:
            return None
        return now + self.wait_after(attempts, jitter)
