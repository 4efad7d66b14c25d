"""Puts generated traffic into the store.

Belongs here: feeding parts to ClickHouse in large inserts. Does not belong here: the traffic
(`traffic.py`).
"""

from datetime import datetime
from typing import Any

import pyarrow as pa

from posthog_sandbox.storage import Storage
from posthog_sandbox.traffic import Made, Plan, Tally, make_all

_INSERT_ROWS = 50_000


def seed_traffic(
    storage: Storage,
    *,
    events: int,
    days: int,
    end: datetime,
    seed: int,
    has_rhythm: bool = True,
) -> dict[str, Any]:
    """Make traffic and store it; returns its truth.

    Args:
        storage: where it goes; what is there stays.
        events: rows.
        days: how long before `end` it begins.
        end: after the last timestamp; arrivals may come later.
        seed: of the traffic.
        has_rhythm: whether there are nights and weekends.
    """
    tally = Tally()
    waiting: list[Made] = []
    for made in make_all(Plan(events, days, end, seed, has_rhythm)):
        tally.add(made)
        waiting.append(made)
        if sum(part.table.num_rows for part in waiting) >= _INSERT_ROWS:
            _store(storage, waiting)
            waiting = []
    _store(storage, waiting)
    return tally.truth()


def _store(storage: Storage, parts: list[Made]) -> None:
    if parts:
        storage.insert(pa.concat_tables([part.table for part in parts]))
        storage.set_person_properties(pa.concat_tables([part.persons for part in parts]))
