"""Make a walk from a seed: the same seed, the same walk; leaving kinds out changes nothing else of it."""

import random
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from leadpipe_tests.events.walks.steps import (
    Arrives,
    Audit,
    Corrected,
    Event,
    EventErased,
    MappingChanged,
    NameAdded,
    PersonErased,
    PersonsMerged,
    Repeated,
    SharesUuid,
    Step,
    Sync,
    TestButton,
    TimePasses,
    Webhook,
)

FURTHER_NAME = "brochure_ordered"
"""The event that is read from some step on."""
MAPPINGS = {
    "the built-in one": "",
    # Of views another property is needed than was asked for.
    "views by place": """
        [events.property_view]
        meaning = "view"
        listing_id = ["place"]
        viewed_from = {from = ["utm_source"], values = {first = "home"}, otherwise = "search"}
        [events."$pageview"]
        meaning = "view"
        seeker_id = ["place"]
    """,
    # A sale comes with some properties only, a share with all: back and forth.
    "sales are shares": """
        [events.listing_sold]
        meaning = "share"
        platform = ["place"]
        [events.impression_share]
        meaning = "lead"
        lead_type = "website"
        only_where = {place = ["P1", "P2"]}
        [events.lead_appointment]
        meaning = "lead"
        lead_type = "appointment"
        seeker_id = ["place"]
        appointment_type = {from = ["utm_medium"], default = "visit"}
        [events.lead_phone]
        meaning = "keep"
    """,
}
_NAMES = (
    *("lead_phone", "lead_message", "lead_appointment", "property_view", "property_view"),
    *("$pageview", "$pageview", "impression_share", "listing_sold", FURTHER_NAME),
)
_PERSONS = ("ann", "ben", "cleo", "dan", "eve")
_LISTINGS = ("L1", "L2", "L3")
# An ordinary month, the end of a year, a February.
_STARTS = ("2026-09-28T11:20:00", "2026-12-15T23:10:00", "2027-02-03T00:40:00")
_HIDDEN = (0.0, 0.0, 0.0, 0.0, 0.02, 0.5, 3.0, 9.0, 30.0)
_AGES = (0.1, 0.5, 3.0, 8.0, 30.0, 75.0, 200.0, 600.0, -3.0)
_PASSING = (1.0, 5.0, 6.0, 6.0, 13.0, 24.0, 50.0, 170.0, 260.0)
_OLDEST_DAYS = 30
_MOST_BOUNDARIES = 26  # more than a sync has, as a rule


@dataclass(frozen=True)
class Walk:
    """Where it begins, what happens, and how large a share of a day may go without a person's word."""

    seed: int
    start: datetime
    steps: tuple[Step, ...]
    most_gone: float

    @property
    def first_day(self) -> datetime:
        """The first day that is loaded, at its beginning; no event is older."""
        return self.start.replace(hour=0, minute=0) - timedelta(days=_OLDEST_DAYS)


def make_walk(seed: int, *, without: Collection[str] = ()) -> Walk:
    """The walk of a seed, less the steps of some kinds."""
    rng = random.Random(seed)
    start = datetime.fromisoformat(rng.choice(_STARTS)).replace(tzinfo=UTC)
    most_gone = rng.choice((0.5, 1.0))
    steps = _with_mappings([*_Maker(rng).steps()], random.Random(f"mappings {seed}"))
    steps = [step for step in steps if not step.kinds & {*without}]
    return Walk(seed, start, tuple(steps), most_gone)


def _with_mappings(steps: list[Step], rng: random.Random) -> list[Step]:
    """Changes of the mapping in between, in every other walk."""
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        steps.insert(rng.randint(1, len(steps)), MappingChanged(rng.choice([*MAPPINGS])))
    return steps


@dataclass
class _Maker:
    """Draws the steps of one walk; remembers which events there are by then."""

    rng: random.Random
    known: list[int] = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        draws: dict[Callable[[], Iterable[Step]], int] = {
            self._arrivals: 24,
            lambda: [TimePasses(self.rng.choice(_PASSING))]: 18,
            lambda: [Sync()]: 16,
            lambda: [Sync(dies_at=self.rng.randrange(_MOST_BOUNDARIES))]: 6,
            lambda: [Audit()]: 3,
            self._correction: 9,
            lambda: [Repeated(self._one(), self.rng.choice((0.0, 0.5, 9.0)))]: 4,
            lambda: [SharesUuid(self._one(), self._event(), self.rng.choice((0.1, 3.0, 30.0)))]: 3,
            lambda: [EventErased(self._one())]: 6,
            lambda: [PersonErased(self.rng.choice(_PERSONS))]: 2,
            lambda: [PersonsMerged(*self.rng.sample(_PERSONS, 2))]: 4,
            self._webhook: 8,
            lambda: [TestButton(self._event())]: 2,
            lambda: [NameAdded()]: 2,
        }
        yield from self._arrivals()
        for draw in self.rng.choices(list(draws), [*draws.values()], k=self.rng.randint(10, 25)):
            yield from draw()

    def _event(self) -> Event:
        rng = self.rng
        self.known.append(len(self.known) + 1)
        return Event(
            self.known[-1], rng.choice(_NAMES), rng.choice(_PERSONS), rng.choice(_LISTINGS)
        )

    def _one(self) -> int:
        """An event that is there; the latest most of all, as they are what syncs and webhooks race for."""
        return self.rng.choice([*self.known, *self.known[-3:], *self.known[-3:]])

    def _arrivals(self) -> Iterator[Step]:
        hidden, age = self.rng.choice(_HIDDEN), self.rng.choice(_AGES)
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            yield Arrives(self._event(), age, hidden, is_twice=self.rng.random() < 0.1)

    def _correction(self) -> Iterator[Step]:
        yield Corrected(
            self._one(),
            self.rng.choice(_LISTINGS),
            self.rng.choice(("nice", "dear", "gone")),
            self.rng.choice((0.0, 0.0, 0.0, 0.5, 5.0, 30.0)),
            self.rng.choice((0.0, 0.0, 0.0, -1.0, 26.0, -50.0)),
        )

    def _webhook(self) -> Iterator[Step]:
        has_person, dies = self.rng.random() < 0.8, self.rng.random() < 0.15
        yield Webhook(self._one(), has_person=has_person, dies=dies)
