"""Days as ranges."""

from collections.abc import Iterable
from datetime import date, timedelta


def contiguous(days: Iterable[date], *, longest: int | None = None) -> list[tuple[date, date]]:
    """Days as unbroken ranges (first, last), in order: one run can take a range.

    Args:
        days: in any order.
        longest: how many days a range has at most; by default any number.
    """
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if (
            ranges
            and day - ranges[-1][1] == timedelta(days=1)
            and (longest is None or (day - ranges[-1][0]).days < longest)
        ):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
