"""The files of an export: rows of a model of a span of time, as PostHog's batch exports write them.

Belongs here: which rows, their columns, the files' format, names and sizes. Does not belong here: when a
file is written and who may have it (`file_downloads.py`), buckets.

Read in PostHog's source (products/batch_exports, November 2026), and followed:

- Rows are those inserted from `start` until before `end`, of any timestamp, if the span is recent. If it
  begins six days ago or earlier (eight in some versions), their timestamp must also be at most seven days
  before `start` and less than a day after `end`. A backfill that begins so long ago selects by `timestamp`,
  and writes it into `_inserted_at`; a file download is never a backfill.
- Of the copies of an event (same event, distinct id and uuid) in one run one is written, and nothing says
  which: a correction in the same span may be missing. Copies in several runs come in each of them, and
  versions that read their stage anew after an error wrote rows twice.
- The person and its properties are those of ingestion. Neither retention nor hidden properties of HogQL
  matter.
- A file is closed after the batch of rows that made it too large. If that was the last one, another file
  follows that is Parquet (or brotli) without a row.
- JSON Lines know no compression but gzip, a stream for each line, and brotli; properties that are no JSON
  are text.

Not modelled: person properties at ingestion (the sandbox knows only those of now), and the native-JSON
table (the text is what was sent).
"""

import contextlib
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from posthog_sandbox.hogql_literals import instant, quoted
from posthog_sandbox.hogql_sources import visible
from posthog_sandbox.storage import Storage

Model = Literal["events", "persons"]
Reading = Literal["received", "bounded", "timestamp"]
"""By the time rows were inserted; with bounds on their timestamp besides; or by their timestamp."""

RECENT = timedelta(days=6)
LOOKBACK = timedelta(days=7)
LOOKAHEAD = timedelta(days=1)
BATCH_ROWS = 20_000
COMPRESSIONS = ("zstd", "gzip", "brotli", "lz4", "snappy")
_ENDINGS = {"zstd": "zst", "gzip": "gz", "brotli": "br", "lz4": "lz4", "snappy": "sz"}
_JSON_COLUMNS = ("properties", "person_properties")


class UnsupportedCompression(ValueError):  # noqa: N818 - says what is the case
    """JSON Lines in a compression that PostHog takes and then fails at."""


@dataclass(frozen=True)
class Selection:
    """Which rows.

    Attributes:
        model: what a row is.
        start: inclusive, aware.
        end: exclusive, aware.
        include: names of events; empty for all.
        exclude: names of events; empty for none.
        reading: what the span is of.
        has_copies: whether all copies of an event come; PostHog writes one of them.
        team_id: the project's number, which only persons have in a column.
    """

    model: Model
    start: datetime
    end: datetime
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    reading: Reading = "received"
    has_copies: bool = False
    team_id: int = 1


@dataclass(frozen=True)
class FileKind:
    """What files look like.

    Attributes:
        format: `Parquet`, or `JSONLines`.
        compression: within Parquet, or of the whole JSON Lines; None for none.
        max_size_mb: MiB after which a file is closed; 0 for never, None for never and a name without number.
        batch_rows: rows that are written at once.
    """

    format: Literal["Parquet", "JSONLines"] = "Parquet"
    compression: str | None = None
    max_size_mb: int | None = None
    batch_rows: int = BATCH_ROWS


@dataclass(frozen=True)
class Written:
    """Files in the order they were written, and their rows."""

    files: tuple[Path, ...]
    rows: int


def reading_of(start: datetime, now: datetime, *, is_backfill: bool = False) -> Reading:
    """How PostHog reads a span that begins at `start`."""
    if start > now - RECENT:
        return "received"
    return "timestamp" if is_backfill else "bounded"


def file_name(
    start: datetime | None, end: datetime, kind: FileKind, number: int | None = None
) -> str:
    """A file's name as PostHog gives it; a backfill from the beginning has no start."""
    began = None if start is None else start.isoformat()
    suffix = "" if number is None else f"-{number}"
    ending = "parquet" if kind.format == "Parquet" else "jsonl"
    packed = "" if kind.compression is None else f".{_ENDINGS[kind.compression]}"
    return f"{began}-{end.isoformat()}{suffix}.{ending}{packed}"


def write_files(
    storage: Storage,
    selection: Selection,
    kind: FileKind,
    directory: Path,
    *,
    now: datetime,
    name: Callable[[int | None], str] | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> Written:
    """Write the rows; no row, no file. A file has its name when it is whole, never before.

    Args:
        storage: the sandbox's tables.
        selection: which rows.
        kind: of the files.
        directory: made if missing; files of the same name are replaced.
        now: the server's clock; what is not visible or is deleted by then is not there.
        name: of the file with that number (None if there is only one); by default PostHog's.
        go_on: called after each batch of rows; raises to give up, and what is unfinished is removed.

    Raises:
        UnsupportedCompression: JSON Lines in what only Parquet knows.
    """
    if kind.format == "JSONLines" and kind.compression not in {None, "gzip", "brotli"}:
        raise UnsupportedCompression(f"Unsupported compression: '{kind.compression}'")
    directory.mkdir(parents=True, exist_ok=True)
    named = name or (lambda number: file_name(selection.start, selection.end, kind, number))
    with contextlib.closing(_Files(directory, kind, named)) as files:
        for batch in storage.stream(rows_sql(selection, now), rows=kind.batch_rows):
            files.write(batch)
            go_on()
        files.end()
        return Written(tuple(files.paths), files.rows)


def rows_sql(selection: Selection, now: datetime) -> str:
    """One SELECT of the rows, in no order; all columns may be null."""
    if selection.model == "persons":
        return _persons_sql(selection, now)
    by = "timestamp" if selection.reading == "timestamp" else "visible_at"
    conditions = [visible(now), *_within(by, selection.start, selection.end)]
    if selection.reading == "bounded":
        conditions += _within("timestamp", selection.start - LOOKBACK, selection.end + LOOKAHEAD)
    if selection.include:
        conditions.append(f"event IN ({', '.join(map(quoted, selection.include))})")
    if selection.exclude:
        conditions.append(f"event NOT IN ({', '.join(map(quoted, selection.exclude))})")
    one = "" if selection.has_copies else " LIMIT 1 BY event, cityHash64(distinct_id), uuid"
    person = "joinGet('sandbox.person_properties', 'properties', stored_person_id)"
    return (
        "SELECT toNullable(toString(uuid)) AS uuid, toNullable(timestamp) AS timestamp, "
        f"toNullable({by}) AS _inserted_at, toNullable(created_at) AS created_at, "
        "toNullable(event) AS event, nullIf(properties, '') AS properties, "
        "toNullable(distinct_id) AS distinct_id, toNullable('') AS elements_chain, "
        f"nullIf({person}, '') AS person_properties, "
        "toNullable(toString(stored_person_id)) AS person_id "
        f"FROM (SELECT * FROM sandbox.events WHERE {' AND '.join(conditions)}{one})"
    )


def _within(column: str, start: datetime, end: datetime) -> list[str]:
    return [f"{column} >= {instant(start)}", f"{column} < {instant(end)}"]


def _persons_sql(selection: Selection, now: datetime) -> str:
    """A row a distinct id that is new, moved, or whose person changed in the span."""
    start, end = instant(selection.start), instant(selection.end)
    moved = "joinGetOrNull('sandbox.distinct_id_changes', '{}', distinct_id)"
    changed = "joinGetOrNull('sandbox.person_changes', '{}', person)"
    owner = "ifNull(joinGetOrNull('sandbox.overrides', 'person_id', distinct_id), first_person)"
    of_person = "OVER (PARTITION BY person)"
    ids = (
        "SELECT distinct_id, argMin(stored_person_id, created_at) AS first_person, "
        "min(visible_at) AS seen, min(created_at) AS made "
        f"FROM sandbox.events WHERE {visible(now)} GROUP BY distinct_id"
    )
    owned = f"SELECT distinct_id, seen, made, {owner} AS person FROM ({ids})"
    dated = (
        f"SELECT distinct_id, person, min(made) {of_person} AS person_made, "
        f"ifNull({moved.format('changed_at')}, seen) AS id_at, "
        f"ifNull({changed.format('changed_at')}, min(seen) {of_person}) AS person_at FROM ({owned})"
    )
    id_in = f"(id_at >= {start} AND id_at < {end})"
    person_in = f"(person_at >= {start} AND person_at < {end})"
    at = (
        f"multiIf({id_in} AND NOT {person_in}, id_at, {person_in} AND NOT {id_in}, person_at, "
        "least(id_at, person_at))"
    )
    properties = "joinGet('sandbox.person_properties', 'properties', person)"
    is_deleted = f"ifNull({changed.format('is_deleted')}, false)"
    return (
        f"SELECT toNullable(toInt64({selection.team_id})) AS team_id, "
        "toNullable(distinct_id) AS distinct_id, toNullable(toString(person)) AS person_id, "
        f"toNullable(if({is_deleted} OR {properties} = '', '{{}}', {properties})) AS properties, "
        f"toNullable(toInt64(ifNull({moved.format('version')}, 0))) AS person_distinct_id_version, "
        f"toNullable(toInt64(ifNull({changed.format('version')}, 0))) AS person_version, "
        f"toNullable(person_made) AS created_at, toNullable({at}) AS _inserted_at, "
        f"toNullable({is_deleted}) AS is_deleted FROM ({dated}) WHERE {id_in} OR {person_in}"
    )


class _Sink(Protocol):
    """One file being written."""

    def write(self, batch: pa.RecordBatch) -> None: ...
    def size(self) -> int: ...
    def close(self) -> None: ...


class _Files:
    """One file after another, each closed when it is large enough."""

    def __init__(self, directory: Path, kind: FileKind, name: Callable[[int | None], str]) -> None:
        self.paths: list[Path] = []
        self.rows = 0
        self._directory = directory
        self._kind = kind
        self._name = name
        self._most = (kind.max_size_mb or 0) * 1024 * 1024
        self._schema: pa.Schema | None = None
        self._sink: _Sink | None = None
        self._part = directory / "none"

    def write(self, batch: pa.RecordBatch) -> None:
        self._schema = batch.schema
        sink = self._sink or self._begin(batch.schema)
        sink.write(batch)
        self.rows += batch.num_rows
        if self._most and sink.size() > self._most:
            self._finish()

    def end(self) -> None:
        """Close the last file; if it was closed already, these formats have an empty one after it."""
        has_end = self._kind.format == "Parquet" or self._kind.compression == "brotli"
        if self._sink is None and self._schema is not None and has_end:
            self._begin(self._schema)
        self._finish()

    def close(self) -> None:
        """Remove what was not ended."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None
            self._part.unlink(missing_ok=True)

    def _begin(self, schema: pa.Schema) -> _Sink:
        number = None if self._kind.max_size_mb is None else len(self.paths)
        self._path = self._directory / self._name(number)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self._path.with_name(f".{self._path.name}.part")
        if self._kind.format == "Parquet":
            self._sink = _ParquetSink(self._part, schema, self._kind.compression)
        else:
            self._sink = _JsonLinesSink(self._part, self._kind.compression)
        return self._sink

    def _finish(self) -> None:
        if self._sink is None:
            return
        self._sink.close()
        self._sink = None
        self._part.replace(self._path)
        self.paths.append(self._path)


class _ParquetSink:
    def __init__(self, path: Path, schema: pa.Schema, compression: str | None) -> None:
        self._file = path.open("wb")
        nullable = pa.schema([field.with_nullable(nullable=True) for field in schema])
        self._writer = pq.ParquetWriter(self._file, nullable, compression=compression or "none")

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def size(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._writer.close()
        self._file.close()


class _JsonLinesSink:
    def __init__(self, path: Path, compression: str | None) -> None:
        self._raw = path.open("wb")
        self._compression = compression
        self._brotli = (
            pa.CompressedOutputStream(self._raw, "brotli") if compression == "brotli" else None
        )

    def write(self, batch: pa.RecordBatch) -> None:
        for line in _lines(batch):
            if self._brotli is not None:
                self._brotli.write(line)
            else:
                self._raw.write(gzip.compress(line, 1) if self._compression == "gzip" else line)
        if self._brotli is not None:
            self._brotli.flush()

    def size(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        if self._brotli is not None:
            self._brotli.close()
        self._raw.close()


def _lines(batch: pa.RecordBatch) -> Iterator[bytes]:
    columns: Iterable[dict[str, Any]] = batch.to_pylist()
    for row in columns:
        for column in _JSON_COLUMNS:
            if row.get(column) is not None:
                row[column] = _decoded(row[column])
        text = json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_plain)
        # Half an emoji becomes a question mark, as PostHog's own encoder makes of it.
        yield text.encode("utf-8", "replace") + b"\n"


def _decoded(text: str) -> object:
    try:
        decoded: object = json.loads(text)
    except ValueError:
        return text
    return decoded


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
