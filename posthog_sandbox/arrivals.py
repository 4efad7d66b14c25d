"""When generated events arrive: on time, late, twice, out of order.

Belongs here: `created_at`, `visible_at` and duplicates. Does not belong here: what happened.
"""

from dataclasses import dataclass

import numpy as np

from posthog_sandbox.identifiers import Numbers

DUPLICATE_SHARE = 0.02
LATE_SHARE = 0.03
LATE_SECONDS = 60
_SKEWED_SHARE = 0.015
_SLOW_TO_SHOW_SHARE = 0.15
_SECOND = 1_000_000
_MILLISECOND = 1_000
_FLUSH = 3 * _SECOND
_LATEST_SECONDS = 3 * 86_400.0


@dataclass(frozen=True)
class Arrivals:
    """Rows in order of `created_at`.

    Attributes:
        rows: which event each row is a copy of.
        created_at: Unix microseconds, whole milliseconds.
        visible_at: Unix microseconds; out of the order of `created_at`.
        late: events whose first copy came a minute or more after its timestamp.
    """

    rows: Numbers
    created_at: Numbers
    visible_at: Numbers
    late: int


def duplicates_of(rng: np.random.Generator, rows: int) -> int:
    """How many of so many rows are second copies: 2 %, rounded by chance."""
    return min(rows - 1, int(rows * DUPLICATE_SHARE + rng.random())) if rows else 0


def make_arrivals(
    rng: np.random.Generator, timestamps: Numbers, sources: Numbers, *, duplicates: int
) -> Arrivals:
    """When each event arrives, and which ones arrive twice.

    Args:
        rng: the part's.
        timestamps: Unix microseconds of each event.
        sources: the visit of each event, whose browser sends every three seconds; -1 for a server.
        duplicates: how many events come again.
    """
    count = len(timestamps)
    way = (rng.lognormal(np.log(0.25), 0.8, count) * _SECOND).astype(np.int64)
    is_visit = sources >= 0
    sent = np.where(is_visit, (timestamps // _FLUSH + 1) * _FLUSH, timestamps)
    created = sent + way[np.where(is_visit, sources, np.arange(count))]
    is_late = rng.random(count) < LATE_SHARE
    lateness = np.clip(rng.lognormal(np.log(1800.0), 1.9, count), LATE_SECONDS, _LATEST_SECONDS)
    created = np.where(is_late, timestamps + (lateness * _SECOND).astype(np.int64), created)
    is_skewed = ~is_late & (rng.random(count) < _SKEWED_SHARE)
    ahead = (rng.random(count) * 2.5 * _SECOND).astype(np.int64)
    created = np.where(is_skewed, timestamps - ahead, created)
    created = -(-created // _MILLISECOND) * _MILLISECOND
    late = int((created - timestamps >= LATE_SECONDS * _SECOND).sum())

    again = rng.choice(count, duplicates, replace=False) if duplicates else np.zeros(0, np.int64)
    after = np.minimum(rng.lognormal(np.log(20.0), 2.0, duplicates), _LATEST_SECONDS)
    repeated = created[again] + (after * 1000).astype(np.int64) * _MILLISECOND
    rows = np.concatenate((np.arange(count), again))
    created = np.concatenate((created, repeated))
    order = np.argsort(created, kind="stable")
    shown = np.where(
        rng.random(count + duplicates) < _SLOW_TO_SHOW_SHARE,
        rng.uniform(6.0, 90.0, count + duplicates),
        rng.uniform(0.5, 6.0, count + duplicates),
    )
    visible = created + (shown * 1000).astype(np.int64) * _MILLISECOND
    return Arrivals(rows[order], created[order], visible[order], late)
