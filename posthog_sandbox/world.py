"""Everything one sandbox is made of, in one object that the routes share.

Belongs here: the parts and their common reset. Does not belong here: what the parts do.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from posthog_sandbox.access import Access
from posthog_sandbox.batch_exports import BatchExports
from posthog_sandbox.clock import Clock
from posthog_sandbox.cohorts import Cohorts
from posthog_sandbox.destinations import Destinations
from posthog_sandbox.faults import Faults
from posthog_sandbox.file_downloads import FileDownloads
from posthog_sandbox.file_store import FileStore
from posthog_sandbox.hogql_sources import DEFAULT_PROPERTY_TYPES, Context
from posthog_sandbox.limits import Gate, QueryLimits
from posthog_sandbox.people import People
from posthog_sandbox.request_log import RequestLog
from posthog_sandbox.retention import Retention
from posthog_sandbox.storage import Rows, Storage

_CACHE_BYTES = 32 * 1024 * 1024
_CACHED_ANSWER_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class CachedAnswer:
    """An answer as it was first given."""

    rows: Rows
    head: dict[str, Any]


class AnswerCache:
    """PostHog's cache of answers: it has no reason to forget within a test, only for size."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, CachedAnswer] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> CachedAnswer | None:
        """The answer given before."""
        return self._answers.get(key)

    def put(self, key: str, answer: CachedAnswer) -> None:
        """Keep an answer, dropping the oldest if they grow too large together.

        Whole pages of events are not kept, only forgotten: PostHog's cache is larger than ours.
        """
        known = self._answers.pop(key, None)
        if known is not None:
            self._bytes -= len(known.rows.body)
        if len(answer.rows.body) > _CACHED_ANSWER_BYTES:
            return
        self._answers[key] = answer
        self._bytes += len(answer.rows.body)
        while self._bytes > _CACHE_BYTES:
            _, dropped = self._answers.popitem(last=False)
            self._bytes -= len(dropped.rows.body)

    def clear(self) -> None:
        """Forget all answers."""
        self._answers.clear()
        self._bytes = 0


@dataclass
class Slowness:
    """What makes queries slow on purpose."""

    seconds_per_row: float = 0.0
    most_rows: int | None = None


@dataclass(frozen=True)
class Lag:
    """A replica that is behind, and answers the queries whose name contains `match`."""

    seconds: float = 0.0
    match: str = ""


@dataclass
class World:
    """A sandbox."""

    storage: Storage
    access: Access
    project_timezone: str = "UTC"
    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    log: RequestLog = field(default_factory=RequestLog)
    cache: AnswerCache = field(default_factory=AnswerCache)
    gate: Gate = field(default_factory=Gate)
    slowness: Slowness = field(default_factory=Slowness)
    ingest_delay_seconds: float = 0.0
    lag: Lag = field(default_factory=Lag)
    retention: Retention = field(default_factory=Retention)
    property_types: dict[str, str] = field(default_factory=lambda: dict(DEFAULT_PROPERTY_TYPES))
    hidden_properties: tuple[str, ...] = ()
    has_native_json: bool = False
    truth: dict[str, Any] | None = None
    batch_exports: BatchExports = field(default_factory=BatchExports)
    people: People = field(init=False)
    cohorts: Cohorts = field(init=False)
    destinations: Destinations = field(init=False)
    downloads: FileDownloads = field(init=False)

    def __post_init__(self) -> None:
        self.people = People(self.storage, self.clock.now)
        self.cohorts = Cohorts(self.storage)
        self.destinations = Destinations(self.clock.now)
        self.downloads = FileDownloads(self.storage, self.clock, FileStore(self.clock))

    def reset(self) -> None:
        """As it was when it started without events."""
        self.storage.clear()
        self.storage.backlogs = ()
        self.people.clear()
        self.cohorts.clear()
        self.destinations.clear()
        self.batch_exports.clear()
        self.downloads.clear()
        self.faults.clear()
        self.log.clear()
        self.cache.clear()
        self.gate.set(QueryLimits())
        self.clock.held_at = None
        self.slowness = Slowness()
        self.ingest_delay_seconds = 0.0
        self.lag = Lag()
        self.retention = Retention()
        self.hidden_properties = ()
        self.has_native_json = False
        self.property_types = dict(DEFAULT_PROPERTY_TYPES)
        self.access.scopes = self.access.initial_scopes
        self.truth = None

    def context(self, *, in_utc: bool, name: str | None = None) -> Context:
        """What HogQL depends on now; `in_utc` is the modifier against the project's zone.

        `name` is the query's: another replica may answer it.
        """
        now = self.clock.now()
        is_behind = self.lag.seconds > 0 and self.lag.match in (name or "")
        return Context(
            now=now,
            visible_until=now - timedelta(seconds=self.lag.seconds) if is_behind else now,
            floor=self.retention.floor(now, self.project_timezone),
            timezone="UTC" if in_utc else self.project_timezone,
            has_overrides=self.people.has_overrides,
            property_types=self.property_types,
            deleted_persons=self.people.deleted,
            hidden_properties=self.hidden_properties,
            has_native_json=self.has_native_json,
            team_id=int(project) if (project := self.access.project_id).isdigit() else 1,
        )
