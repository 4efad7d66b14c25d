"""Generated traffic: the same rows for the same seed, wherever they go.

Belongs here: the plan (how many rows on which day, in which parts), and a part's table. Does not
belong here: what people do (`sessions.py`), where rows go (`seeding.py`, `parquet.py`).

The time is cut into blocks of 24 hours before `end`, a block into parts of at most 50,000 rows. Each
part has its own random numbers, from (seed, block, part), and knows nothing of the others: parts can
be made in any order, by any process, and memory stays flat.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from posthog_sandbox.arrivals import duplicates_of, make_arrivals
from posthog_sandbox.catalogue import catalogue
from posthog_sandbox.identifiers import Numbers, uuid7
from posthog_sandbox.population import Population
from posthog_sandbox.server_events import counts, make_server_events
from posthog_sandbox.sessions import make_visits
from posthog_sandbox.storage_schema import EVENT_SCHEMA
from posthog_sandbox.visit_text import VisitText

PART_ROWS = 50_000
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEKDAYS = (1.06, 1.05, 1.0, 1.0, 0.96, 0.8, 0.68)
_GROWTH = 0.9
_NOISE = 0.07


@dataclass(frozen=True)
class Part:
    """A part of a block: `rows` rows, the stretch `share` of the block."""

    block: int
    number: int
    rows: int
    share: tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """Which traffic to make.

    Attributes:
        events: rows, second copies included.
        days: blocks of 24 hours.
        end: of the last block; aware.
        seed: decides everything else.
        has_rhythm: whether there are nights and weekends.
    """

    events: int
    days: int
    end: datetime
    seed: int
    has_rhythm: bool = True

    def __post_init__(self) -> None:
        if self.events < 0 or self.days < 1:
            raise ValueError(
                f"Traffic of {self.events} events over {self.days} days cannot be made; "
                "ask for 0 or more events over 1 or more days."
            )

    @property
    def begins(self) -> int:
        """Unix microseconds at which the first block begins, on a whole millisecond."""
        end = (self.end - _EPOCH) // timedelta(milliseconds=1) * 1000
        return end - self.days * _DAY

    def parts(self) -> list[Part]:
        """All parts, in order of time."""
        found: list[Part] = []
        for block, rows in enumerate(_rows_of_blocks(self).tolist()):
            pieces = -(-rows // PART_ROWS)
            edges = [rows * piece // pieces for piece in range(pieces + 1)] if pieces else []
            found += [
                Part(block, number, high - low, (low / rows, high / rows))
                for number, (low, high) in enumerate(pairwise(edges))
            ]
        return found


@lru_cache(maxsize=8)
def _rows_of_blocks(plan: Plan) -> Numbers:
    """Rows of each block: growth, weekends, weather."""
    blocks = np.arange(plan.days)
    weights = np.ones(plan.days)
    if plan.has_rhythm:
        first_day = plan.begins // _DAY
        weekday = (first_day + blocks + 3) % 7  # 1970-01-01 was a Thursday
        noise = np.random.default_rng([plan.seed, 7]).normal(0, _NOISE, plan.days)
        weights = np.array(_WEEKDAYS)[weekday] * (1 + _GROWTH * blocks / plan.days) * np.exp(noise)
    edges = np.round(np.cumsum(weights) / weights.sum() * plan.events).astype(np.int64)
    rows: Numbers = np.diff(edges, prepend=0)
    return rows


@lru_cache(maxsize=8)
def _population(plan: Plan) -> Population:
    return Population.for_rows(_rows_of_blocks(plan), seed=plan.seed, start_ms=plan.begins // 1000)


@dataclass(frozen=True)
class Made:
    """A part's rows, in order of `created_at`, and what is true of them.

    Attributes:
        table: of `EVENT_SCHEMA`.
        persons: properties of identified persons seen in it; columns `id`, `properties`.
        distinct: events, without second copies.
        late: among them, those that came a minute or more after their timestamp.
        by_event: distinct events of each name.
        by_day: distinct events of each UTC day.
    """

    table: pa.Table
    persons: pa.Table
    distinct: int
    late: int
    by_event: dict[str, int]
    by_day: dict[str, int]


def make_part(plan: Plan, part: Part) -> Made:
    """The rows of a part."""
    rng = np.random.default_rng([plan.seed, part.block, part.number, 1])
    begins = plan.begins + part.block * _DAY
    population = _population(plan)
    listings = catalogue(plan.events)
    duplicates = duplicates_of(rng, part.rows)
    distinct = part.rows - duplicates
    wanted = counts(rng, distinct)
    visits = make_visits(
        rng,
        distinct - sum(wanted.values()),
        block=part.block,
        share=part.share,
        begins_at=begins % _DAY,
        population=population,
        catalogue=listings,
        has_rhythm=plan.has_rhythm,
    )
    others = make_server_events(
        rng,
        wanted,
        block_begins=begins,
        total_events=plan.events,
        catalogue=listings,
        has_rhythm=plan.has_rhythm,
    )
    timestamps = begins + np.concatenate((visits.offsets, others.offsets))
    words = rng.integers(0, 2**63, (2, distinct), dtype=np.int64).astype(np.uint64)
    uuids = uuid7(timestamps // 1000, words[0], words[1])
    text = VisitText(
        rng, visits, begins_ms=begins // 1000, population=population, catalogue=listings
    )
    properties = pa.concat_arrays([text.properties(uuids), others.properties])
    names = pa.concat_arrays([text.names(), others.names])
    sources = np.concatenate((visits.sessions, np.full(len(others.offsets), -1)))
    arrivals = make_arrivals(rng, timestamps, sources, duplicates=duplicates)
    persons = visits.persons[visits.sessions]
    order = pa.array(arrivals.rows)
    columns = [
        uuids.take(order),
        names.take(order),
        properties.take(order),
        pa.concat_arrays([text.distinct_ids, others.distinct_ids]).take(order),
        pa.concat_arrays([population.person_ids(persons), others.person_ids]).take(order),
        _moments(timestamps[arrivals.rows]),
        _moments(arrivals.created_at),
        _moments(arrivals.visible_at),
    ]
    known = np.unique(persons[visits.is_known])
    return Made(
        table=pa.Table.from_arrays(columns, schema=EVENT_SCHEMA),
        persons=pa.table(
            {"id": population.person_ids(known), "properties": population.properties(known)}
        ),
        distinct=distinct,
        late=arrivals.late,
        by_event=_counted(names),
        by_day=_counted(
            pa.array(timestamps // _DAY, pa.int64()).cast(pa.int32()).cast(pa.date32())
        ),
    )


def _moments(microseconds: npt.NDArray[np.int64]) -> pa.TimestampArray:
    return pa.array(microseconds, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _counted(values: pa.Array) -> dict[str, int]:
    return {str(pair["values"]): pair["counts"] for pair in pc.value_counts(values).to_pylist()}


@dataclass
class Tally:
    """The truth about traffic, summed up part by part."""

    events: int = 0
    distinct: int = 0
    late: int = 0
    by_event: Counter[str] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)

    def add(self, made: Made) -> None:
        """Count a part."""
        self.events += made.table.num_rows
        self.distinct += made.distinct
        self.late += made.late
        self.by_event.update(made.by_event)
        self.by_day.update(made.by_day)

    def truth(self) -> dict[str, Any]:
        """As the control endpoint tells it."""
        return {
            "events": self.events,
            "distinct": self.distinct,
            "duplicates": self.events - self.distinct,
            "late": self.late,
            "by_event": dict(sorted(self.by_event.items())),
            "by_day": dict(sorted(self.by_day.items())),
        }


def make_all(plan: Plan) -> Iterator[Made]:
    """All parts, one after the other."""
    for part in plan.parts():
        yield make_part(plan, part)
