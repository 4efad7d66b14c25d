"""What a mapping is: which event of a team means what, and where each of our columns gets its value.

Frozen and pure. How it is written is `reading.py`'s business, what SQL it becomes `typing_sql.py`'s, what a
change costs `versions.py`'s.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

Meaning = Literal[
    "view",
    "social_media",
    "website_visit",
    "share",
    "saved_listing",
    "lead",
    "sale",
    "pageview",
    "signup",
    "staff_contact",
    "captured_lead",
    "recharge",
]
MEANINGS: tuple[Meaning, ...] = get_args(Meaning)
KEPT, NOTHING = "keep", "nothing"
"""What `meaning` may say besides: read for `raw_events` alone; not read at all."""
ENGAGEMENTS: tuple[Meaning, ...] = ("social_media", "website_visit", "share", "saved_listing")

# Web traffic is most of the bytes: events that mean this come with the properties their tables need only.
_NARROW: tuple[Meaning, ...] = ("view", *ENGAGEMENTS, "pageview")
_NARROW_COLUMNS = (
    "listing_id",
    "seeker_id",
    "viewed_from",
    "is_logged_in",
    "platform",
    "save_action",
)

IDENTIFIERS = ("listing_id", "seeker_id", "lister_id", "profile_id")
WORDS = (
    "lister_type",
    "context_type",
    "lead_type",
    "message_type",
    "is_logged_in",
    "viewed_from",
    "platform",
    "save_action",
)
COLUMNS = (*IDENTIFIERS, *WORDS, "price")
"""What is read of every event: identifiers, words in lower case, and the price of a sale."""
CONTACT_VALUES: Mapping[str, tuple[str, ...]] = {
    "contactOutcome": ("not_reached", "brief_contact", "conversation"),
    "notReachedReason": ("try_again_later", "invalid_number"),
    "interestLevel": ("not_interested", "curious", "unsure", "wants_to_proceed"),
    "blocker": (
        "different_program",
        "timing",
        "needs_time",
        "needs_approval",
        "needs_visit",
        "price_uncertainty",
        "comparing",
        "not_serious",
    ),
    "nextAction": ("follow_up_later", "visit_scheduled", "waiting_on_them", "no_followup"),
}
"""What the fields of a staff contact may say that have lists of values."""
PASSED_IDENTIFIERS = ("tenant", "programId", "leadId")
"""Of what is passed on: by these a staff contact finds its file and lead; texts, whatever was sent."""
PASSED: Mapping[Meaning, tuple[str, ...]] = {
    "lead": ("appointment_type", "utm_source", "utm_medium", "utm_campaign"),
    "captured_lead": (
        "channel",
        "session_id",
        "full_name",
        "phone",
        "email",
        "zip_code",
        "vehicle_make",
        "vehicle_model",
        "vehicle_year",
    ),
    "recharge": ("msisdn", "amount", "recharged_at", "refund_of"),
    "staff_contact": (*PASSED_IDENTIFIERS, "loggedAt", *CONTACT_VALUES, "notes"),
}
"""By meaning: what the tables read from the properties themselves, under these names."""

Path = tuple[str, ...]
"""The way to a property: its name, and names within it; a number counts within a list."""
Constant = str | bool | int | float
_BARE = re.compile(r"[^.\"\[\]\s](?:[^.\"\[\]]*[^.\"\[\]\s])?")


def path_text(path: Path) -> str:
    """A path as a person writes it: `property.ref`, `"a.b".c`; a quote within quotes is written twice."""
    return ".".join(
        name if _BARE.fullmatch(name) else '"' + name.replace('"', '""') + '"' for name in path
    )


@dataclass(frozen=True)
class Source:
    """Where a column gets its value: the first of `paths` that has one, read through `values`.

    Args:
        paths: ways to properties, in order.
        values: what a value is read as; keys in lower case.
        otherwise: what any other value is read as; None leaves it as it is.
        default: the value where no path has one; without paths a constant.
        by_lister_id: of `lister_type`: what the path says under which `lister_id` came.
    """

    paths: tuple[Path, ...] = ()
    values: Mapping[str, Constant] = field(default_factory=dict)
    otherwise: Constant | None = None
    default: Constant | None = None
    by_lister_id: Mapping[Path, str] = field(default_factory=dict)

    def as_content(self) -> object:
        """As `events.toml` says it."""
        if not self.paths and self.default is not None:
            return self.default
        said: dict[str, object] = {"from": [path_text(path) for path in self.paths]}
        if self.values:
            said["values"] = dict(self.values)
        if self.otherwise is not None:
            said["otherwise"] = self.otherwise
        if self.default is not None:
            said["default"] = self.default
        if self.by_lister_id:
            said["by_lister_id"] = {path_text(path): of for path, of in self.by_lister_id.items()}
        return said if len(said) > 1 else said["from"]


@dataclass(frozen=True)
class Rule:
    """What an event means, and where it says things otherwise than other events do.

    Args:
        meaning: None for an event that is kept and that no table uses.
        where: properties and the values, in lower case, that one of them must have.
        sources: of columns, and of properties that are passed on, in place of the shared ones.
    """

    meaning: Meaning | None
    where: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether it says the meaning alone: every event has it, under our names."""
        return not self.where and not self.sources

    def as_content(self) -> dict[str, object]:
        """As `events.toml` says it."""
        said: dict[str, object] = {"meaning": self.meaning or KEPT}
        if self.where:
            said["only_where"] = {
                path_text(path): list(values) for path, values in self.where.items()
            }
        return said | {name: source.as_content() for name, source in self.sources.items()}


@dataclass(frozen=True)
class EventMapping:
    """What leadpipe makes of a project's events.

    Args:
        shared: where each column gets its value, unless an event's rule says otherwise.
        events: by name, the rules of an event in order: the first that fits is its rule. Without any
            the event is not read.
        keep: properties that narrow events keep although no table needs them.
        signup_event: counted as a signup whatever else it means.
    """

    shared: Mapping[str, Source]
    events: Mapping[str, tuple[Rule, ...]]
    keep: tuple[str, ...] = ()
    signup_event: str | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every event to read."""
        return tuple(name for name, rules in self.events.items() if rules)

    def names_of(self, meaning: Meaning) -> tuple[str, ...]:
        """The events that mean it, at least where their filter fits."""
        return tuple(
            name
            for name, rules in self.events.items()
            if any(rule.meaning == meaning for rule in rules)
            or (meaning == "signup" and name == self.signup_event)
        )

    def only(self, names: Iterable[str]) -> "EventMapping":
        """The same of these events alone."""
        kept = {*names}
        events = {name: rules for name, rules in self.events.items() if name in kept}
        return replace(self, events=events)

    @cached_property
    def narrow_events(self) -> tuple[str, ...]:
        """The events of which only `narrow_properties` come."""
        return tuple(name for name in self.names if self.is_narrow(name))

    @cached_property
    def narrow_properties(self) -> tuple[str, ...]:
        """Exactly what the tables need of all narrow events, and what is kept of them."""
        needed = [self.needed(name) for name in self.narrow_events]
        return tuple(dict.fromkeys([*(name for one in needed for name in one), *self.keep]))

    def is_narrow(self, event: str) -> bool:
        """Whether only some properties of an event come."""
        rules = self.events.get(event, ())
        return bool(rules) and all(rule.meaning in _NARROW for rule in rules)

    def needed(self, event: str) -> tuple[str, ...]:
        """The properties (by their first names) that the tables need of a narrow event."""
        paths = [
            path
            for rule in self.events.get(event, ())
            for column in _NARROW_COLUMNS
            for path in self.source(rule, column).paths
        ]
        paths += [path for rule in self.events.get(event, ()) for path in rule.where]
        return tuple(dict.fromkeys(path[0] for path in paths))

    def source(self, rule: Rule | None, column: str) -> Source:
        """Where a column of events under a rule gets its value."""
        own = rule.sources.get(column) if rule else None
        return own or self.shared.get(column, Source())

    def reads_alike(self, other: "EventMapping", event: str) -> bool:
        """Whether both make the same of an event, column by column."""
        return self.resolved(event) == other.resolved(event)

    def resolved(self, event: str) -> object:
        """An event's rules in order with all their columns, the last for what fits none of them."""
        return [
            (
                rule.meaning if rule else None,
                rule.where if rule else {},
                {column: self.source(rule, column) for column in COLUMNS},
                {name: rule.sources[name] for name in rule.sources if name not in COLUMNS}
                if rule
                else {},
            )
            for rule in (*self.events.get(event, ()), None)
        ]

    def lacks(self, read_by: "EventMapping", event: str) -> bool:
        """Whether this mapping needs properties of an event that were not asked for under another one."""
        if self.cannot_type(read_by, event):
            return True
        is_narrower = event in self.names and event in read_by.narrow_events
        return is_narrower and not {*self.keep} <= {*read_by.narrow_properties}

    def cannot_type(self, read_by: "EventMapping", event: str) -> bool:
        """Whether the tables need some of these: typed without them, an event would say less than before."""
        if event not in self.names or event not in read_by.narrow_events:
            return False
        return not self.is_narrow(event) or not {*self.needed(event)} <= {
            *read_by.narrow_properties
        }

    def as_content(self) -> dict[str, Any]:
        """The whole mapping as `events.toml` would say it, with nothing built in."""
        said: dict[str, Any] = {
            "builtin": False,
            "keep": list(self.keep),
            "properties": {name: source.as_content() for name, source in self.shared.items()},
            "events": {
                name: [rule.as_content() for rule in rules] or {"meaning": NOTHING}
                for name, rules in self.events.items()
            },
        }
        return said | ({"signup_event": self.signup_event} if self.signup_event else {})

    @cached_property
    def version(self) -> str:
        """A short text that is the same for mappings that make the same of every event."""
        text = json.dumps(self.as_content(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
