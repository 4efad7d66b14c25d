"""Type stored events again after a change of mapping, from the properties that are stored.

Only the events that the two mappings read differently are looked at, and only rows that come out otherwise
are written; the marts of their days and runs are built again. Events that lack properties stay as they are
typed until their days are read again, which is the business of `planning.py` and `loading.py`: on days that
PostHog no longer shows, or that lie before the first day, for good.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.typed import TYPED_COLUMNS, typed_stored_rows
from leadpipe.events.mapping.versions import known, lacking, on_days, untypable
from leadpipe.events.retention import Floor
from leadpipe.events.versions import mark_changed
from leadpipe.warehouse import Warehouse

_BATCH_EVENTS = 250_000


@dataclass(frozen=True)
class Retyped:
    """What was typed again: days and events looked at, and events that came out otherwise."""

    days: int = 0
    events: int = 0
    changed: int = 0

    def __add__(self, other: "Retyped") -> "Retyped":
        return Retyped(
            self.days + other.days, self.events + other.events, self.changed + other.changed
        )


@dataclass(frozen=True)
class ChangeCost:
    """What a mapping would cost that is not in use everywhere yet.

    Args:
        events: names that it reads otherwise than stored days were read.
        days_to_type: days with such events, typed again from what is stored.
        events_to_type: how many events that are.
        days_to_read: days that lack properties it needs, read again from PostHog.
        days_kept: days that lack them, too, but are not read any more, as retention froze them or they lie
            before the first day: such events stay as they are typed.
    """

    events: tuple[str, ...] = ()
    days_to_type: tuple[date, ...] = ()
    events_to_type: int = 0
    days_to_read: tuple[date, ...] = ()
    days_kept: tuple[date, ...] = ()


@dataclass(frozen=True)
class _Stale:
    day: date
    events: tuple[str, ...]
    count: int
    kept: tuple[str, ...] = ()


def cost_of(
    connection: duckdb.DuckDBPyConnection, mapping: EventMapping, *, floor: Floor, first_day: date
) -> ChangeCost:
    """What the next sync, which reads from its first day on, would type and read again; changes nothing."""
    stale = [one for one in _stale_days(connection, mapping) if one.count]
    lack = lacking(connection, mapping)
    kept = tuple(day for day in lack if day < first_day or floor.freezes(day))
    return ChangeCost(
        events=tuple(sorted({event for one in stale for event in one.events})),
        days_to_type=tuple(one.day for one in stale),
        events_to_type=sum(one.count for one in stale),
        days_to_read=tuple(day for day in lack if day not in kept),
        days_kept=kept,
    )


def retype_stale(warehouse: Warehouse, mapping: EventMapping) -> Retyped:
    """Type every day that another mapping typed; some days a transaction, so that nothing done is done twice.

    Raises:
        WarehouseLocked: another process has the warehouse; what was done stays.
    """
    with warehouse.connect() as connection:
        stale = _stale_days(connection, mapping)
    total = Retyped()
    for batch in _batches(stale):
        with warehouse.writing("door") as connection:
            total += _retype(connection, mapping, batch)
    return total


def retype_all(connection: duckdb.DuckDBPyConnection, mapping: EventMapping) -> Retyped:
    """Type every stored event that has the properties for it, whatever typed it before; in a transaction."""
    kept = untypable(connection, mapping)
    days = connection.execute(
        "SELECT event_date, list(DISTINCT event), count(*) FROM raw_events GROUP BY ALL ORDER BY event_date"
    ).fetchall()
    stale = [_Stale(day, tuple(events), count, kept.get(day, ())) for day, events, count in days]
    return sum((_retype(connection, mapping, batch) for batch in _batches(stale)), Retyped())


def _stale_days(connection: duckdb.DuckDBPyConnection, mapping: EventMapping) -> list[_Stale]:
    """The days that another mapping typed, with the events that it read otherwise."""
    typed_by = dict(
        connection.execute(
            "SELECT event_date, typed_by FROM event_days WHERE typed_by <> ? ORDER BY event_date",
            [mapping.version],
        ).fetchall()
    )
    if not typed_by:  # as in nearly every sync: history is not looked at
        return []
    counts = connection.execute(
        "SELECT event_date, event, count(*) FROM raw_events "
        "WHERE event_date IN (SELECT unnest($days::DATE[])) GROUP BY ALL ORDER BY event_date, event",
        {"days": list(typed_by)},
    ).fetchall()
    before = known(connection)
    kept = untypable(connection, mapping)
    differs: dict[tuple[str, str], bool] = {}
    found: dict[date, list[tuple[str, int]]] = {day: [] for day in typed_by}
    for day, event, count in counts:
        version = typed_by[day]
        if (version, event) not in differs:
            other = before.get(version)
            differs[version, event] = other is None or not mapping.reads_alike(other, event)
        if differs[version, event] and event not in kept.get(day, ()):
            found[day].append((event, count))
    return [
        _Stale(
            day,
            tuple(event for event, _ in events),
            sum(count for _, count in events),
            kept.get(day, ()),
        )
        for day, events in found.items()
    ]


def _batches(stale: Sequence[_Stale]) -> Iterator[list[_Stale]]:
    batch: list[_Stale] = []
    for one in stale:
        if batch and sum(each.count for each in batch) + one.count > _BATCH_EVENTS:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _retype(
    connection: duckdb.DuckDBPyConnection, mapping: EventMapping, batch: Sequence[_Stale]
) -> Retyped:
    days = [one.day for one in batch]
    events = sorted({event for one in batch for event in one.events})
    changed = _write_changed(connection, mapping, batch, events) if events else 0
    connection.execute(
        "UPDATE event_days SET typed_by = $version WHERE event_date IN (SELECT unnest($days::DATE[]))",
        {"version": mapping.version, "days": days},
    )
    return Retyped(len(days), sum(one.count for one in batch), changed)


def _write_changed(
    connection: duckdb.DuckDBPyConnection,
    mapping: EventMapping,
    batch: Sequence[_Stale],
    events: Collection[str],
) -> int:
    """Write the rows that a mapping types otherwise than they are; how many those were."""
    condition = on_days({one.day: tuple(events) for one in batch})
    if kept := {one.day: one.kept for one in batch if one.kept}:
        condition += f" AND NOT ({on_days(kept)})"
    columns = ", ".join(TYPED_COLUMNS)
    differs = " OR ".join(
        f"typed.{column} IS DISTINCT FROM stored.{column}" for column in TYPED_COLUMNS
    )
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE retyped AS
        SELECT typed.*, stored.run_id
        FROM (SELECT uuid, event_date, {columns} FROM ({typed_stored_rows(mapping, condition)})) AS typed
        JOIN (SELECT uuid, event_date, run_id, {columns} FROM raw_events WHERE {condition}) AS stored
            USING (uuid, event_date)
        WHERE {differs}
    """)
    changed_days, runs, changed = connection.execute(
        "SELECT list(DISTINCT event_date), list(DISTINCT run_id), count(*) FROM retyped"
    ).fetchone() or ([], [], 0)
    if changed:
        connection.execute(f"""
            UPDATE raw_events SET {", ".join(f"{column} = retyped.{column}" for column in TYPED_COLUMNS)}
            FROM retyped
            WHERE raw_events.uuid = retyped.uuid AND raw_events.event_date = retyped.event_date
        """)
        mark_changed(connection, sorted(changed_days), sorted(runs))
    connection.execute("DROP TABLE retyped")
    return int(changed)
