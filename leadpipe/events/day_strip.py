"""The days as a strip of weeks, a cell a day: what each cell, its table and its legend say.

Pure: judged days go in. Which page shows it is the business of `day_pages.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from leadpipe.events.advice import Advice, advice_of
from leadpipe.events.verdicts import DayFacts, Verdict, Word

Judged = Sequence[tuple[DayFacts, Verdict]]
WEEKS = 13
_WEEK = timedelta(weeks=1)
_DAY = timedelta(days=1)
MARKS: Mapping[Word, str] = {
    "proved": "",
    "differs": "!",
    "unproved": "?",
    "never read": "–",
    "frozen by retention": "F",
}
"""The mark of a verdict's cell, so that none is told by its colour alone."""


@dataclass(frozen=True)
class ShownDay:
    """A day as pages show it."""

    facts: DayFacts
    verdict: Verdict
    advice: Advice

    @property
    def day(self) -> date:
        """Which."""
        return self.facts.event_date

    @property
    def mark(self) -> str:
        """See `MARKS`."""
        return MARKS[self.verdict.word]

    @property
    def kind(self) -> str:
        """Its verdict as one word without spaces, for the style sheet."""
        return self.verdict.word.partition(" ")[0]

    @property
    def said(self) -> str:
        """All of it in a line: the day, the verdict, and the counts of both sides."""
        return f"{self.day:%a} {self.day.day} {self.day:%b %Y}: {self.verdict}. {self.counts}."

    @property
    def counts(self) -> str:
        """The events of both sides, as they were compared."""
        if self.facts.posthog_events is None:
            return "Not compared yet"
        return f"PostHog {self.facts.posthog_events:,} events, here {self.facts.warehouse_events or 0:,}"


@dataclass(frozen=True)
class Week:
    """A column of the strip: its month where one begins in it, and seven places, None without a day."""

    month: str
    days: Sequence[ShownDay | None]


@dataclass(frozen=True)
class Strip:
    """Thirteen weeks, to the one of `last`.

    Args:
        weeks: in order.
        days: those that are there, in order.
        legend: each verdict of them with its kind, mark and count.
        earlier: the last day of the strip before, None if there is nothing before.
        later: of the one after, None if this is the latest.
    """

    weeks: Sequence[Week]
    days: Sequence[ShownDay]
    legend: Sequence[tuple[str, str, str, int]]
    earlier: date | None
    later: date | None


def shown(facts: DayFacts, verdict: Verdict) -> ShownDay:
    """A day with what to do about it."""
    return ShownDay(facts, verdict, advice_of(facts, verdict))


def strip_of(judged: Judged, *, last: date) -> Strip:
    """The strip whose last week has the day `last`.

    Args:
        judged: all days that are to be here, in order; at least one.
        last: a day; one after the last day stands for that one.
    """
    latest = judged[-1][0].event_date
    last = min(last, latest)
    monday = last - timedelta(days=last.weekday())
    first = monday - (WEEKS - 1) * _WEEK
    end = monday + _WEEK
    found = {
        facts.event_date: shown(facts, verdict)
        for facts, verdict in judged
        if first <= facts.event_date < end
    }
    weeks = []
    for number in range(WEEKS):
        begin = first + number * _WEEK
        days = [begin + place * _DAY for place in range(7)]
        begins = next((day for day in days if day.day == 1), None)
        there = [found.get(day) for day in days]
        weeks.append(Week(f"{begins:%b}" if begins and any(there) else "", there))
    count = Counter(one.verdict.word for one in found.values())
    return Strip(
        weeks,
        [found[day] for day in sorted(found)],
        [
            (word, word.partition(" ")[0], MARKS[word], count[word])
            for word in MARKS
            if word in count
        ],
        first - _DAY if judged[0][0].event_date < first else None,
        min(end - _DAY + WEEKS * _WEEK, latest) if end <= latest else None,
    )
