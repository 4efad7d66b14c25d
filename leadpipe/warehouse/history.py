"""What a lake was: its snapshots, who made them, and questions to one of them.

Each commit makes a snapshot. `stamp` says within a transaction which run it is of. A snapshot can be read
until maintenance lets it expire. What is in a state of its own (PostgreSQL) has no past.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from leadpipe.errors import AmbiguousId, WarehouseError
from leadpipe.warehouse.connection import Warehouse, is_of_a_lake
from leadpipe.warehouse.extensions import LAKE, load
from leadpipe.warehouse.lake import attach_past, quoted, search_path

_AUTHOR = "leadpipe"


@dataclass(frozen=True)
class Snapshot:
    """A state of a lake.

    Args:
        number: of the snapshot.
        made_at: when it was committed (UTC).
        run_id: the run that committed it; None where nobody said.
        what: what the commit was.
        changes: what it did to how many tables: `tables_inserted_into` and others, as DuckLake calls them.
    """

    number: int
    made_at: datetime
    run_id: str | None
    what: str | None
    changes: dict[str, int]


def lake_of(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Under which name a connection has its lake attached; None for a file."""
    if not is_of_a_lake(connection):
        return None
    return search_path(connection).partition(",")[0].partition(".")[0]


def stamp(connection: duckdb.DuckDBPyConnection, what: str, *, run_id: str | None = None) -> None:
    """Say what the transaction is, and of which run; the last word counts. A file keeps no such thing.

    Args:
        connection: the warehouse, in a transaction.
        what: in few words, without personal data.
        run_id: of the run, if it is one's.
    """
    name = lake_of(connection)
    if name is not None:
        extra = json.dumps({} if run_id is None else {"run_id": run_id})
        connection.execute(
            f"CALL ducklake_set_commit_message({quoted(name)}, {quoted(_AUTHOR)}, {quoted(what)}, "
            f"extra_info => {quoted(extra)})"
        )


def snapshots(warehouse: Warehouse) -> list[Snapshot]:
    """The states that can be read, the newest first.

    Raises:
        WarehouseError: the warehouse is a file.
    """
    if warehouse.lake is None:
        raise WarehouseError(
            f"The warehouse {warehouse.path} is a file, which has no past. A lake has "
            "(LEADPIPE_WAREHOUSE=ducklake:…); of a file a backup is what it was."
        )
    with warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT snapshot_id, snapshot_time, commit_extra_info, commit_message, "
            "map_keys(changes), [len(one) FOR one IN map_values(changes)] "
            f"FROM ducklake_snapshots({quoted(str(lake_of(connection)))}) ORDER BY snapshot_id DESC"
        ).fetchall()
    return [
        Snapshot(
            int(number),
            made_at.astimezone(UTC),
            _run_of(extra),
            what,
            dict(zip(kinds, counts, strict=True)),
        )
        for number, made_at, extra, what, kinds, counts in rows
    ]


def choose(found: list[Snapshot], when: str) -> Snapshot:
    """The snapshot that a person means: the last of a run, by the start of its id, or the one of a moment.

    Args:
        found: as `snapshots` gives them.
        when: a run's id or its start, or a time such as 2026-12-24T10:00Z; without a zone it is UTC.

    Raises:
        WarehouseError: there is none: of no such run, or of a time that is not kept any more.
        AmbiguousId: several runs begin like that.
    """
    oldest = found[-1]
    kept = (
        f"The oldest state that is kept is of {oldest.made_at:%Y-%m-%d %H:%M:%S} UTC; maintenance "
        "lets states expire after LEADPIPE_LAKE_KEEP_DAYS, and an erasure lets all of them"
    )
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        runs = {one.run_id for one in found if one.run_id and one.run_id.startswith(when)}
        if len(runs) > 1:
            raise AmbiguousId(
                f"{len(runs)} runs begin with {when}: {', '.join(sorted(runs)[:5])}"
            ) from None
        if not runs:
            raise WarehouseError(
                f"No state of a run {when} is kept. {kept}. `leadpipe lake history` lists them."
            ) from None
        return next(one for one in found if one.run_id in runs)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    for one in found:
        if one.made_at <= moment:
            return one
    raise WarehouseError(f"The state of {when} is not kept. {kept}.")


@contextmanager
def looking_back(warehouse: Warehouse, snapshot: Snapshot) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads a lake's tables as they were, and writes nothing.

    Raises:
        WarehouseError: the snapshot has expired, or the lake cannot be reached.
    """
    if warehouse.lake is None:
        raise WarehouseError(f"The warehouse {warehouse.path} is a file, which has no past.")
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": warehouse.memory_limit,
    }
    with duckdb.connect(config=config) as connection:
        load(connection, LAKE)
        connection.execute("SET TimeZone = 'UTC'")
        try:
            attach_past(connection, warehouse.lake, snapshot.number)
        except duckdb.Error as error:
            raise WarehouseError(
                f"The state {snapshot.number} cannot be read: {str(error).splitlines()[0]}. "
                "`leadpipe lake history` lists those that can."
            ) from error
        yield connection


def _run_of(extra: str | None) -> str | None:
    try:
        found = json.loads(extra or "{}")
    except ValueError:
        return None
    return found.get("run_id") if isinstance(found, dict) else None
