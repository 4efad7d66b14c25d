"""Plan what to ask PostHog for: windows of time that are about one page each.

Pure functions of days and counts. ClickHouse sorts a whole window to give one page of it, so a window
much larger than a page is read many times over, and one much smaller wastes a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import ceil

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """Half-open on timestamp: `start` inclusive, `end` exclusive; aware, UTC.

    Args:
        created_after: only rows PostHog received after this moment; EPOCH for a full read.
    """

    start: datetime
    end: datetime
    created_after: datetime = EPOCH

    @property
    def days(self) -> tuple[date, ...]:
        """The UTC days the window touches."""
        last = (self.end - timedelta(microseconds=1)).date()
        return tuple(
            self.start.date() + timedelta(days=offset)
            for offset in range((last - self.start.date()).days + 1)
        )

    def halves(self) -> "tuple[Window, Window] | None":
        """The window in two, or None when it is too short to be worth it."""
        if self.end - self.start < 2 * SHORTEST:
            return None
        middle = self.start + (self.end - self.start) / 2
        return replace(self, end=middle), replace(self, start=middle)


def start_of(day: date) -> datetime:
    """Midnight UTC at which the day begins."""
    return datetime.combine(day, time(), tzinfo=UTC)


def plan_windows(
    days: Mapping[date, datetime], expected: Mapping[date, int], *, page_rows: int
) -> list[Window]:
    """Cut days into windows of about a page each.

    Args:
        days: the days to read, each with its `created_after`.
        expected: about how many rows each day will give; a day not in it gives none.
        page_rows: rows a page.

    Quiet neighbours share a window when they are read from the same moment on; a busy day is cut into
    equal parts.
    """
    windows: list[Window] = []
    rows_in_last = 0
    for day in sorted(days):
        rows = expected.get(day, 0)
        window = Window(start_of(day), start_of(day) + _DAY, days[day])
        last = windows[-1] if windows else None
        if (
            last is not None
            and last.end == window.start
            and last.created_after == window.created_after
            and rows_in_last + rows <= page_rows
        ):
            windows[-1] = replace(last, end=window.end)
            rows_in_last += rows
            continue
        windows.extend(_parts(window, ceil(rows / page_rows)))
        rows_in_last = min(rows, page_rows)
    return windows


def _parts(window: Window, parts: int) -> list[Window]:
    if parts <= 1:
        return [window]
    edges = [window.start + (window.end - window.start) * k / parts for k in range(parts)]
    return [
        replace(window, start=start, end=end)
        for start, end in zip(edges, [*edges[1:], window.end], strict=True)
    ]
