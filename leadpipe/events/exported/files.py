"""What a file of exported events is: its format, by its content, and whether it has events in it.

Only its first bytes, its schema or its first lines are looked at. Its name says nothing: downloads have ids
for names. What its rows become is `rows.py`'s business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb

from leadpipe.errors import ExportedFileError
from leadpipe.events.staging import file_name

_AGAIN = "Fetch it again from where it came"
_NEEDED = ("uuid", "event", "timestamp", "distinct_id", "properties")
_NULLABLE = ("created_at", "person_id")
_TIMES = ("timestamp", "created_at")
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_LOOKED_AT_ROWS = 100
Format = Literal["parquet", "jsonl"]


@dataclass(frozen=True)
class ExportedFile:
    """A file whose format is known, and that has the columns of events.

    Args:
        path: where it is.
        name: by which people know it.
        format: `parquet`, or `jsonl` for JSON Lines.
        compression: of JSON Lines as a whole, as DuckDB calls it.
        columns: those that are there, of those that are read, each with its type.
        others: Parquet files with the same columns, whose rows come after this one's.
    """

    path: Path
    name: str
    format: Format
    compression: str = "uncompressed"
    columns: Mapping[str, str] = field(default_factory=dict)
    others: tuple[Path, ...] = ()

    @property
    def relation(self) -> str:
        """For a FROM: its rows, with `columns`; of Parquet also `file_index`, which says whose a row is."""
        if self.format == "parquet":
            names = ", ".join(map(file_name, (self.path, *self.others)))
            return f"read_parquet([{names}], binary_as_string = true)"
        types = ", ".join(f"{column}: '{kind}'" for column, kind in self.columns.items())
        return (
            f"read_json({file_name(self.path)}, format = 'newline_delimited', "
            f"compression = '{self.compression}', columns = {{{types}}})"
        )


def examine(connection: duckdb.DuckDBPyConnection, path: Path, *, name: str) -> ExportedFile:
    """Find out what a file is.

    Args:
        connection: an in-memory one.
        path: where the file is.
        name: by which people know it.

    Raises:
        ExportedFileError: it cannot be opened, is damaged, or has no events in it.
    """
    head = _head(path, name)
    if head.startswith(b"PAR1"):
        try:
            found = dict(
                connection.execute(
                    f"SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet("
                    f"{file_name(path)}, binary_as_string = true))"
                ).fetchall()
            )
        except duckdb.Error as error:
            raise damaged(name) from error
        return ExportedFile(path, name, "parquet", columns=_checked(name, found))
    compression = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if ".parquet" in name and compression:
        raise ExportedFileError(
            f"{name} is Parquet that was packed with {compression} once more. Unpack it, and take what comes "
            "out: PostHog's own Parquet is compressed inside, whatever its name ends with."
        )
    if compression is None and not head.lstrip().startswith(b"{"):
        raise _unknown(name)
    return _json_lines(connection, path, name, compression or "uncompressed")


def damaged(name: str) -> ExportedFileError:
    """Why a file cannot be read to its end."""
    return ExportedFileError(
        f"{name} is damaged or was cut off: it cannot be read to its end. Nothing of it was loaded. {_AGAIN}."
    )


def _head(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise ExportedFileError(f"{name} does not exist. Check the path.") from None
    except IsADirectoryError:
        raise ExportedFileError(f"{name} is a folder. Name the files in it: {name}/*") from None
    except PermissionError:
        raise ExportedFileError(
            f"{name} cannot be opened: permission denied. Let the user that runs leadpipe read it."
        ) from None
    except OSError as error:
        raise ExportedFileError(
            f"{name} cannot be opened: {error.strerror}. Copy it to a disk of this machine, and try again."
        ) from error
    if not head:
        raise ExportedFileError(f"{name} is empty: it has not a single byte. {_AGAIN}.")
    return head


def _unknown(name: str) -> ExportedFileError:
    if name.endswith(".br"):
        return damaged(name)
    return ExportedFileError(
        f"{name} is neither Parquet nor JSON Lines. Export the events model in one of these formats."
    )


def _json_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str, compression: str
) -> ExportedFile:
    """Its columns are the names that its first lines have."""
    try:
        names = connection.execute(
            "SELECT DISTINCT unnest(json_keys(json)) FROM (SELECT json FROM read_json_objects("
            f"{file_name(path)}, format = 'newline_delimited', compression = '{compression}') "
            f"LIMIT {_LOOKED_AT_ROWS})"
        ).fetchall()
    except duckdb.Error as error:
        raise damaged(name) from error
    types = {one: "JSON" if one == "properties" else "VARCHAR" for (one,) in names}
    if not types:  # not a line
        types = {one: "JSON" if one == "properties" else "VARCHAR" for one in _NEEDED}
    return ExportedFile(path, name, "jsonl", compression, _checked(name, types))


def _checked(name: str, found: Mapping[str, str]) -> Mapping[str, str]:
    """The columns that are read; all that must be there are, and can be read.

    Raises:
        ExportedFileError: it has another model's columns, or lacks some.
    """
    missing = [column for column in _NEEDED if column not in found]
    if missing:
        model = (
            "persons"
            if "person_version" in found or "person_distinct_id_version" in found
            else "sessions"
            if "session_id" in found
            else None
        )
        if model == "persons":  # with all its columns it would not have been taken for events
            raise ExportedFileError(
                f"{name} has persons in it, and lacks one of the columns distinct_id, person_id and "
                "person_distinct_id_version. Export the persons model with all its columns."
            )
        if model:
            raise ExportedFileError(
                f"{name} has {model} in it, not events. Export the events model, and take its files."
            )
        raise ExportedFileError(
            f"{name} has no column {' and no '.join(missing)}. Export the events model with all its columns."
        )
    for column in (*_NEEDED, *_NULLABLE):
        kind = found.get(column, "VARCHAR")
        is_fit = kind in {"VARCHAR", "JSON", "UUID"} or (
            column in _TIMES and kind.startswith("TIMESTAMP")
        )
        if not is_fit:
            raise ExportedFileError(
                f"{name} has {kind} in its column {column}, which PostHog does not export. Export the events "
                "model, and take its files as they are."
            )
    return {column: found[column] for column in (*_NEEDED, *_NULLABLE) if column in found}
