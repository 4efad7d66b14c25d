"""Let a walk happen: in a PostHog sandbox, and to a warehouse that syncs from it.

Belongs here: what each step does. Whether the end is right is `truth.py`'s business. The functions are
those that Dagster's assets call, in their order.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from leadpipe.connections import connect_posthog
from leadpipe.events.auditing import audit_days
from leadpipe.events.connecting import sync_config
from leadpipe.events.deletions import accept
from leadpipe.events.ledger import Run
from leadpipe.events.loading import load_days
from leadpipe.events.planning import plan_sync
from leadpipe.events.settings import EventsSettings
from leadpipe.events.source import SyncConfig
from leadpipe.inbox.drain import drain
from leadpipe.inbox.payloads import Reader
from leadpipe.inbox.store import Inbox
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import BUILT_IN
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.published.tables import publish_tables
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse, transaction
from leadpipe.warehouse.locks import Lock
from leadpipe_tests.events.walks.making import FURTHER_NAME, MAPPINGS, Walk
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
from posthog_sandbox.control import SandboxControl
from posthog_sandbox.people import person_of

SHOWN_AFTER = timedelta(hours=40)
"""Nothing stays hidden longer, and what only a webhook brought is not believed longer."""
_NAMESPACE = uuid.UUID("6f6a5a0e-8d3b-4c56-9d0f-6d2f1f0c9b11")
_SETTLED = timedelta(hours=6)


class Killed(BaseException):
    """The process is gone: no handler of ordinary errors may see it."""


@dataclass
class Life:
    """How many boundaries of commits a process still sees; None for all."""

    left: int | None = None

    def pass_boundary(self) -> None:
        """Die here, or go on.

        Raises:
            Killed: it does, and at every boundary after it.
        """
        if self.left == 0:
            raise Killed
        if self.left is not None:
            self.left -= 1


@dataclass(frozen=True)
class MortalWarehouse(Warehouse):
    """A warehouse of a process that dies just before or just after a commit."""

    life: Life = field(default_factory=Life)

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """As ever; the dead open nothing."""
        if self.life.left == 0:
            raise Killed
        with super().connect() as connection:
            yield connection

    @contextmanager
    def writing(self, lock: Lock, *locks: Lock) -> Iterator[duckdb.DuckDBPyConnection]:
        """Commits between two boundaries."""
        with self.connect() as connection, committed(connection, self.life):
            yield connection


@contextmanager
def committed(connection: duckdb.DuckDBPyConnection, life: Life) -> Iterator[None]:
    """A transaction whose commit lies between two boundaries."""
    with transaction(connection):
        yield
        life.pass_boundary()
    life.pass_boundary()


@dataclass
class Walker:
    """One walk under way; holds what its steps share.

    Args:
        walk: where it begins, and by which rules.
        settings: of the sandbox, with all folders its own.
        control: the sandbox's levers.
        set_clock: moves the sandbox's clock, and this process's.
    """

    walk: Walk
    settings: Settings
    control: SandboxControl
    set_clock: Callable[[datetime], object]
    now: datetime = field(init=False)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    runs: int = 0
    sent: int = 0
    persons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.warehouse = Warehouse(self.settings.warehouse_path, lock_timeout_seconds=5.0)
        self.inbox = Inbox(self.settings.data_dir / "inbox.sqlite")
        self.control.reset()
        self.control.limits(enforce=False)
        self.now = self.walk.start
        self.set_clock(self.now)

    @property
    def config(self) -> SyncConfig:
        """How leadpipe reads at this moment."""
        events = self.settings.of(EventsSettings).model_copy(update={"extra_events": self.names})
        return replace(sync_config(events), most_gone=self.walk.most_gone)

    @property
    def published(self) -> Path:
        """Where the current publication is."""
        return self.settings.published_dir / "current"

    def go(self) -> None:
        """Take all steps, and end: all is shown, a sync, an audit, a person's word, a sync."""
        with (
            self.warehouse.connect()
        ):  # while the file is open here, to open it again costs nothing
            self._go()

    def _go(self) -> None:
        for step in self.walk.steps:
            self.take(step)
        self.take(TimePasses(SHOWN_AFTER / timedelta(hours=1)))
        self.sync()
        self.take(TimePasses(_SETTLED / timedelta(hours=1)))
        self.audit()
        with self.warehouse.writing("door") as connection:
            differing = connection.execute(
                "SELECT event_date FROM event_days WHERE differs_since IS NOT NULL"
            ).fetchall()
            if differing:
                accept(connection, [day for (day,) in differing], author="ama", now=self.now)
        self.sync()

    def take(self, step: Step) -> None:  # noqa: C901, PLR0912 - a case a step
        """Let a step happen."""
        match step:
            case Arrives(event, hours_ago, hidden_hours, is_twice):
                row = self._row(event, self.now - timedelta(hours=hours_ago))
                more = {**row, "properties": {**row["properties"], "utm_medium": "second"}}
                self._insert(
                    event.number, *([row, more] if is_twice else [row]), hidden=hidden_hours
                )
            case SharesUuid(number, event, hours_ago) if number in self.rows:
                row = self._row(event, self.now - timedelta(hours=hours_ago))
                self._insert(event.number, {**row, "uuid": self.rows[number]["uuid"]})
            case Repeated(number, hidden_hours) if number in self.rows:
                self._insert(number, self.rows[number], hidden=hidden_hours)
            case Corrected(number) if number in self.rows:
                self._correct(step)
            case EventErased(number) if number in self.rows:
                self.control.delete_events(uuids=[self.rows.pop(number)["uuid"]])
            case PersonErased(person):
                self.control.delete_events(distinct_id=person)
                gone = [n for n, row in self.rows.items() if row["distinct_id"] == person]
                self.rows = {n: row for n, row in self.rows.items() if n not in gone}
            case PersonsMerged(kept, merged):
                self.control.merge_persons(kept, merged)
                old, new = self._person(merged), self._person(kept)
                for one in [merged, *self.persons]:
                    if self._person(one) == old:
                        self.persons[one] = new
            case Webhook(number, has_person, dies) if number in self.rows:
                self._deliver(self.rows[number], has_person=has_person, dies=dies)
            case TestButton(event):
                self._deliver(self._row(event, self.now), has_person=True, dies=False)
            case Sync(dies_at):
                with suppress(Killed):
                    self.sync(dies_at=dies_at)
            case Audit():
                self.audit()
            case NameAdded():
                self.names = (FURTHER_NAME,)
            case MappingChanged(name):
                path = self.settings.of(EventsSettings).events_path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(MAPPINGS[name])
            case TimePasses(hours):
                self.now += timedelta(hours=hours)
                self.set_clock(self.now)

    def sync(self, *, dies_at: int | None = None) -> None:
        """Plan, load, build and publish.

        Raises:
            Killed: at a boundary, if it does not end before.
        """
        life = Life(dies_at)
        warehouse = MortalWarehouse(self.warehouse.path, life=life)
        self.runs += 1
        with connect_posthog(self.settings) as posthog:
            days = plan_sync(
                posthog,
                warehouse,
                config=self.config,
                first_day=self.walk.first_day.date(),
                now=self.now,
            ).days
            load_days(
                posthog,
                warehouse,
                days,
                run=Run(f"sync {self.runs}", "scheduled"),
                config=self.config,
                clock=lambda: self.now,
            )
        with warehouse.connect() as connection:
            with committed(connection, life):
                build_leads(connection, stale_runs(connection), rules=BUILT_IN)
            with committed(connection, life):
                build_listing_analytics(connection, contiguous([*days, *stale_days(connection)]))
            with committed(connection, life):
                build_listings(connection)
            life.pass_boundary()
            publish_tables(connection, self.settings.published_dir, now=self.now)

    def audit(self) -> None:
        """Compare the days that syncs do not compare any more."""
        with connect_posthog(self.settings) as posthog:
            audit_days(
                posthog,
                self.warehouse,
                config=self.config,
                first_day=self.walk.first_day.date(),
                now=self.now,
            )

    def _row(self, event: Event, moment: datetime) -> dict[str, Any]:
        properties = {
            "listing_id": event.listing,
            "place": f"P{event.number % 4}",
            "utm_source": event.detail or "first",
        }
        if event.name == "listing_sold":
            properties["price"] = f"{event.number}00"
        return {
            "uuid": str(uuid.uuid5(_NAMESPACE, f"event {event.number}")),
            "event": event.name,
            # Not before the first day, and no two events at one moment: ties are a step of their own.
            "timestamp": max(moment, self.walk.first_day) + timedelta(microseconds=event.number),
            "distinct_id": event.person,
            "properties": properties,
        }

    def _insert(self, number: int, *copies: dict[str, Any], hidden: float = 0.0) -> None:
        """Copies of one moment, which is no other's; it has just passed, so that queries show them."""
        self.rows[number] = copies[-1]
        self.sent += 1
        received = self.now - timedelta(seconds=1) + timedelta(milliseconds=self.sent)
        moments = {"created_at": received, "visible_at": received + timedelta(hours=hidden)}
        self.control.insert([{**row, **moments} for row in copies])

    def _correct(self, step: Corrected) -> None:
        row = self.rows[step.number]
        moved = row["timestamp"] + timedelta(hours=step.hours_later)
        if not self.walk.first_day <= moved <= self.now:
            moved = row["timestamp"]
        properties = {**row["properties"], "listing_id": step.listing, "utm_campaign": step.detail}
        if step.detail == "gone":  # a correction may also take something away
            gone = {"utm_source", "utm_campaign"}
            properties = {name: value for name, value in properties.items() if name not in gone}
        corrected = {**row, "timestamp": moved, "properties": properties}
        self._insert(step.number, corrected, hidden=step.hidden_hours)

    def _person(self, name: str) -> str:
        return self.persons.get(name, person_of(name))

    def _deliver(self, row: dict[str, Any], *, has_person: bool, dies: bool) -> None:
        """As PostHog's webhook does: milliseconds, the person of now, no time of receiving."""
        moment = row["timestamp"].isoformat(timespec="milliseconds")
        body: dict[str, Any] = {"event": {**row, "timestamp": moment}}
        if has_person:
            body["person"] = {"id": self._person(row["distinct_id"])}
        reader = Reader(
            wanted={*self.config.selection.events},
            first_day=self.walk.first_day.date(),
            mapping=self.config.mapping,
        )
        self.inbox.add([reader.read(msgspec.json.encode(body), now=self.now)], now=self.now)
        if dies:
            with suppress(Killed):
                self._drain(Life(0))
        self._drain(Life())

    def _drain(self, life: Life) -> None:
        self.runs += 1
        drain(
            self.inbox,
            self.warehouse,
            run_id=f"drain {self.runs}",
            landing=self.settings.landing_dir,
            publish=lambda _: life.pass_boundary(),
            clock=lambda: self.now,
        )
