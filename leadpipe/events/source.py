"""Where events come from: how to read the project, and which project a warehouse belongs to.

That its address has changed is `moving.py`'s business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from leadpipe.errors import ConfigurationError
from leadpipe.events.days import DayState, names_key
from leadpipe.events.extraction import Selection
from leadpipe.events.lanes import Lane
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.proof import Fingerprint
from leadpipe.events.windows import start_of
from leadpipe.posthog import PostHog, identity, utc_text
from leadpipe.warehouse import read_sql

_DAY = timedelta(days=1)
_MOST_DAYS = 35
_MOST_SAMPLES = 50
_FEWEST_SAMPLES = 10


@dataclass(frozen=True)
class SyncConfig:
    """How to read; see the settings of the same names for units and consequences."""

    selection: Selection
    landing: Path
    settle: timedelta = timedelta(minutes=2)
    overlap: timedelta = timedelta(hours=1)
    workers: int = 3
    most_gone: float = 0.5
    patience: timedelta = timedelta(days=1)
    mapping: EventMapping = field(default_factory=built_in)
    first_day: date = date(1970, 1, 1)
    lane: Lane = "auto"
    has_bucket: bool = False


def claim_source(connection: duckdb.DuckDBPyConnection, posthog: PostHog) -> None:
    """Note which project fills the warehouse; it holds one, for good.

    Raises:
        ConfigurationError: it was filled from another project or host.
    """
    known = source_of(connection)
    if known is None:
        connection.execute("INSERT INTO sources VALUES (?, ?)", [posthog.host, posthog.project_id])
    elif not is_same(known, (posthog.host, posthog.project_id)):
        raise ConfigurationError(
            f"This warehouse holds project {known[1]} of {known[0]}, but POSTHOG_PROJECT_ID and "
            f"POSTHOG_BASE_URL name project {posthog.project_id} of {posthog.host}. If that is the same "
            "project under another address, say so with `leadpipe source moved`. If it is another one, set "
            "LEADPIPE_DATA_DIR to another folder, or remove this one (`make clean`) if it was a trial."
        )


def source_of(connection: duckdb.DuckDBPyConnection) -> tuple[str, str] | None:
    """Host and project that fill the warehouse; None before its first sync."""
    found = connection.execute("SELECT host, project_id FROM sources").fetchone()
    return (str(found[0]), str(found[1])) if found else None


def is_same(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two are the same host and project, under whatever of the host's known names."""
    return (identity(one[0]), one[1]) == (identity(other[0]), other[1])


def refuse_another(
    posthog: PostHog,
    connection: duckdb.DuckDBPyConnection,
    *,
    states: Mapping[date, DayState],
    theirs: Mapping[date, Fingerprint],
    ours: Mapping[date, Fingerprint],
    config: SyncConfig,
) -> None:
    """Refuse another project's events under the same address, as behind a proxy that was turned elsewhere.

    Where no day that was proved before is equal still, PostHog is asked for some of the events that are here,
    if there are ten at least: one question, and none otherwise.

    Args:
        posthog: the client.
        connection: the warehouse.
        states: the days before they were compared.
        theirs: PostHog's fingerprints of days.
        ours: the warehouse's.
        config: which events.

    Raises:
        ConfigurationError: PostHog has other events than the warehouse, and none of those looked for.
    """
    proved = sorted(day for day, state in states.items() if is_proved(state, config))
    compared = [day for day in proved if day in theirs and ours[day].events]
    has_others = any(found.events for found in theirs.values())  # nothing is a key or a deletion
    if not has_others or any(theirs[day].has_the_events_of(ours[day]) for day in compared):
        return
    days, uuids = compared, _samples(connection, compared, config)
    if len(uuids) < _FEWEST_SAMPLES:
        days = proved[-_MOST_DAYS:]
        uuids = _samples(connection, days, config)
    if len(uuids) < _FEWEST_SAMPLES:  # a few events may all have been deleted
        return
    accepted = connection.execute("SELECT DISTINCT event_date FROM accepted_days").fetchall()
    if {*days} <= {day for (day,) in accepted}:
        return
    found = posthog.query(
        read_sql("events", "known_events.hogql"),
        values={
            "uuids": uuids,
            "window_start": utc_text(start_of(min(days))),
            "window_end": utc_text(start_of(max(days) + _DAY)),
        },
        name="leadpipe: known events",
    ).decoded()
    if int(str(found[0][0])) == 0:
        raise ConfigurationError(
            f"Project {posthog.project_id} of {posthog.host} has other events than this warehouse, and none "
            f"of {len(uuids)} of {span_of(days)} that were looked for: another project answers there, behind "
            "a proxy perhaps. Set POSTHOG_BASE_URL and POSTHOG_PROJECT_ID right. If all of them really were "
            f"deleted there, say `leadpipe days accept {' '.join(map(str, sorted(days)))}`."
        )


def _samples(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], config: SyncConfig
) -> list[str]:
    """The uuids of some events of days."""
    rows = connection.execute(
        "SELECT CAST(uuid AS VARCHAR) FROM raw_events WHERE event_date IN (SELECT unnest($days::DATE[])) "
        f"AND event IN (SELECT unnest($events::VARCHAR[])) ORDER BY hash(uuid) LIMIT {_MOST_SAMPLES}",
        {"days": list(days), "events": list(config.selection.events)},
    ).fetchall()
    return [uuid for (uuid,) in rows]


def is_proved(state: DayState | None, config: SyncConfig) -> bool:
    """Whether a day has events, and was proved to have all of those that are read now."""
    return (
        state is not None
        and state.is_complete
        and state.warehouse_events > 0
        and state.names == names_key(config.selection.events)
    )


def span_of(days: Sequence[date]) -> str:
    """Days for people: the first and the last."""
    return str(days[0]) if len(days) == 1 else f"{min(days)} to {max(days)}"
