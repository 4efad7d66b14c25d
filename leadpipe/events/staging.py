"""Events typed outside the warehouse's lock: whoever holds the warehouse only merges.

Rows of any lane become one form here: Parquet files of typed rows, made by an in-memory DuckDB with a memory
limit of its own. What the door, and what follows deletions, read afterwards are these files: no event's
JSON is parsed twice. What a lane's files look like is not this module's business.
"""

import glob
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from leadpipe.events.extraction import rows_of
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.typed import typed
from leadpipe.warehouse import memory, read_sql

_MEMORY_LIMIT = "400MB"
# The cheapest that DuckDB writes: a staged file lives for seconds.
_FORMAT = "FORMAT parquet, COMPRESSION lz4"
_ROW_GROUPS = ", ROW_GROUP_SIZE 30720"  # each thread holds one
_PIECES = ", ROW_GROUP_SIZE 61440, ROW_GROUP_SIZE_BYTES '64MB', ROW_GROUPS_PER_FILE 4"


@dataclass(frozen=True)
class Staged:
    """Typed rows in a file: one row per delivered copy, nothing deduplicated.

    Args:
        file: Parquet with the columns of `mapping/typed.py`'s SELECT.
        mapping: by which the rows are typed.
        asked_by: the mapping whose names and properties were asked for; by default the same.
        places: of its rows, where others' are in the file too; by default they are all its own.
    """

    file: Path
    mapping: EventMapping
    asked_by: EventMapping
    places: range | None = None

    @property
    def relation(self) -> str:
        """For a FROM: the typed rows, and their places in the file (`copy`)."""
        return (
            f"(SELECT *, file_row_number AS copy FROM read_parquet({file_name(self.file)}, "
            f"file_row_number = true){self._own})"
        )

    @property
    def _own(self) -> str:
        if self.places is None:
            return ""
        return f" WHERE file_row_number BETWEEN {self.places.start} AND {self.places.stop - 1}"

    def typed_by(self, mapping: EventMapping) -> "Staged":
        """The same rows typed by another mapping, in their order, in a file beside this one."""
        rows = (
            "(SELECT uuid, event, timestamp, created_at, distinct_id, person_id, properties, "
            "CAST(from_json(content, '[\"VARCHAR\"]') AS VARCHAR[]) AS fields "
            f"FROM read_parquet({file_name(self.file)}, file_row_number = true){self._own})"
        )
        file = self.file.with_name(f"{self.file.stem}-{mapping.version}.parquet")
        with memory(spill=file.parent, memory_limit=_MEMORY_LIMIT) as connection:
            connection.execute("SET preserve_insertion_order = true")
            write_typed(connection, rows, mapping, file)
        return Staged(file, mapping, self.asked_by)


def file_name(path: Path) -> str:
    """A path as an SQL literal that DuckDB takes for no pattern."""
    return "'" + glob.escape(str(path)).replace("'", "''") + "'"


def stage(pages: Sequence[Path], mapping: EventMapping, folder: Path) -> Staged | None:
    """Type the rows of page files; None where there are none.

    Args:
        pages: newline-delimited JSON, a row a line: [uuid, event, timestamp, created_at, distinct_id,
            person_id, properties as JSON text], each a text or null.
        mapping: what the events mean, and by which they were asked for.
        folder: of the caller's own; the file is named for the first page.
    """
    if not pages:
        return None
    rows = (
        f"(WITH wire_rows AS (SELECT fields FROM {rows_of(pages)}) "
        f"{read_sql('events', 'wire_events.sql')})"
    )
    file = folder / f"{pages[0].stem}-typed.parquet"
    with memory(spill=folder, memory_limit=_MEMORY_LIMIT) as connection:
        write_typed(connection, rows, mapping, file)
    return Staged(file, mapping, mapping)


def write_typed(
    connection: duckdb.DuckDBPyConnection, rows: str, mapping: EventMapping, to: Path
) -> None:
    """Type rows into a Parquet file.

    Args:
        connection: an in-memory one.
        rows: to select from, with the columns of `wire_events.sql`.
        mapping: what the events mean.
        to: the file.
    """
    copy(connection, typed(mapping, rows), to, options=_ROW_GROUPS)


def write_pieces(
    connection: duckdb.DuckDBPyConnection, rows: str, mapping: EventMapping, to: Path
) -> list[Staged]:
    """Type rows into files of at most 245,760 rows, each small enough for one transaction.

    Args:
        connection: an in-memory one.
        rows: to select from, with the columns of `wire_events.sql`.
        mapping: what the events mean, and by which they were asked for.
        to: a folder, made here.
    """
    copy(connection, typed(mapping, rows), to, options=_PIECES)
    return [Staged(file, mapping, mapping) for file in sorted(to.glob("*.parquet"))]


def write_together(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    mapping: EventMapping,
    to: Path,
    counts: Sequence[int],
) -> list[Staged]:
    """Type rows of several sources into one file, in their order.

    Args:
        connection: an in-memory one, which preserves the order of rows.
        rows: to select from, with the columns of `wire_events.sql`, the rows of each source together.
        mapping: what the events mean, and by which they were asked for.
        to: the file.
        counts: the rows of each source; none has no rows.
    """
    write_typed(connection, rows, mapping, to)
    ends = [*itertools.accumulate(counts)]
    return [
        Staged(to, mapping, mapping, range(end - count, end))
        for end, count in zip(ends, counts, strict=True)
    ]


def copy(connection: duckdb.DuckDBPyConnection, query: str, to: Path, *, options: str = "") -> None:
    """Write the rows of a query to Parquet."""
    name = "'" + str(to).replace("'", "''") + "'"
    connection.execute(f"COPY ({query}) TO {name} ({_FORMAT}{options})")
