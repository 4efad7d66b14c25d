"""Backlogs of ingestion: rows that show hours after PostHog received them.

Belongs here: which rows wait, and how long. Does not belong here: the usual seconds of delay (`arrivals.py`,
`capture.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

_WORD = 2**64


@dataclass(frozen=True)
class Backlog:
    """A time whose events wait.

    Attributes:
        start: inclusive, on the time PostHog received them.
        end: exclusive.
        least: how long each event waits.
        most: at most; each row's wait is its own, the same for the same uuid and seed.
        seed: of the waits.
    """

    start: datetime
    end: datetime
    least: timedelta
    most: timedelta
    seed: int = 1

    def __post_init__(self) -> None:
        if self.end <= self.start or self.most < self.least:
            raise ValueError(
                "A backlog ends after its start, and waits at most as long as at least."
            )

    def shown_at(self, uuid: str, created_at: datetime) -> datetime:
        """When a row shows that was received in this time."""
        digest = hashlib.blake2b(f"{self.seed} {uuid}".encode(), digest_size=8).digest()
        part = int.from_bytes(digest, "big") / _WORD
        return created_at + self.least + (self.most - self.least) * part


def delayed(events: pa.Table, backlogs: Sequence[Backlog]) -> pa.Table:
    """Rows of `storage_schema.EVENT_SCHEMA` with the later `visible_at` that backlogs give them."""
    if not backlogs or not events.num_rows:
        return events
    shown = [
        max(
            visible_at,
            *(b.shown_at(uuid, created_at) for b in backlogs if b.start <= created_at < b.end),
        )
        if any(b.start <= created_at < b.end for b in backlogs)
        else visible_at
        for uuid, created_at, visible_at in zip(
            *(events.column(name).to_pylist() for name in ("uuid", "created_at", "visible_at")),
            strict=True,
        )
    ]
    place = events.schema.get_field_index("visible_at")
    field = events.schema.field(place)
    return events.set_column(place, field, pa.array(shown, field.type))
