"""Cohorts: their definitions, and their members as of the last calculation.

Belongs here: making, changing and calculating. Does not belong here: HTTP (`cohort_api.py`), filters
(`cohort_filters.py`).

As in PostHog, members are calculated some time after the answer, stay as they were until the next
change (PostHog calculates daily besides), and a deleted cohort is only hidden.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from posthog_sandbox.cohort_filters import condition_sql
from posthog_sandbox.hogql_sources import Context, persons_sql
from posthog_sandbox.storage import Storage

IdType = Literal["distinct_id", "person_id", "email"]


@dataclass
class Cohort:
    """One cohort; `pending` is what the next calculation adds to a static one."""

    id: int
    created_at: datetime
    name: str | None = None
    description: str = ""
    is_static: bool = False
    is_deleted: bool = False
    filters: dict[str, Any] | None = None
    count: int | None = None
    version: int = 0
    errors_calculating: int = 0
    last_calculation: datetime | None = None
    due_at: float | None = None
    pending: list[tuple[IdType, list[str]]] = field(default_factory=list)

    @property
    def is_calculating(self) -> bool:
        """Whether members and count are behind the definition."""
        return self.due_at is not None


class Cohorts:
    """The cohorts of one sandbox; safe to use from several threads.

    Attributes:
        calculation_seconds: from a change to its calculation.
        failures_left: how many of the next calculations fail.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.RLock()
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._cohorts: dict[int, Cohort] = {}
            self._next_id = 1
            self.calculation_seconds = 0.0
            self.failures_left = 0

    def add(self, *, now: datetime, is_static: bool) -> Cohort:
        """A new cohort, without a definition."""
        with self._lock:
            cohort = Cohort(self._next_id, now, is_static=is_static)
            self._next_id += 1
            self._cohorts[cohort.id] = cohort
            if is_static:
                cohort.count = 0
            return cohort

    def get(self, cohort_id: int, context: Context) -> Cohort | None:
        """The cohort, calculated if that is due."""
        with self._lock:
            cohort = self._cohorts.get(cohort_id)
            if cohort is not None:
                self._calculate_if_due(cohort, context)
            return cohort

    def listed(self, context: Context) -> list[Cohort]:
        """Those that are not deleted, newest first."""
        with self._lock:
            found = [one for one in self._cohorts.values() if not one.is_deleted]
            for cohort in found:
                self._calculate_if_due(cohort, context)
            return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)

    def begin_calculation(
        self, cohort: Cohort, ids: Iterable[str] = (), id_type: IdType = "distinct_id"
    ) -> None:
        """Let the cohort be calculated after the usual time; `ids` are added to a static one."""
        with self._lock:
            if cohort.is_static:
                cohort.pending.append((id_type, list(ids)))
            cohort.due_at = time.monotonic() + self.calculation_seconds

    def add_persons(self, cohort: Cohort, person_ids: list[str], context: Context) -> int:
        """Put persons into a static cohort at once; how many of them there are."""
        with self._lock:
            return self._add_to_static(cohort, "person_id", person_ids, context)

    def _calculate_if_due(self, cohort: Cohort, context: Context) -> None:
        if cohort.due_at is None or time.monotonic() < cohort.due_at:
            return
        cohort.due_at = None
        if self.failures_left:
            self.failures_left -= 1
            cohort.errors_calculating += 1
            return
        if cohort.is_static:
            for id_type, ids in cohort.pending:
                self._add_to_static(cohort, id_type, ids, context)
            cohort.pending.clear()
        else:
            self._select(cohort, context)
        cohort.errors_calculating = 0
        cohort.last_calculation = context.now

    def _select(self, cohort: Cohort, context: Context) -> None:
        condition = condition_sql((cohort.filters or {})["properties"], context)
        cohort.version += 1
        self._storage.write(
            f"ALTER TABLE sandbox.cohort_people DELETE WHERE cohort_id = {cohort.id} "
            "SETTINGS mutations_sync = 1"
        )
        self._storage.write(
            f"INSERT INTO sandbox.cohort_people SELECT {cohort.id}, false, id "
            f"FROM {persons_sql(context)} WHERE {condition}"
        )
        cohort.count = self._count(cohort)

    def _add_to_static(
        self, cohort: Cohort, id_type: IdType, ids: list[str], context: Context
    ) -> int:
        """Add the persons that exist; the others are dropped without a word."""
        given = pa.table({"given": pa.array(ids, pa.string())})
        given_ids = "(SELECT assumeNotNull(given) FROM Python(source))"
        matches = {
            "distinct_id": f"one IN {given_ids}",
            "person_id": f"toString(id) IN {given_ids}",
            "email": f"JSONExtractString(properties, 'email') IN {given_ids}",
        }[id_type]
        known = f"SELECT person_id FROM sandbox.cohort_people WHERE cohort_id = {cohort.id}"
        wanted = (
            f"SELECT id FROM {persons_sql(context)} ARRAY JOIN distinct_ids AS one WHERE {matches}"
        )
        self._storage.write(
            f"INSERT INTO sandbox.cohort_people SELECT DISTINCT {cohort.id}, true, id "
            f"FROM ({wanted}) WHERE id NOT IN ({known})",
            given,
        )
        before, cohort.count = cohort.count or 0, self._count(cohort)
        return cohort.count - before

    def _count(self, cohort: Cohort) -> int:
        ((count,),) = self._storage.values(
            f"SELECT count() FROM sandbox.cohort_people WHERE cohort_id = {cohort.id}"
        )
        return int(count)
