"""Cut the time in which PostHog received events into spans, each an export of its own.

Pure functions of hours and counts. An export is of a span of received time, a week at most; it brings all
events of it, whatever days they belong to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = timedelta(days=7)
"""PostHog exports no longer span at once."""
MOST_ROWS = 500_000
"""About as many rows a span has, unless an hour alone has more: few exports, and little to do again."""
_HOUR = timedelta(hours=1)
_LATE = timedelta(
    days=1
)  # a row is exported by when it became visible, some time after it was received


@dataclass(frozen=True, order=True)
class Span:
    """Half-open on received time: `start` inclusive, `end` exclusive; aware, UTC.

    Args:
        rows: about how many events PostHog received in it.
    """

    start: datetime
    end: datetime
    rows: int = 0

    def __str__(self) -> str:
        return f"what was received {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"

    def halves(self) -> "tuple[Span, Span] | tuple[()]":
        """The span in two, or nothing if it is too short to be worth it."""
        if self.end - self.start < _HOUR:
            return ()
        middle = self.start + (self.end - self.start) / 2
        return Span(self.start, middle, self.rows // 2), Span(middle, self.end, self.rows // 2)

    def covers(self, other: "Span") -> bool:
        """Whether the other one lies within."""
        return self.start <= other.start and other.end <= self.end


def plan_spans(
    received: Mapping[datetime, int],
    *,
    until: datetime,
    brought: Iterable[Span] = (),
    most_rows: int = MOST_ROWS,
) -> list[Span]:
    """Cut received time into spans of about `most_rows`, in order.

    Args:
        received: how many events PostHog received in each hour (by its start, UTC).
        until: no span ends later.
        brought: spans that need not be exported again.
        most_rows: see above.

    Between two spans nothing is left out that is shorter than a day: rows that were late to become visible
    are in the next span. A longer gap is left out, but for its first day.
    """
    done = tuple(brought)
    hours = [
        hour
        for hour in sorted(received)
        if received[hour] > 0
        and hour < until
        and not any(one.covers(Span(hour, min(hour + _HOUR, until))) for one in done)
    ]
    spans: list[Span] = []
    for hour in hours:
        end = min(hour + _HOUR, until)
        last = spans[-1] if spans else None
        if (
            last is not None
            and last.rows + received[hour] <= most_rows
            and end - last.start <= LONGEST
            and hour - last.end < _LATE
            and not any(last.end <= one.start < hour for one in done)
        ):
            spans[-1] = Span(last.start, end, last.rows + received[hour])
        else:
            spans.append(Span(hour, end, received[hour]))
    starts = sorted([*(span.start for span in spans), *(one.start for one in done), until])
    return [
        _with_late(span, min(start for start in starts if start >= span.end or start == until))
        for span in spans
    ]


def _with_late(span: Span, following: datetime) -> Span:
    """The span with a day for rows that were late, up to the next one; a week long at most."""
    end = min(span.end + _LATE, following, span.start + LONGEST)
    return Span(span.start, max(span.end, end), span.rows)
