"""What deliveries say of today: what waits for a person, and what was delivered since a day."""

from collections.abc import Iterator
from datetime import timedelta

from leadpipe.today.parts import Line, Look, Section

_PAGE = "/admin/delivery"
_WINDOW = timedelta(hours=24)
_COUNTS = """
    SELECT count(*) AS leads,
           count(*) FILTER (taken_in_at >= $since) AS fresh,
           count(*) FILTER (state = 'succeeded' AND finished_at >= $since) AS delivered,
           count(*) FILTER (state = 'failed' OR state = 'unknown' AND next_attempt_at IS NULL) AS stuck,
           count(*) FILTER (state IN ('pending', 'sent', 'retrying')
                            OR state = 'unknown' AND next_attempt_at IS NOT NULL) AS under_way
    FROM lead_deliveries
"""
_BREAKER = "SELECT arg_max(state, changed_at) AS state FROM breaker_changes"


def today(look: Look) -> Iterator[Section | Line]:
    """Deliveries that need a person, whether sending rests, and the day in one sentence."""
    rows = look.query(_COUNTS, {"since": look.now - _WINDOW})
    if not rows or not rows[0]["leads"]:
        return
    counts = rows[0]
    if stuck := counts["stuck"]:
        need = "delivery needs" if stuck == 1 else "deliveries need"
        yield Line(f"{stuck:,} {need} a person", _PAGE, is_urgent=True)
    if any(row["state"] == "open" for row in look.query(_BREAKER)):
        yield Line("Sending leads to the partner is stopped for now", _PAGE, is_urgent=True)
    yield Line(
        f"Deliveries: in 24 hours {counts['fresh']:,} leads came in and {counts['delivered']:,} were "
        f"delivered; {counts['under_way']:,} are on their way, {stuck:,} need a person",
        _PAGE,
        is_told=True,
    )
