"""The one truth about a day: proved, differs, unproved, frozen by retention, or never read.

`verdict_of` decides; the commands, the page, the checks and the partitions in Dagster show what it says. What
is known of a day comes from `day_facts.sql`, in the warehouse or as it was published.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Literal

import duckdb

from leadpipe.events.retention import floor_of
from leadpipe.warehouse import read_sql, rows_of

Word = Literal["proved", "differs", "unproved", "frozen by retention", "never read"]
FROZEN: Word = "frozen by retention"
_MOST_NAMED = 5


@dataclass(frozen=True)
class DayFacts:
    """What is known of a day; the columns of `day_facts.sql`, and whether retention freezes the day."""

    event_date: date
    read_until: datetime | None = None
    posthog_events: int | None = None
    warehouse_events: int | None = None
    checked_at: datetime | None = None
    has_same_events: bool | None = None
    has_same_copies: bool = True
    differs_since: datetime | None = None
    event_names: Sequence[str] | None = None
    shared_uuids: int = 0
    hidden_events: int = 0
    is_questioned: bool = False
    is_frozen: bool = False

    @property
    def events_surplus(self) -> int:
        """How many events more are here than in PostHog; fewer are below zero."""
        return (self.warehouse_events or 0) - (self.posthog_events or 0)


@dataclass(frozen=True)
class Verdict:
    """A day's verdict in one word, and what is to be said with it."""

    word: Word
    detail: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether the day holds PostHog's events, all of them."""
        return self.word == "proved"

    @property
    def is_wrong(self) -> bool:
        """Whether somebody, or the next sync, has to do something about the day."""
        return self.word not in {"proved", FROZEN}

    def __str__(self) -> str:
        if not self.detail:
            return self.word
        return (
            f"{self.word} {self.detail}"
            if self.word == "unproved"
            else f"{self.word}: {self.detail}"
        )


def verdict_of(facts: DayFacts, *, names: Collection[str] | None) -> Verdict:
    """The verdict of a day.

    Args:
        facts: what is known of it.
        names: the event names that are to be here; None where nobody knows.
    """
    if facts.is_frozen:
        return Verdict(FROZEN, _kept(facts))
    if facts.read_until is None:
        return Verdict("never read")
    if facts.has_same_events is None:
        return Verdict("unproved", "as it was not compared yet")
    if difference := _difference(facts):
        return Verdict("differs", difference)
    if facts.event_names is not None and (added := sorted({*(names or ())} - {*facts.event_names})):
        more = f" and {len(added) - _MOST_NAMED} more" if len(added) > _MOST_NAMED else ""
        return Verdict("unproved", f"for event {', '.join(added[:_MOST_NAMED])}{more}")
    return Verdict("proved")


def _difference(facts: DayFacts) -> str:
    """What differs, nothing where the day has PostHog's events."""
    surplus = facts.events_surplus
    if facts.is_questioned:
        return "PostHog shows fewer events than were proved; the next sync looks why"
    if facts.has_same_events and facts.shared_uuids:
        return f"{facts.shared_uuids} missing here, as another has its uuid"
    if facts.has_same_events:
        return "" if facts.has_same_copies else "earlier copies or other persons than PostHog has"
    if not surplus:
        return "other events than PostHog has"
    return f"{-surplus} missing here" if surplus < 0 else f"{surplus} surplus here, gone in PostHog"


def _kept(facts: DayFacts) -> str:
    if facts.read_until is None:
        return "PostHog no longer shows it, and it was never read"
    if facts.hidden_events:
        return (
            f"{facts.hidden_events} events are gone in PostHog, by its retention or deleted; they are kept, "
            "as a key without project:read cannot tell"
        )
    if facts.has_same_events and facts.checked_at:
        return f"kept as it was proved on {facts.checked_at:%Y-%m-%d}"
    return "kept as it was read"


def facts_of_days(
    connection: duckdb.DuckDBPyConnection, *, now: datetime, days: Collection[date] | None = None
) -> list[DayFacts]:
    """The facts of days in the warehouse, in order; of all days known by default.

    Args:
        connection: the warehouse.
        now: when (UTC), for the floor.
        days: these only, and those of them too that nothing is known of.
    """
    floor = floor_of(connection, now=now)
    rows: list[dict[str, Any]] = rows_of(
        connection.execute(read_sql("events", "day_facts.sql"))
    ).as_dicts()
    found = {
        row["event_date"]: DayFacts(**row, is_frozen=floor.freezes(row["event_date"]))
        for row in rows
    }
    return [
        found.get(day, DayFacts(day, is_frozen=floor.freezes(day)))
        for day in (sorted(found) if days is None else sorted(days))
    ]


def names_read(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...] | None:
    """The event names that the last comparison asked for; None before the first one."""
    found = connection.execute(
        "SELECT events FROM compared_names ORDER BY used_at DESC, names_key LIMIT 1"
    ).fetchone()
    return tuple(found[0]) if found else None


def published_facts(
    rows: Sequence[Mapping[str, Any]],
    *,
    first_day: date,
    today: date,
    frozen_before: date | None,
) -> list[DayFacts]:
    """The facts of days from rows of the published `event_days`, in order.

    Args:
        rows: of the published table.
        first_day: the first day that is loaded; from there to today days without a row were never read.
        today: the last day that is loaded (UTC).
        frozen_before: the first day that retention leaves, None if it takes none.
    """
    columns = [field.name for field in fields(DayFacts)]
    found = {
        row["event_date"]: DayFacts(**{column: row[column] for column in columns})
        for row in rows
        if row["read_until"] is not None or first_day <= row["event_date"] <= today
    }
    for number in range((today - first_day).days + 1):
        day = first_day + timedelta(days=number)
        is_frozen = frozen_before is not None and day < frozen_before
        found.setdefault(day, DayFacts(day, is_frozen=is_frozen))
    return [found[day] for day in sorted(found)]


def unsent_text(day: date, events: int) -> str:
    """One line about a day of which PostHog counts events that it did not send, and the next step."""
    return (
        f"{day}: PostHog counts {events} events that it did not send, though their hours were read whole; "
        "some of its servers may be behind. Nothing here was lowered, and the next sync reads them again; if "
        "it stays so, look at `rejected_events`"
    )


def summary(verdicts: Collection[Verdict]) -> str:
    """How many days have which verdict, in one line: `2 differ, 1 unproved for event lead_fax`."""
    words = Counter(
        str(verdict) if verdict.word == "unproved" else verdict.word for verdict in verdicts
    )
    return ", ".join(
        f"{count} {'differ' if word == 'differs' and count > 1 else word}"
        for word, count in sorted(words.items())
    )
