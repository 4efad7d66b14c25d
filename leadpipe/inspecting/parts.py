"""Parts of tables, what holds of them, and when each was looked at.

A domain says in its `inspections.py` what holds, of which parts of its tables (days, runs, slices), and how
the faults of parts are counted. The table `inspections` remembers of each part when it was looked at, in
which version, and how many faults it had. A part with faults is looked at again each time, until it has none.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from leadpipe.domains import HasInspections, parts
from leadpipe.settings import Settings
from leadpipe.warehouse import transaction

Faults = Callable[[duckdb.DuckDBPyConnection, Settings, Sequence[str]], Mapping[str, int]]


@dataclass(frozen=True)
class Inspection:
    """Something that is promised of every part of a table.

    Args:
        name: no other has it.
        meaning: what holds, in a sentence.
        parts: a SELECT of the parts there are, `part` and `version`, two texts; the version changes
            whenever the part's rows do, and is NULL where nothing tells.
        faults: of some parts how many faults each has; without faults a part may be missing.
        at_once: how many parts are looked at with one call.
    """

    name: str
    meaning: str
    parts: str
    faults: Faults
    at_once: int = 31


@dataclass(frozen=True)
class Inspected:
    """What was looked at.

    Args:
        name: the inspection's.
        looked: how many parts.
        faults: by part how many were found, also before.
        parts: how many parts there are.
        since: when the part that waits longest was looked at; None if one never was.
    """

    name: str
    looked: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    parts: int = 0
    since: datetime | None = None


def sql_faults(query: str) -> Faults:
    """Faults by a SELECT of part and number, with the parameter `$parts`, a list of texts."""

    def of(
        connection: duckdb.DuckDBPyConnection, settings: Settings, parts: Sequence[str]
    ) -> Mapping[str, int]:
        del settings
        return dict(connection.execute(query, {"parts": list(parts)}).fetchall())

    return of


def all_inspections() -> list[Inspection]:
    """Those of all domains."""
    return [one for _, part in parts(HasInspections) for one in part.INSPECTIONS]


def inspect_changed(
    connection: duckdb.DuckDBPyConnection,
    inspection: Inspection,
    settings: Settings,
    *,
    now: datetime,
) -> Inspected:
    """Look at the parts that changed since they were looked at, never were, or had faults."""
    todo = connection.execute(
        f"""
        SELECT part, parts.version FROM ({inspection.parts}) AS parts
        LEFT JOIN (FROM inspections WHERE inspection = $name) AS looks USING (part)
        WHERE inspected_at IS NULL OR faults > 0 OR parts.version IS DISTINCT FROM looks.version
        ORDER BY part
        """,
        {"name": inspection.name},
    ).fetchall()
    faults = _inspect(connection, inspection, settings, dict(todo), now=now)
    return Inspected(inspection.name, len(todo), faults)


def inspect_all(
    connection: duckdb.DuckDBPyConnection,
    inspection: Inspection,
    settings: Settings,
    *,
    now: datetime,
) -> Inspected:
    """Look at every part."""
    there = dict(connection.execute(inspection.parts).fetchall())
    faults = _inspect(connection, inspection, settings, there, now=now)
    return Inspected(inspection.name, len(there), faults, len(there), now if there else None)


def inspect_longest_ago(
    connection: duckdb.DuckDBPyConnection,
    inspections: Sequence[Inspection],
    settings: Settings,
    *,
    now: datetime,
    is_over: Callable[[], bool],
) -> list[Inspected]:
    """Look at parts in turn, those with faults first, then the longest ago, until the time is over.

    What was looked at is remembered as it goes, so the next call goes on where this one ended.
    """
    todo: list[tuple[bool, bool, datetime, int, dict[str, str | None]]] = []
    looked = dict.fromkeys(range(len(inspections)), 0)
    for number, one in enumerate(inspections):
        waiting = _waiting(connection, one, never=now)
        for start in range(0, len(waiting), one.at_once):
            batch = waiting[start : start + one.at_once]
            versions = {part: version for _, _, _, part, version in batch}
            todo.append((*batch[0][:3], number, versions))
    for *_, number, some in sorted(todo, key=lambda one: one[:4]):
        if is_over():
            break
        _inspect(connection, inspections[number], settings, some, now=now)
        looked[number] += len(some)
    return [_summed_up(connection, one, looked[n]) for n, one in enumerate(inspections)]


def _waiting(
    connection: duckdb.DuckDBPyConnection, inspection: Inspection, *, never: datetime
) -> list[tuple[bool, bool, datetime, str, str | None]]:
    """All parts, the most urgent first; what is remembered of parts that are gone is forgotten."""
    with transaction(connection, "publication"):
        connection.execute(
            "DELETE FROM inspections "
            f"WHERE inspection = $name AND part NOT IN (SELECT part FROM ({inspection.parts}))",
            {"name": inspection.name},
        )
    return connection.execute(
        f"""
        SELECT coalesce(faults, 0) = 0, inspected_at IS NOT NULL, coalesce(inspected_at, $never), part,
               parts.version
        FROM ({inspection.parts}) AS parts
        LEFT JOIN (FROM inspections WHERE inspection = $name) AS looks USING (part)
        ORDER BY ALL
        """,
        {"name": inspection.name, "never": never},
    ).fetchall()


def _inspect(
    connection: duckdb.DuckDBPyConnection,
    inspection: Inspection,
    settings: Settings,
    todo: Mapping[str, str | None],
    *,
    now: datetime,
) -> dict[str, int]:
    """Look at parts, each with its version, and remember it; the faults of those that have some."""
    found: dict[str, int] = {}
    for some in _batches(list(todo), inspection.at_once):
        faults = inspection.faults(connection, settings, some)
        found |= {part: faults[part] for part in some if faults.get(part)}
        _remember(connection, inspection, {part: todo[part] for part in some}, found, now=now)
    return found


def _remember(
    connection: duckdb.DuckDBPyConnection,
    inspection: Inspection,
    looked: Mapping[str, str | None],
    faults: Mapping[str, int],
    *,
    now: datetime,
) -> None:
    with transaction(connection, "publication"):
        connection.execute(
            "DELETE FROM inspections "
            "WHERE inspection = $name AND part IN (SELECT unnest($parts::VARCHAR[]))",
            {"name": inspection.name, "parts": list(looked)},
        )
        connection.execute(
            "INSERT INTO inspections SELECT $name, unnest($parts::VARCHAR[]), "
            "unnest($versions::VARCHAR[]), $now, unnest($faults::BIGINT[])",
            {
                "name": inspection.name,
                "parts": list(looked),
                "versions": list(looked.values()),
                "now": now,
                "faults": [faults.get(part, 0) for part in looked],
            },
        )


def _batches(parts: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(parts), size):
        yield list(parts[start : start + size])


def _summed_up(
    connection: duckdb.DuckDBPyConnection, inspection: Inspection, looked: int
) -> Inspected:
    """How it stands with an inspection, after so many parts were looked at."""
    rows = connection.execute(
        f"""
        SELECT part, coalesce(faults, 0), inspected_at FROM ({inspection.parts}) AS parts
        LEFT JOIN (FROM inspections WHERE inspection = $name) AS looks USING (part) ORDER BY part
        """,
        {"name": inspection.name},
    ).fetchall()
    never = any(at is None for *_, at in rows)
    return Inspected(
        inspection.name,
        looked,
        {part: faults for part, faults, _ in rows if faults},
        len(rows),
        None if never else min((at for *_, at in rows), default=None),
    )


def known_faults(
    connection: duckdb.DuckDBPyConnection, names: Collection[str]
) -> list[tuple[str, str, int, str]]:
    """Each part that has faults by some inspections: inspection, part, how many, when they were seen last."""
    return connection.execute(
        """
        SELECT inspection, part, faults, strftime(inspected_at, '%Y-%m-%d %H:%M') FROM inspections
        WHERE faults > 0 AND inspection IN (SELECT unnest($names::VARCHAR[])) ORDER BY inspection, part
        """,
        {"names": list(names)},
    ).fetchall()
