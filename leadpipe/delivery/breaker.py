"""The circuit breaker: stops sending to a partner that is dead or takes nothing, and says so.

Its state outlives the process: each change is a row of `breaker_changes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import duckdb

from leadpipe.delivery.answers import Verdict
from leadpipe.delivery.policy import DeliveryPolicy

_LONGEST_REST = timedelta(minutes=30)


@dataclass(frozen=True)
class BreakerChange:
    """A change of the breaker's state; `until` is when an open one lets one lead through."""

    state: Literal["open", "closed"]
    reason: str
    rest: timedelta
    until: datetime | None
    changed_at: datetime


CLOSED = BreakerChange("closed", "", timedelta(0), None, datetime(1970, 1, 1, tzinfo=UTC))


class Breaker:
    """Counts failures in a row and opens; after its rest one lead is tried, and decides."""

    def __init__(self, last: BreakerChange, policy: DeliveryPolicy) -> None:
        self._last = last
        self._policy = policy
        self._in_a_row = 0
        self.changes: list[BreakerChange] = []

    @property
    def is_open(self) -> bool:
        """Whether nothing may be sent, unless as a trial."""
        return self._last.state == "open"

    @property
    def reason(self) -> str:
        """Why it is open."""
        return self._last.reason

    @property
    def until(self) -> datetime | None:
        """Until when it rests."""
        return self._last.until

    def may_try(self, now: datetime) -> bool:
        """Whether an open breaker has rested long enough for one trial."""
        return self._last.until is None or now >= self._last.until

    def note(self, verdict: Verdict, now: datetime) -> None:
        """Take an answer into account."""
        if verdict.meaning in {"accepted", "refused"}:  # it is alive and judges leads
            self._in_a_row = 0
            if self.is_open:
                self._change(
                    BreakerChange("closed", "the partner answers", timedelta(0), None, now)
                )
            return
        self._in_a_row += 1
        is_final = verdict.meaning == "misconfigured"
        if self.is_open:
            if self.may_try(now):  # the trial failed; answers under way when it opened are none
                self._open(verdict, now, min(self._last.rest * 2, _LONGEST_REST))
        elif is_final or self._in_a_row >= self._policy.breaker_after:
            self._open(verdict, now, self._policy.breaker_rest)

    def forget_changes(self, number: int) -> None:
        """Forget the first changes: they are kept for good now."""
        del self.changes[:number]

    def _open(self, verdict: Verdict, now: datetime, rest: timedelta) -> None:
        asked = timedelta(seconds=verdict.retry_after or 0)
        rest = max(rest, min(asked, _LONGEST_REST))
        # The kind of failure only: an answer's own words may be about one lead.
        what = f"HTTP {verdict.status}" if verdict.status else verdict.message.partition(" (")[0]
        times = "" if verdict.meaning == "misconfigured" else f" {self._in_a_row} times in a row"
        self._change(
            BreakerChange("open", f"{verdict.meaning}: {what}{times}", rest, now + rest, now)
        )

    def _change(self, change: BreakerChange) -> None:
        self._last = change
        self.changes.append(change)


def last_change(connection: duckdb.DuckDBPyConnection) -> BreakerChange:
    """The breaker's state as kept."""
    row = connection.execute(
        "SELECT state, reason, rest_seconds, until, changed_at FROM breaker_changes "
        "ORDER BY changed_at DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return CLOSED
    state, reason, rest, until, changed_at = row
    return BreakerChange(state, reason, timedelta(seconds=rest), until, changed_at)


def keep_changes(connection: duckdb.DuckDBPyConnection, changes: Sequence[BreakerChange]) -> None:
    """Keep what changed."""
    for change in changes:
        connection.execute(
            "INSERT INTO breaker_changes VALUES (?, ?, ?, ?, ?)",
            [
                change.state,
                change.reason,
                change.rest.total_seconds(),
                change.until,
                change.changed_at,
            ],
        )
