"""Deletion of events as PostHog does it: later, and part by part.

Belongs here: which rows go, and when. Does not belong here: deletion of persons (`people.py`).

PostHog deletes with a mutation of ClickHouse at a quiet hour, which works through the table's parts: for a
while some rows are gone and others are still answered. Events of a person are those whose own row names the
person: what was merged into them and is not squashed yet stays.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from posthog_sandbox.hogql_literals import instant, quoted
from posthog_sandbox.storage import Storage

_WORD = "18446744073709551616."


@dataclass(frozen=True)
class Deletion:
    """Which events are deleted: those for which all that is given holds.

    Attributes:
        uuids: of the events; every copy goes, each when its turn comes.
        person_id: of their ingestion, or since the last squash.
        distinct_id: theirs.
        before: exclusive, on timestamp.
        share_now: the part of them that goes at once, by a hash of each row; the rest goes `after`.
        after: how much later.
        a_month: how much later each month of timestamps begins than the month before it that holds any.
        seed: of the shares.
    """

    uuids: Sequence[str] | None = None
    person_id: str | None = None
    distinct_id: str | None = None
    before: datetime | None = None
    share_now: float = 1.0
    after: timedelta = timedelta()
    a_month: timedelta = timedelta()
    seed: int = 1

    def condition(self) -> str:
        """As ClickHouse sees the rows.

        Raises:
            ValueError: nothing is given, which would be all events; or what is given is no UUID.
        """
        parts = []
        if self.uuids is not None:
            listed = ", ".join(f"toUUID('{uuid.UUID(one)}')" for one in self.uuids)
            parts.append(f"uuid IN ({listed})" if listed else "false")
        if self.person_id is not None:
            parts.append(f"stored_person_id = toUUID('{uuid.UUID(self.person_id)}')")
        if self.distinct_id is not None:
            parts.append(f"distinct_id = {quoted(self.distinct_id)}")
        if self.before is not None:
            parts.append(f"timestamp < {instant(self.before)}")
        if not parts:
            raise ValueError("Say which events to delete: uuids, person_id, distinct_id or before.")
        return " AND ".join(parts)


def delete(storage: Storage, deletion: Deletion, now: datetime) -> int:
    """Let events go, some now and some later; returns how many rows will have gone.

    A row that is deleted already keeps its earlier moment.
    """
    condition = (
        f"{deletion.condition()} AND visible_at <= {instant(now)} AND gone_at > {instant(now)}"
    )
    months = storage.values(
        f"SELECT toYYYYMM(timestamp) AS month, count() FROM sandbox.events WHERE {condition} "
        "GROUP BY month ORDER BY month"
    )
    if not months:
        return 0
    place = f"cityHash64({deletion.seed}, toString(uuid), created_at) / {_WORD}"
    listed = ", ".join(str(month) for month, _ in months)
    begun = f"(indexOf([{listed}], toYYYYMM(timestamp)) - 1) * {_micro(deletion.a_month)}"
    rest = f"if({place} < {deletion.share_now!r}, 0, {_micro(deletion.after)})"
    moment = f"{instant(now)} + toIntervalMicrosecond({begun} + {rest})"
    storage.rewrite(f"gone_at = least(gone_at, {moment})", condition)
    return sum(count for _, count in months)


def _micro(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
