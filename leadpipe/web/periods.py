"""The days that somebody looks at, and those before that they are compared with: a part of a page's address.

Pure. `period=28` stays the last 28 days whenever it is opened; today is the last of them. What is compared is
days that are over, with as many before the period, so that a day that is not over makes nothing look worse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from leadpipe.text import change_text

LENGTHS: Mapping[str, str] = {"7": "7 days", "28": "28 days", "90": "90 days"}
_USUAL = "28"
_CUSTOM = "custom"
_DAY = timedelta(days=1)
_MOST_DAYS = 731
_MOST_DAILY = 92


@dataclass(frozen=True)
class Period:
    """Days in UTC, both ends inclusive.

    Args:
        name: `7`, `28`, `90`, or `custom`.
        first: the first day.
        last: the last one.
        today: the day that is not over.
    """

    name: str
    first: date
    last: date
    today: date

    @property
    def over(self) -> tuple[date, date]:
        """Its days that are over; the last before the first where there is none."""
        return self.first, min(self.last, self.today - _DAY)

    @property
    def before(self) -> tuple[date, date]:
        """As many days right before it as are over of it."""
        first, last = self.over
        return self.first - (last - first + _DAY), self.first - _DAY

    @property
    def days(self) -> list[date]:
        """Its days in order."""
        return [self.first + _DAY * n for n in range((self.last - self.first).days + 1)]

    @property
    def is_open(self) -> bool:
        """Whether its last day is not over."""
        return self.last >= self.today

    @property
    def query(self) -> str:
        """Its part of an address; empty for the usual one."""
        if self.name == _CUSTOM:
            return f"from={self.first}&to={self.last}"
        return "" if self.name == _USUAL else f"period={self.name}"

    @property
    def label(self) -> str:
        """Its days, as people read them."""
        return days_label(self.first, self.last, today=self.today)

    @property
    def before_label(self) -> str:
        """The days that it is compared with."""
        return days_label(*self.before, today=self.today)


def read_period(pairs: Iterable[tuple[str, str]], today: date) -> tuple[Period, list[str]]:
    """The period of an address's parameters, and what of them cannot be used, a sentence each."""
    given = dict(pairs)
    problems: list[str] = []
    days = {name: _day(name, given, problems) for name in ("from", "to")}
    if any(days.values()):
        last = min(days["to"] or today, today)
        first = days["from"] or last - _DAY * (int(_USUAL) - 1)
        if first > last:
            problems.append("from is after to: there is no such day.")
        elif (last - first).days >= _MOST_DAYS:
            problems.append(f"A period has {_MOST_DAYS} days at most.")
        else:
            return Period(_CUSTOM, first, last, today), problems
    name = given.get("period") or _USUAL
    if name not in LENGTHS:
        problems.append(f"period should be one of {', '.join(LENGTHS)}; it is left out.")
        name = _USUAL
    return Period(name, today - _DAY * (int(name) - 1), today, today), problems


def buckets(period: Period) -> Sequence[tuple[str, Sequence[date]]]:
    """The period cut for a chart: a label and its days; days, or weeks of a period with many."""
    days = period.days
    if len(days) <= _MOST_DAILY:
        return [(f"{day.day} {day:%b}", [day]) for day in days]
    weeks: dict[date, list[date]] = {}
    for day in days:
        weeks.setdefault(day - _DAY * day.weekday(), []).append(day)
    return [(days_label(each[0], each[-1], today=period.today), each) for each in weeks.values()]


def days_label(first: date, last: date, *, today: date) -> str:
    """Days as people read them: `23–29 Nov`, `30 Nov–6 Dec`; with the year if it is not this one."""
    year = "" if last.year == today.year else f" {last.year}"
    if first == last:
        return f"{last.day} {last:%b}{year}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%b}{year}"
    first_year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%b}{first_year}–{last.day} {last:%b}{year}"


@dataclass(frozen=True)
class Total:
    """A number of a period, and of the days it is compared with.

    Args:
        value: of the whole period.
        over: of its days that are over.
        before: of as many days before it.
    """

    value: float
    over: float
    before: float

    @property
    def change(self) -> str:
        """How much more or less than before: `+12 %`; `new` after nothing, empty where both are nothing."""
        if not self.before:
            return "new" if self.over else ""
        return change_text(self.over, self.before)


def total_of(by_day: Mapping[date, float], period: Period) -> Total:
    """A period's sum of something by day."""

    def between(days: tuple[date, date]) -> float:
        return sum(value for day, value in by_day.items() if days[0] <= day <= days[1])

    return Total(between((period.first, period.last)), between(period.over), between(period.before))


def _day(name: str, given: Mapping[str, str], problems: list[str]) -> date | None:
    text = given.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        problems.append(f"{name} should be a day such as 2026-11-01; it is left out.")
        return None
