"""What would come out of a mapping: some days through the same door and marts, in a folder that goes.

Neither the warehouse nor anything published is touched.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path as Folder

import duckdb

from leadpipe.domains import HasRebuild, parts
from leadpipe.events.extraction import Selection, read_windows
from leadpipe.events.ingest import ingest
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.mapping.model import EventMapping, Path, Rule
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.unseen import unseen
from leadpipe.events.mapping.versions import adopt
from leadpipe.events.project.profile import Profile
from leadpipe.events.staging import stage
from leadpipe.events.windows import Window, start_of
from leadpipe.posthog import PostHog
from leadpipe.settings import Settings
from leadpipe.warehouse import Warehouse

_RUN = Run("try", "manual")
# Marts whose rows are counted, where their domains are there.
_MARTS = {"lead records": "leads", "listings": "listings", "listing hours": "listing_analytics"}


@dataclass(frozen=True)
class Outcome:
    """What some days' events give under a mapping.

    Args:
        events: read by the mapping.
        meanings: events that tables use, by what they mean.
        rejected: events that they cannot use, by name and reason.
        rows: of marts, by what they are (`listings`).
    """

    events: int
    meanings: Mapping[str, int]
    rejected: Mapping[tuple[str, str], int]
    rows: Mapping[str, int]


def try_mappings(
    posthog: PostHog,
    mappings: Sequence[EventMapping],
    *,
    settings: Settings,
    folder: Folder,
    days: int,
    now: datetime,
) -> list[Outcome]:
    """Read the last days once, and take them in under each mapping.

    Args:
        posthog: where the events are.
        mappings: each gives an outcome.
        settings: by which rules marts are built; all sections.
        folder: an empty one, for the pages and a warehouse a mapping; the caller removes it.
        days: how many, today included (UTC).
        now: when (UTC).

    Raises:
        PostHogError.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    windows = [
        Window(start_of(day), start_of(day) + timedelta(days=1))
        for day in (first + timedelta(days=n) for n in range(days))
    ]
    found = read_windows(
        posthog,
        windows,
        selection=_selection(mappings, settings.page_rows),
        landing=folder / "pages",
        workers=settings.fetch_workers,
    )
    pages = [page for part in found for page in part.pages]
    return [
        _outcome(
            Warehouse(folder / f"{number}.duckdb", memory_limit=settings.memory_limit),
            mapping,
            pages,
            settings,
            now,
        )
        for number, mapping in enumerate(mappings)
    ]


def _selection(mappings: Sequence[EventMapping], page_rows: int) -> Selection:
    """What all of them need: an event is narrow where it is so to each that reads it."""
    events = tuple(dict.fromkeys(name for mapping in mappings for name in mapping.names))
    narrow = tuple(
        name
        for name in events
        if all(mapping.is_narrow(name) for mapping in mappings if name in mapping.names)
    )
    properties = dict.fromkeys(name for mapping in mappings for name in mapping.narrow_properties)
    return Selection(events, narrow, tuple(properties), page_rows=page_rows)


def _outcome(
    warehouse: Warehouse,
    mapping: EventMapping,
    pages: Sequence[Folder],
    settings: Settings,
    now: datetime,
) -> Outcome:
    staged = stage(pages, mapping, warehouse.path.with_suffix(""))
    with warehouse.writing("door") as connection:
        adopt(connection, mapping, now=now)
        begin_run(connection, _RUN, days=(), now=now)
        ingest(connection, staged, run_id=_RUN.run_id, now=now)
        connection.execute(
            "DELETE FROM raw_events WHERE NOT list_contains($names::VARCHAR[], event)",
            {"names": list(mapping.names)},  # read for another mapping
        )
        for domain, part in parts(HasRebuild):
            if domain != "events":  # that one types everything by the settings' mapping
                part.rebuild(connection, settings, is_rescored=False)
        return _counted(connection)


def _counted(connection: duckdb.DuckDBPyConnection) -> Outcome:
    events = connection.execute("SELECT count(*) FROM raw_events").fetchone()
    meanings = connection.execute(
        "SELECT meaning, count(*) FROM raw_events WHERE meaning IS NOT NULL AND rejected_reason IS NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    rejected = connection.execute(
        "SELECT event, rejected_reason, count(*) FROM raw_events WHERE rejected_reason IS NOT NULL "
        "GROUP BY ALL ORDER BY count(*) DESC, event, rejected_reason"
    ).fetchall()
    there = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    rows = {
        what: connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        for what, table in _MARTS.items()
        if table in there
    }
    return Outcome(
        events[0] if events else 0,
        dict(meanings),
        {(event, reason): count for event, reason, count in rejected},
        {what: count[0] for what, count in rows.items() if count},
    )


def own_events(mapping: EventMapping) -> dict[str, tuple[Rule, ...]]:
    """The events that a team's file maps, each with its rules."""
    return {
        name: rules
        for name, rules in mapping.events.items()
        if rules and rules != built_in().events.get(name)
    }


def slips(
    mapping: EventMapping, profile: Profile, paths: Mapping[str, Collection[Path]]
) -> list[str]:
    """What a team's own rules name that the project does not send, as far as it was looked into.

    Args:
        mapping: hers.
        profile: which events came.
        paths: of those that were looked into, the ways to their properties.
    """
    came = {one.name: paths.get(one.name, ()) for one in profile.events}
    looked_into = {
        name: rules
        for name, rules in own_events(mapping).items()
        if name in paths or name not in came
    }
    return list(unseen(EventMapping(mapping.shared, looked_into), came))
