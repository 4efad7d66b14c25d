"""Who is who: distinct ids, the persons they belong to, and merges after the fact.

Belongs here: identify, alias and merge as PostHog does them. Does not belong here: events.

A stored event keeps the person of its ingestion; queries ask the overrides for a newer one.
"""

import json
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from posthog_sandbox.hogql_literals import quoted
from posthog_sandbox.storage import Storage

_NAMESPACE = uuid.UUID("932979b4-65c3-4424-8467-0b66ec27bc22")
_DELETION_VERSIONS = 100
"""By which PostHog raises the version of a person that it deletes."""
UNMERGEABLE = frozenset(
    (
        *("anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email"),
        *("undefined", "true", "false", "none", "null", "nan", "0", "", "[object object]"),
        "00000000-0000-0000-0000-000000000000",
    )
)
"""Distinct ids, in lower case, that stand for a mistake in the caller's code."""


def person_of(distinct_id: str) -> str:
    """The person that an unknown distinct id becomes."""
    return str(uuid.uuid5(_NAMESPACE, distinct_id))


class People:
    """The persons of one sandbox; safe to use from several threads."""

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._storage = storage
        self._now = now
        self._lock = threading.RLock()
        self.clear()
        # A directory of an earlier process may hold merges.
        ((merges,),) = storage.values("SELECT count() FROM sandbox.overrides")
        self.has_overrides = merges > 0
        for table, key in (("distinct_id_changes", "distinct_id"), ("person_changes", "id")):
            known = storage.values(f"SELECT toString({key}), version FROM sandbox.{table}")
            self._versions |= {(table, one): version for one, version in known}

    def clear(self) -> None:
        """Forget everybody."""
        with self._lock:
            self._persons: dict[str, str] = {}
            self._members: dict[str, set[str]] = {}
            self._identified: set[str] = set()
            self._properties: dict[str, dict[str, Any]] = {}
            self._changed: set[str] = set()
            self._versions: dict[tuple[str, str], int] = {}
            self.deleted: frozenset[str] = frozenset()
            self.has_overrides = False

    def resolve(self, distinct_ids: Collection[str]) -> dict[str, str]:
        """The persons of the distinct ids now; unknown ones become persons."""
        with self._lock:
            unknown = {one for one in distinct_ids if one not in self._persons}
            if unknown:
                listed = ", ".join(quoted(one) for one in unknown)
                stored = self._storage.values(
                    "SELECT distinct_id, toString(ifNull(joinGetOrNull("
                    "'sandbox.overrides', 'person_id', distinct_id), any(stored_person_id))) "
                    f"FROM sandbox.events WHERE distinct_id IN ({listed}) GROUP BY distinct_id"
                )
                for distinct_id, person_id in stored:
                    self._assign(distinct_id, person_id)
            for one in unknown - self._persons.keys():
                self._assign(one, person_of(one))
            return {one: self._persons[one] for one in distinct_ids}

    def identify(self, distinct_id: str, anonymous_id: str) -> None:
        """`$identify` and `$create_alias`: merge the second into the first, if it may be merged."""
        if anonymous_id.lower() in UNMERGEABLE or distinct_id.lower() in UNMERGEABLE:
            return
        with self._lock:
            persons = self.resolve([distinct_id, anonymous_id])
            merged, kept = persons[anonymous_id], persons[distinct_id]
            if merged != kept and merged in self._identified:
                return  # an identified person is not swallowed by accident
            self._merge(kept, merged)
            self._identified.add(kept)

    def mark_identified(self, distinct_id: str) -> None:
        """An `$identify` without another distinct id."""
        with self._lock:
            self._identified.add(self.resolve([distinct_id])[distinct_id])

    def merge(self, kept: str, merged: str) -> None:
        """`$merge_dangerously`: merge the person of `merged` into that of `kept`, whatever it is."""
        with self._lock:
            persons = self.resolve([kept, merged])
            self._merge(persons[kept], persons[merged])

    def rename(self, distinct_id: str, person_id: str) -> None:
        """Give a distinct id to another person."""
        with self._lock:
            self.resolve([distinct_id])
            self._assign(distinct_id, str(uuid.UUID(person_id)))
            self._override([distinct_id])

    def squash(self) -> int:
        """Write the overrides into the events and forget them; returns how many there were."""
        with self._lock:
            ((count,),) = self._storage.values("SELECT count() FROM sandbox.overrides")
            if count:
                found = "joinGetOrNull('sandbox.overrides', 'person_id', distinct_id)"
                self._storage.rewrite(
                    f"stored_person_id = ifNull({found}, stored_person_id)", f"isNotNull({found})"
                )
                self._storage.empty("overrides")
            self.has_overrides = False
            return int(count)

    def update_properties(
        self,
        distinct_id: str,
        *,
        set_once: Mapping[str, Any],
        set_always: Mapping[str, Any],
        unset: Collection[str] = (),
    ) -> None:
        """`$set_once`, `$set` and `$unset`; in force for queries after `store_properties`."""
        if not (set_once or set_always or unset):
            return
        with self._lock:
            person = self.resolve([distinct_id])[distinct_id]
            known = self._known(person)
            merged = {**set_once, **known, **set_always}
            changed = {key: value for key, value in merged.items() if key not in unset}
            if changed != known:
                self._properties[person] = changed
                self._changed.add(person)

    def store_properties(self) -> None:
        """Let queries see the properties that changed; once a request, as each insert costs."""
        with self._lock:
            persons = sorted(self._changed)
            self._changed.clear()
            texts = [
                json.dumps(self._properties[one], ensure_ascii=False, separators=(",", ":"))
                for one in persons
            ]
            self._storage.set_person_properties(pa.table({"id": persons, "properties": texts}))
            self._note("person_changes", "id", persons)

    def delete(self, person_id: str) -> None:
        """Forget a person for good: PostHog's tombstone outlives later events of theirs."""
        with self._lock:
            self.deleted |= {person_id}
            self._note("person_changes", "id", [person_id], by=_DELETION_VERSIONS)

    def remember(self, persons: Collection[str]) -> None:
        """Read the properties of persons, generated ones included, in one query."""
        with self._lock:
            unread = sorted(set(persons) - self._properties.keys())
            if not unread:
                return
            stored = self._storage.values(
                "SELECT toString(one), joinGet('sandbox.person_properties', 'properties', one) "
                f"FROM (SELECT toUUID(arrayJoin([{', '.join(map(quoted, unread))}])) AS one)"
            )
            for person, text in stored:
                self._properties[person] = json.loads(text or "{}")

    def properties_of(self, person_id: str) -> dict[str, Any]:
        """A person's properties now."""
        with self._lock:
            return dict(self._known(person_id))

    def _known(self, person: str) -> dict[str, Any]:
        self.remember([person])
        return self._properties[person]

    def _merge(self, kept: str, merged: str) -> None:
        if kept == merged:
            return
        stored = self._storage.values(
            "SELECT DISTINCT distinct_id FROM sandbox.events "
            f"WHERE stored_person_id = toUUID({quoted(merged)})"
        )
        movers = {one for (one,) in stored if self._persons.get(one, merged) == merged}
        movers |= self._members.get(merged, set())
        for one in movers:
            self._assign(one, kept)
        self._override(movers)
        if merged in self._identified:
            self._identified.add(kept)
        lost = self._known(merged)
        if lost:
            self._properties[kept] = lost | self._known(kept)
            self._changed.add(kept)

    def _assign(self, distinct_id: str, person_id: str) -> None:
        known = self._persons.get(distinct_id)
        if known is not None:
            self._members[known].discard(distinct_id)
        self._persons[distinct_id] = person_id
        self._members.setdefault(person_id, set()).add(distinct_id)

    def _override(self, distinct_ids: Collection[str]) -> None:
        ids = sorted(distinct_ids)
        if ids:
            persons = [self._persons[one] for one in ids]
            self._storage.set_overrides(pa.table({"distinct_id": ids, "person_id": persons}))
            self.has_overrides = True
            self._note("distinct_id_changes", "distinct_id", ids)

    def _note(self, table: str, key: str, changed: Sequence[str], *, by: int = 1) -> None:
        """Keep version and moment of a change, which exports of persons go by."""
        if not changed:
            return
        for one in changed:
            self._versions[table, one] = self._versions.get((table, one), 0) + by
        columns: dict[str, Any] = {
            key: list(changed),
            "version": [self._versions[table, one] for one in changed],
            "changed_at": pa.array([self._now()] * len(changed), pa.timestamp("us", "UTC")),
        }
        if table == "person_changes":
            columns["is_deleted"] = [one in self.deleted for one in changed]
        self._storage.note_changes(table, pa.table(columns))
