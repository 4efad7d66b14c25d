"""What is in an exported file, told by its columns: events, persons, or what leadpipe does not take."""

import glob
from dataclasses import dataclass
from pathlib import Path

import duckdb

from leadpipe.errors import FileUnreadable
from leadpipe.warehouse import memory

_EVENTS = {"uuid", "event", "timestamp"}
_PERSONS = {"distinct_id", "person_id", "person_distinct_id_version"}


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


def contents_of(path: Path) -> Contents:
    """Look at a file's columns.

    Raises:
        FileUnreadable: it is none of a format that can be read, or half of one.
    """
    relation = _relation(path)
    try:
        with memory() as connection:
            described = connection.execute(f"DESCRIBE FROM {relation}").fetchall()
    except duckdb.Error:  # its text may hold a line of the file
        raise FileUnreadable(unreadable_text(path)) from None
    columns = frozenset(str(name) for name, *_ in described)
    if columns >= _EVENTS:
        model = "events"
    elif columns >= _PERSONS:
        model = "persons"
    else:
        model = "sessions" if "session_id" in columns else "rows of another kind"
    return Contents(model, columns, relation)


def unreadable_text(path: Path) -> str:
    """What to say of a file that cannot be read."""
    kind = "Parquet" if ".parquet" in path.name else "JSON Lines"
    return f"{path.name} is no whole {kind} file. Let PostHog export it again, or remove it."


def _relation(path: Path) -> str:
    name = "'" + glob.escape(str(path)).replace("'", "''") + "'"
    if ".parquet" in path.name:
        return f"read_parquet({name}, hive_partitioning = false)"
    if path.suffix == ".br":
        raise FileUnreadable(
            f"{path.name} is JSON Lines packed by brotli, which cannot be read here. Choose Parquet for the "
            "export, or gzip."
        )
    packed = "gzip" if path.suffix == ".gz" else "none"
    return (
        f"read_json({name}, format = 'newline_delimited', compression = '{packed}', "
        "hive_partitioning = false, maximum_object_size = 64000000)"
    )
