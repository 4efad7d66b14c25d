"""What can happen on a walk, one dataclass a step; each reads as a sentence.

Belongs here: what a step is called and what it is about. What it does is in `walking.py`. A step about
something that is not there (its step was left out) does nothing, so any part of a walk is a walk.
"""

from dataclasses import dataclass

OVERLAP_HOURS = 1.0
"""How far behind its watermark a sync reads again, by default."""


@dataclass(frozen=True)
class Event:
    """What an event says; `person` is its distinct id's name.

    Args:
        number: by which steps name it; its uuid is made of it.
        name: of the event.
        person: who did it.
        listing: on what.
        detail: what a correction changes.
    """

    number: int
    name: str
    person: str
    listing: str
    detail: str = ""

    def __str__(self) -> str:
        return f"event {self.number} ({self.name} of {self.person} on {self.listing})"


@dataclass(frozen=True)
class Arrives:
    """PostHog receives an event.

    Args:
        event: the event.
        hours_ago: by how much it is dated back; negative ahead.
        hidden_hours: for how long queries do not show it yet.
        is_twice: it comes as two copies of one moment, one of which has a property more.
    """

    event: Event
    hours_ago: float
    hidden_hours: float = 0.0
    is_twice: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        found = {"events"}
        if self.is_twice:
            found.add("ties")
        if self.hours_ago > 24:
            found.add("late")
        if self.hours_ago < 0:
            found.add("ahead")
        if self.hidden_hours > OVERLAP_HOURS:
            found.add("backlog")
        return frozenset(found)

    def __str__(self) -> str:
        dated = f"{abs(self.hours_ago):g} h {'ago' if self.hours_ago >= 0 else 'ahead'}"
        twice = ", as two copies" if self.is_twice else ""
        return f"{self.event} arrives, dated {dated}{twice}{_hidden(self.hidden_hours)}"


@dataclass(frozen=True)
class Repeated:
    """PostHog receives an event again as it was, and has not merged the copies."""

    number: int
    hidden_hours: float = 0.0

    @property
    def kinds(self) -> frozenset[str]:
        late = {"late-corrections"} if self.hidden_hours >= OVERLAP_HOURS else set()
        return frozenset({"repeats"} | late)

    def __str__(self) -> str:
        return f"event {self.number} arrives again as it was{_hidden(self.hidden_hours)}"


@dataclass(frozen=True)
class Corrected:
    """PostHog receives an event again with other properties.

    Args:
        number: whose.
        listing: its other listing.
        detail: its other detail.
        hidden_hours: for how long queries do not show it yet.
        hours_later: by how much it is dated differently.
    """

    number: int
    listing: str
    detail: str
    hidden_hours: float = 0.0
    hours_later: float = 0.0

    @property
    def kinds(self) -> frozenset[str]:
        found = {"corrections"}
        if self.hidden_hours >= OVERLAP_HOURS:
            found.add("late-corrections")
        if self.hours_later:
            found.add("moves")
        return frozenset(found)

    def __str__(self) -> str:
        moved = f" and dated {self.hours_later:+g} h" if self.hours_later else ""
        return (
            f"event {self.number} is corrected: {self.detail} on {self.listing}{moved}"
            f"{_hidden(self.hidden_hours)}"
        )


@dataclass(frozen=True)
class SharesUuid:
    """PostHog receives another event under the uuid of one it has."""

    number: int
    event: Event
    hours_ago: float
    kinds = frozenset({"shared-uuids"})

    def __str__(self) -> str:
        return f"{self.event} arrives under the uuid of event {self.number}, dated {self.hours_ago:g} h ago"


@dataclass(frozen=True)
class EventErased:
    """Somebody deletes an event in PostHog."""

    number: int
    kinds = frozenset({"deletions"})

    def __str__(self) -> str:
        return f"event {self.number} is deleted in PostHog"


@dataclass(frozen=True)
class PersonErased:
    """Somebody deletes a person with their events in PostHog."""

    person: str
    kinds = frozenset({"deletions"})

    def __str__(self) -> str:
        return f"{self.person} is deleted in PostHog, with all events"


@dataclass(frozen=True)
class PersonsMerged:
    """PostHog learns that two distinct ids are one person."""

    kept: str
    merged: str
    kinds = frozenset({"merges"})

    def __str__(self) -> str:
        return f"{self.merged} is merged into {self.kept}"


@dataclass(frozen=True)
class Webhook:
    """The webhook brings an event, and the inbox is drained.

    Args:
        number: whose; one that PostHog has.
        has_person: whether the body names the person.
        dies: the drain is killed once before it has removed the event from the inbox.
    """

    number: int
    has_person: bool = True
    dies: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({"webhooks", *(["kills"] if self.dies else [])})

    def __str__(self) -> str:
        without = "" if self.has_person else " without its person"
        return (
            f"the webhook brings event {self.number}{without}"
            f"{'; the drain is killed once' if self.dies else ''}"
        )


@dataclass(frozen=True)
class TestButton:
    """The webhook brings an event that PostHog never shows."""

    __test__ = False  # no test, whatever it is called
    event: Event
    kinds = frozenset({"webhooks", "webhook-only"})

    def __str__(self) -> str:
        return f"the webhook brings {self.event}, which PostHog does not have"


@dataclass(frozen=True)
class Sync:
    """A sync: planned, loaded, built, published.

    Args:
        dies_at: killed at this boundary of a commit, counted from 0; None to live.
    """

    dies_at: int | None = None

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset({"kills"} if self.dies_at is not None else {"syncs"})

    def __str__(self) -> str:
        if self.dies_at is None:
            return "a sync"
        commit, is_after = divmod(self.dies_at, 2)
        return f"a sync that is killed {'after' if is_after else 'before'} its commit number {commit + 1}"


@dataclass(frozen=True)
class Audit:
    """The nightly audit."""

    kinds = frozenset({"audits"})

    def __str__(self) -> str:
        return "an audit"


@dataclass(frozen=True)
class NameAdded:
    """From now on leadpipe reads a further event name."""

    kinds = frozenset({"names"})

    def __str__(self) -> str:
        return "a further event name is read from now on"


@dataclass(frozen=True)
class MappingChanged:
    """Somebody writes another `events.toml`: from now on events mean something else."""

    name: str
    kinds = frozenset({"mappings"})

    def __str__(self) -> str:
        return f"the mapping is from now on: {self.name}"


@dataclass(frozen=True)
class TimePasses:
    """Nothing happens for so many hours."""

    hours: float
    kinds = frozenset({"time"})

    def __str__(self) -> str:
        return f"{self.hours:g} h pass"


Step = (
    Arrives
    | Repeated
    | Corrected
    | SharesUuid
    | EventErased
    | PersonErased
    | PersonsMerged
    | Webhook
    | TestButton
    | Sync
    | Audit
    | NameAdded
    | MappingChanged
    | TimePasses
)

KINDS = (
    "late",
    "ahead",
    "backlog",
    "ties",
    "repeats",
    "corrections",
    "late-corrections",
    "moves",
    "shared-uuids",
    "deletions",
    "merges",
    "webhooks",
    "webhook-only",
    "kills",
    "audits",
    "names",
    "mappings",
)
"""What can be left out of walks."""


def _hidden(hours: float) -> str:
    return f", shown after {hours:g} h" if hours else ""
