"""How long a server asks us to wait."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")  # not \d: other scripts have digits too


def retry_after_seconds(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that the `Retry-After` header asks to wait; None without a usable one.

    A date is taken relative to the answer's own `Date` (else to `now`, Unix seconds), so that
    clocks which disagree do no harm.
    """
    asked_for = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked_for):
        return float(asked_for)
    until = http_date(asked_for)
    if until is None:
        return None
    sent = http_date(headers.get("date", ""))
    reference = sent.timestamp() if sent else (time.time() if now is None else now)
    return max(until.timestamp() - reference, 0.0)


def http_date(text: str) -> datetime | None:
    """A moment as HTTP headers give it; None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
