"""Which model an exported file's rows are of, told by its columns.

Whether a file can be read to its end is found out by who reads its rows: what cannot even be looked at is
taken for events here, and told there.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import duckdb

from leadpipe.events.staging import file_name
from leadpipe.warehouse import memory

_EVENTS = {"uuid", "event", "timestamp"}
_PERSONS = {"distinct_id", "person_id", "person_distinct_id_version"}
_PERSON_TYPES = {
    "distinct_id": "VARCHAR",
    "person_id": "VARCHAR",
    "person_distinct_id_version": "BIGINT",
    "is_deleted": "BOOLEAN",
    "team_id": "BIGINT",
}
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Contents:
    """A file's rows.

    Args:
        model: `events`, `persons`, `sessions`, or `rows of another kind`.
        columns: their names.
        relation: for a FROM.
    """

    model: str
    columns: frozenset[str]
    relation: str


def contents_of(path: Path, connection: duckdb.DuckDBPyConnection | None = None) -> Contents:
    """Look at a file's columns.

    Args:
        path: of the file.
        connection: an in-memory one, which costs more to open than a look; by default a new one.
    """
    try:
        relation = _relation(path)
        with memory() if connection is None else nullcontext(connection) as looking:
            described = looking.execute(f"DESCRIBE FROM {relation}").fetchall()
    except (duckdb.Error, OSError):
        described = []
    columns = frozenset(str(name) for name, *_ in described)
    if columns <= {"json"}:  # not a line of JSON in it, or none that is whole
        return Contents("events", frozenset(), "")
    if columns >= _PERSONS:
        return Contents("persons", columns, _relation(path, _PERSON_TYPES))
    if columns >= _EVENTS:
        return Contents("events", columns, relation)
    return Contents(
        "sessions" if "session_id" in columns else "rows of another kind", columns, relation
    )


def _relation(path: Path, types: Mapping[str, str] | None = None) -> str:
    """For a FROM; of JSON Lines with the columns given, as a guess would make dates and UUIDs of ids."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        return f"read_parquet({file_name(path)}, binary_as_string = true)"
    packed = next(
        (kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "uncompressed"
    )
    listed = ", ".join(f"{column}: '{kind}'" for column, kind in (types or {}).items())
    return (
        f"read_json({file_name(path)}, format = 'newline_delimited', compression = '{packed}', "
        f"maximum_object_size = 64000000{f', columns = {{{listed}}}' if listed else ''})"
    )
