"""Read a tenant's staff contacts: from the warehouse when it is fresh, else from PostHog.

Belongs here: which source, and the events' properties under the names of `LeadUpdated`. Does not belong here:
what they tell of.

The warehouse is fresh when it holds the same project, every day of the window was read and compared with
PostHog's count, nothing found by a plan is waiting, its staff contacts are typed by the mapping of now, and
both the last plan and today's read are at most so many minutes old. Then what it may lack are the events of
those minutes; the next sync adds them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import duckdb
import msgspec

from leadpipe.errors import ConfigurationError, QueryTooHeavy, WarehouseError, WarehouseLocked
from leadpipe.events.mapping import versions
from leadpipe.events.mapping.meant import meant
from leadpipe.events.mapping.model import EventMapping, Meaning
from leadpipe.events.mapping.reading import built_in
from leadpipe.posthog import NO_NAMES, PostHog, utc_text
from leadpipe.text import may_have_half_emoji, mended_json
from leadpipe.warehouse import Warehouse, read_sql

Source = Literal["auto", "warehouse", "posthog"]
_SHORTEST_WINDOW = timedelta(minutes=1)
_AHEAD = timedelta(days=1)  # clocks of browsers run fast, too
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEANING: Meaning = "staff_contact"
_Row = tuple[str, datetime, datetime | None, str, str]
_row = msgspec.json.Decoder(_Row)


@dataclass(frozen=True)
class Question:
    """Whose events are asked for: those since `window_start` that mean a staff contact by a mapping."""

    tenant: str
    program_id: str
    window_start: datetime
    now: datetime
    project_id: str | None = None
    mapping: EventMapping = field(default_factory=built_in, repr=False)

    @property
    def events(self) -> tuple[str, ...]:
        """The names that mean a staff contact, at least where their filter fits."""
        return self.mapping.names_of(_MEANING)

    @property
    def mapped_events(self) -> tuple[str, ...]:
        """Those that do not say everything under the names of `LeadUpdated`."""
        return tuple(
            name
            for name in self.events
            if not all(rule.is_plain for rule in self.mapping.events[name])
        )


@dataclass(frozen=True)
class Reading:
    """Events as uuid and properties (JSON text), where they come from, and up to when they are complete.

    The properties are under the names of `LeadUpdated`, whatever the project calls them.
    """

    source: Literal["warehouse", "posthog"]
    events: dict[str, str]
    read_until: datetime
    note: str | None = None


def read_events(
    question: Question,
    *,
    source: Source,
    warehouse: Warehouse,
    fresh_for: timedelta,
    connect: Callable[[], PostHog],
    page_rows: int = 10_000,
) -> Reading:
    """The events asked for.

    Args:
        question: whose events.
        source: `auto` takes the warehouse when it is fresh and free; `warehouse` takes it as it is.
        warehouse: where raw_events is.
        fresh_for: how old the warehouse's last sync may be.
        connect: makes a client; not called when the warehouse serves.
        page_rows: rows a request to PostHog.

    Raises:
        PostHogError, WarehouseError, ConfigurationError.
    """
    note = None
    if source != "posthog":
        try:
            reading, stale = _from_warehouse(question, warehouse, fresh_for)
        except WarehouseError as error:
            if source == "warehouse":
                raise
            is_locked = isinstance(error, WarehouseLocked)
            reading, stale = None, "it is in use" if is_locked else "it cannot be opened"
        if reading and (not stale or source == "warehouse"):
            return reading
        if source == "warehouse":
            raise ConfigurationError(
                f"The warehouse {warehouse} cannot serve: {stale}. Run `leadpipe sync`, or use "
                "--source posthog."
            )
        note = f"asked PostHog, not the warehouse: {stale}"
    with connect() as posthog:
        return Reading("posthog", from_posthog(posthog, question, page_rows), question.now, note)


def _from_warehouse(
    question: Question, warehouse: Warehouse, fresh_for: timedelta
) -> tuple[Reading | None, str | None]:
    """What the warehouse has, and why that is not enough, if so; no reading if it has nothing to ask."""
    if not warehouse.is_there:
        return None, "there is none yet"
    today = question.now.astimezone(UTC).date()
    first_day = question.window_start.astimezone(UTC).date()
    with warehouse.connect() as connection:
        source = connection.execute("SELECT project_id FROM sources").fetchone()
        if source and question.project_id and source[0] != question.project_id:
            return None, f"it holds project {source[0]}, not {question.project_id}"
        complete, waiting, read_until = connection.execute(
            read_sql("interactions", "freshness.sql"), {"first_day": first_day, "today": today}
        ).fetchone() or (0, 0, None)
        is_retyped = _is_typed_alike(connection, question, first_day)
        stored = connection.execute(
            read_sql("interactions", "lead_updates.sql"),
            {
                "events": list(question.events),
                "tenant": question.tenant,
                "program_id": question.program_id,
                "window_start": question.window_start,
            },
        ).fetchall()
    said = _asked_for([(event, text, is_read) for _, event, is_read, text in stored], question)
    events = {uuid: text for (uuid, *_), text in zip(stored, said, strict=True) if text}
    if source is None and not stored:
        return None, "nothing was loaded yet"
    missing = (today - first_day).days + 1 - complete
    stale = None
    if missing:
        stale = f"{missing} days of the window are not loaded or not complete"
    elif not is_retyped:
        stale = "its staff contacts are typed by another mapping, until the next sync"
    elif waiting:
        stale = f"{waiting} days have events that are not loaded yet"
    elif read_until is None:
        stale = "no sync has asked for late events yet"
    elif question.now - read_until > fresh_for:
        stale = f"its events end at {read_until:%Y-%m-%d %H:%M} UTC"
    note = f"the warehouse is not fresh: {stale}" if stale else None
    return Reading("warehouse", events, read_until or question.window_start, note), stale


def from_posthog(posthog: PostHog, question: Question, page_rows: int) -> dict[str, str]:
    """The events by uuid, in the order of their time; of several copies the one received first."""
    found: dict[str, tuple[datetime, str]] = {}
    end = question.now + _AHEAD
    todo = [(question.window_start, end, (question.window_start, "", _EPOCH))]
    while todo:
        start, stop, cursor = todo.pop()
        try:
            rows = _page(posthog, question, start, stop, cursor, page_rows)
        except QueryTooHeavy:
            begin = max(start, cursor[0])
            if stop - begin <= _SHORTEST_WINDOW:
                raise
            middle = begin + (stop - begin) / 2
            todo += [(middle, stop, (middle, "", _EPOCH)), (start, middle, cursor)]
            continue
        said = _asked_for(
            [(event, given, event not in question.mapped_events) for *_, event, given in rows],
            question,
        )
        for (uuid, _, created_at, *_), properties in zip(rows, said, strict=True):
            received = created_at or question.now
            if properties is None:
                continue
            if uuid not in found or received < found[uuid][0]:
                found[uuid] = (received, properties)
        if len(rows) == page_rows:  # the only sign that there is more
            uuid, timestamp, created_at, *_ = rows[-1]
            todo.append((start, stop, (timestamp, uuid, created_at or _EPOCH)))
    return {uuid: properties for uuid, (_, properties) in found.items()}


def _is_typed_alike(
    connection: duckdb.DuckDBPyConnection, question: Question, first_day: date
) -> bool:
    """Whether what the warehouse has of the window was typed by a mapping that reads these events alike."""
    known = versions.known(connection)
    typed_by = connection.execute(
        "SELECT version FROM event_mappings WHERE is_current UNION SELECT typed_by FROM event_days "
        "WHERE event_date >= ? AND typed_by IS NOT NULL",
        [first_day],
    ).fetchall()
    mappings = [known.get(version) for (version,) in typed_by]
    return all(
        other is not None
        and all(
            question.mapping.reads_alike(other, event)
            for event in {*question.events, *other.names_of(_MEANING)}
        )
        for other in mappings
    )


def _asked_for(given: Sequence[tuple[str, str, bool]], question: Question) -> list[str | None]:
    """Properties under our names in which no half emoji is left; None of what is not asked for.

    Args:
        given: of each event its name, its properties, and whether those are under our names and, unless they
            have half an emoji, of the tenant and program.
        question: whose.
    """
    mended = [mended_json(text.encode()).decode() for _, text, _ in given]
    to_map = [n for n, (event, _, is_read) in enumerate(given) if not is_read]
    as_meant = meant(question.mapping, [(given[n][0], mended[n]) for n in to_map])
    read = {
        n: one.properties
        for n, one in zip(to_map, as_meant, strict=True)
        if one.meaning == _MEANING
    }
    found: list[str | None] = []
    for n, (_, text, is_read) in enumerate(given):
        if is_read and not may_have_half_emoji(text.encode()):
            found.append(text)
        else:
            ours = mended[n] if is_read else read.get(n)
            found.append(ours if ours is not None and _is_of(ours, question) else None)
    return found


def _is_of(text: str, question: Question) -> bool:
    """Whether properties under our names are of the tenant and program."""
    try:
        properties = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return False
    whose = (properties.get("tenant"), properties.get("programId"))
    return whose == (question.tenant, question.program_id)


def _page(
    posthog: PostHog,
    question: Question,
    start: datetime,
    stop: datetime,
    cursor: tuple[datetime, str, datetime],
    page_rows: int,
) -> list[_Row]:
    answer = posthog.query(
        read_sql("interactions", "lead_updates.hogql"),
        values={
            "events": list(question.events) or NO_NAMES,
            "mapped_events": list(question.mapped_events) or NO_NAMES,
            "tenant": question.tenant,
            "program_id": question.program_id,
            "window_start": utc_text(start),
            "window_end": utc_text(stop),
            "after_timestamp": utc_text(cursor[0]),
            "after_uuid": cursor[1],
            "after_created_at": utc_text(cursor[2]),
            "page_rows": page_rows,
            "escape": "\\ud",
        },
        name="leadpipe: staff contacts",
    )
    return [_row.decode(row) for row in answer.rows]
