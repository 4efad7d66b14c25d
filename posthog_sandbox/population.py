"""The people of generated traffic: who they are, and how often they come back.

Belongs here: persons and their ids as functions of a number. Does not belong here: what they do
(`sessions.py`).

A person is a number: the day of the first visit (its cohort) and a place in that cohort. So any day
can be generated alone, and still the same person returns with the same ids.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from posthog_sandbox.identifiers import (
    Numbers,
    digits,
    joined,
    mixed,
    unit,
    uuid4,
    uuid7,
)

IDENTIFIED_SHARE = 0.2
_ACCRA_SHARE = 0.55
_NEW_SHARE = 0.55
_RETURN_DAYS = 9.0
_LOYALTY = 2.2
_NEW_PERSONS_PER_EVENT = 0.105
_DAY_MS = 86_400_000
_FIRST_NAMES = ("Ama", "Kofi", "Esi", "Yaw", "Ngozi", "Chidi", "Zainab", "Tunde", "Akua", "Femi")
_LAST_NAMES = ("Example", "Sample", "Specimen", "Placeholder", "Testperson")


@dataclass(frozen=True)
class Population:
    """Everybody who visits between the first and the last block.

    Attributes:
        seed: of the traffic.
        sizes: new persons of each block.
        start_ms: Unix milliseconds at which the first block begins.
    """

    seed: int
    sizes: Numbers
    start_ms: int

    @classmethod
    def for_rows(cls, rows: Numbers, *, seed: int, start_ms: int) -> "Population":
        """As many people as so many rows a block suggest."""
        sizes = np.maximum(1, (rows * _NEW_PERSONS_PER_EVENT).astype(np.int64))
        return cls(seed, sizes, start_ms)

    def visitors(
        self, rng: np.random.Generator, count: int, *, block: int, share: tuple[float, float]
    ) -> tuple[Numbers, Numbers]:
        """Who has the sessions of a part of a block.

        Args:
            rng: the part's.
            count: sessions.
            block: which one.
            share: the part's stretch of the block's new persons, as fractions.

        Returns:
            The person of each session, and how many blocks ago the first visit was. The gaps
            between visits are geometric; a few people come much more often than the rest.
        """
        ages = rng.geometric(1 / _RETURN_DAYS, count)
        is_new = (rng.random(count) < _NEW_SHARE) | (ages > block)
        ages = np.where(is_new, 0, ages)
        sizes = self.sizes[block - ages]
        places = (sizes * rng.random(count) ** _LOYALTY).astype(np.int64)
        first, last = (int(self.sizes[block] * part) for part in share)
        in_turn = first + np.arange(int(is_new.sum())) % max(1, last - first)
        places[is_new] = np.minimum(in_turn, self.sizes[block] - 1)
        starts = np.concatenate(([0], np.cumsum(self.sizes)))
        return starts[block - ages] + places, ages

    def is_identified(self, persons: Numbers) -> npt.NDArray[np.bool_]:
        """Whether they ever sign up."""
        return unit(persons, self.seed * 16 + 1) < IDENTIFIED_SHARE

    def utc_offset_hours(self, persons: Numbers) -> Numbers:
        """Local time: Accra or Lagos, neither with daylight saving."""
        return np.where(unit(persons, self.seed * 16 + 2) < _ACCRA_SHARE, 0, 1).astype(np.int64)

    def device(self, persons: Numbers, kinds: int) -> Numbers:
        """The device profile, the first ones more often."""
        return (kinds * unit(persons, self.seed * 16 + 3) ** 1.6).astype(np.int64)

    def person_ids(self, persons: Numbers) -> pa.StringArray:
        """PostHog's ids of the persons."""
        salt = self.seed * 16
        return uuid4(mixed(persons, salt + 4), mixed(persons, salt + 5))

    def anonymous_ids(self, persons: Numbers) -> pa.StringArray:
        """What posthog-js calls their first device."""
        salt = self.seed * 16
        cohort = np.searchsorted(np.cumsum(self.sizes), persons, side="right")
        moment = (unit(persons, salt + 6) * _DAY_MS).astype(np.int64)
        milliseconds = self.start_ms + cohort.astype(np.int64) * _DAY_MS + moment
        return uuid7(milliseconds, mixed(persons, salt + 7), mixed(persons, salt + 8))

    def user_ids(self, persons: Numbers) -> pa.StringArray:
        """What the site calls them once they have signed up."""
        return joined("user_", digits(persons + 1000))

    def properties(self, persons: Numbers) -> pa.StringArray:
        """Person properties as JSON; names and addresses are plainly invented."""
        first = pa.array(_FIRST_NAMES).take(pa.array(persons % len(_FIRST_NAMES)))
        last = pa.array(_LAST_NAMES).take(pa.array(persons % len(_LAST_NAMES)))
        number = digits(persons + 1000)
        return joined(
            *('{"email":"user', number, '@example.com","name":"', first, " ", last),
            *('","phone":"+1555', digits(persons % 10_000_000, 7), '"}'),
        )
