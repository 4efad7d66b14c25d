"""Files that cannot be taken: one line with the file's name and the next step, and nothing of it loaded."""

import gzip
import os
import random
import re
import resource
import signal
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadpipe.errors import DiskFull, ExportedFileError
from leadpipe.events import staging
from leadpipe.events.exported import folding
from leadpipe.events.ingest import IngestResult
from leadpipe_tests.events.builders import event, rows
from leadpipe_tests.events.exported.builders import SCHEMA, json_lines, take, write_parquet

_AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def _events(count=200):
    return [event("recharge", _AT, note=str(n)) for n in range(count)]


def _whole(tmp_path):
    return write_parquet(tmp_path / "whole", _events()).read_bytes()


def _without(*columns):
    schema = pa.schema([field for field in SCHEMA if field.name not in columns])
    return lambda path: write_parquet(path, _events(2), schema=schema).read_bytes()


def _persons(path):
    table = pa.table(
        {"distinct_id": ["a"], "person_id": ["p"], "person_version": [1], "properties": ["{}"]}
    )
    pq.write_table(table, path)
    return path.read_bytes()


def _sessions(path):
    pq.write_table(pa.table({"session_id": ["s"], "distinct_id": ["a"]}), path)
    return path.read_bytes()


def _numbers(path):
    pq.write_table(
        pa.table(
            {name: [1] for name in ("uuid", "event", "timestamp", "distinct_id", "properties")}
        ),
        path,
    )
    return path.read_bytes()


def _broken_inside(tmp_path):
    content = bytearray(_whole(tmp_path))
    group = pq.ParquetFile(tmp_path / "whole").metadata.row_group(0)
    column = group.column(SCHEMA.get_field_index("properties"))
    start, end = column.data_page_offset, column.data_page_offset + 400
    content[start:end] = bytes(400)
    return bytes(content)


_BAD = {
    "cut off at half": (
        "x.parquet",
        lambda folder: _whole(folder)[:2000],
        "damaged or was cut off",
    ),
    "cut off at its end": (
        "x.parquet",
        lambda folder: _whole(folder)[:-5],
        "damaged or was cut off",
    ),
    "broken inside": ("x.parquet", _broken_inside, "damaged or was cut off"),
    "half a line": ("x.jsonl", lambda _: json_lines(_events())[:-40], "damaged or was cut off"),
    "half a line of the first": (
        "x.jsonl",
        lambda _: json_lines(_events(1))[:-40],
        "damaged or was",
    ),
    "half a stream": (
        "x.jsonl.gz",
        lambda _: gzip.compress(json_lines(_events()))[:-300],
        "damaged or was",
    ),
    "not a byte": ("x.parquet", lambda _: b"", "is empty"),
    "a picture": ("x.parquet", lambda _: b"\x89PNG\r\n", "neither Parquet nor JSON Lines"),
    "a list": ("x.json", lambda _: b'[{"uuid": 1}]', "neither Parquet nor JSON Lines"),
    "no brotli": ("x.jsonl.br", lambda _: b"\xff\xfe no brotli", "damaged or was cut off"),
    "packed twice": (
        "x.parquet.gz",
        lambda folder: gzip.compress(_whole(folder)),
        "once more. Unpack it",
    ),
    "persons": (
        "x.parquet",
        lambda folder: _persons(folder / "p"),
        "has persons in it, and lacks one of the columns",
    ),
    "sessions": (
        "x.parquet",
        lambda folder: _sessions(folder / "s"),
        "has sessions in it, not events",
    ),
    "persons, lines": (
        "x.jsonl",
        lambda _: b'{"distinct_id": "a", "person_version": 1}\n',
        "has persons in it, and lacks one of the columns",
    ),
    "no uuid": ("x.parquet", lambda folder: _without("uuid")(folder / "u"), "has no column uuid"),
    "no time, no name": (
        "x.parquet",
        lambda folder: _without("event", "timestamp")(folder / "u"),
        "has no column event and no timestamp",
    ),
    "numbers": (
        "x.parquet",
        lambda folder: _numbers(folder / "n"),
        "has BIGINT in its column uuid",
    ),
}


@pytest.mark.parametrize("case", _BAD)
def test_a_bad_file_is_one_line(warehouse, tmp_path, case):
    """It names the file and what to do; nothing of it is in the warehouse, and nothing waits any more."""
    name, content, said = _BAD[case]
    path = tmp_path / name
    path.write_bytes(content(tmp_path))
    with pytest.raises(ExportedFileError, match=re.escape(said)) as caught:
        take(warehouse, path)
    message = str(caught.value)
    assert message.startswith(name)
    assert "\n" not in message
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(0,)]
    assert not list((warehouse.path.parent / "landing").iterdir())


def test_a_folder_a_missing_and_a_closed_file_are_told_apart(warehouse, tmp_path, monkeypatch):
    """Each with its next step."""
    folder = tmp_path / "exports"
    folder.mkdir()
    with pytest.raises(ExportedFileError, match=r"exports is a folder. Name the files in it"):
        take(warehouse, folder)
    with pytest.raises(ExportedFileError, match=r"nowhere.parquet does not exist"):
        take(warehouse, tmp_path / "nowhere.parquet")
    closed = write_parquet(tmp_path / "closed.parquet", [])

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    if os.geteuid() == 0:  # to whom nothing is closed
        monkeypatch.setattr("pathlib.Path.open", refuse)
    else:
        closed.chmod(0)
    with pytest.raises(
        ExportedFileError, match=r"closed.parquet cannot be opened: permission denied"
    ):
        take(warehouse, closed)


@pytest.mark.parametrize("is_parquet", [True, False])
def test_no_rows_are_no_mistake(warehouse, tmp_path, is_parquet):
    """An export of an hour without events is a file of none."""
    path = tmp_path / "none"
    write_parquet(path, []) if is_parquet else path.write_bytes(gzip.compress(b""))
    assert take(warehouse, path).rows == 0


@pytest.mark.parametrize(
    "error",
    [
        duckdb.IOException('IO Error: Could not write file "x": No space left on device'),
        OSError(28, "No space left on device"),
    ],
)
def test_a_full_disk_is_no_fault_of_the_file(warehouse, tmp_path, monkeypatch, error):
    """It is told as what it is, with the folder."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(folding, "write_pieces", fail)
    with pytest.raises(DiskFull, match="landing is full"):
        take(warehouse, write_parquet(tmp_path / "x.parquet", _events(2)))
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(0,)]


def test_a_file_size_limit_is_a_full_disk(warehouse, tmp_path):
    """What the system does not let us write is told as the disk's, whoever sets the limit."""
    noise = random.Random(1)
    many = [event("recharge", _AT, note=noise.randbytes(500).hex()) for _ in range(400)]
    path = write_parquet(tmp_path / "x.parquet", many)
    with warehouse.writing("door"):
        pass  # the limit is not the warehouse's
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(DiskFull, match="landing is full"):
            take(warehouse, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(0,)]
    assert not list((warehouse.path.parent / "landing").iterdir())


def large(tmp_path, **options):
    """A file of 120,000 events of 1.5 KB."""
    path = tmp_path / "large.parquet"
    duckdb.sql(
        "COPY (SELECT uuid()::VARCHAR AS uuid, 'recharge' AS event, 'someone' AS distinct_id, "
        f"TIMESTAMPTZ '{_AT.isoformat()}' AS timestamp, TIMESTAMPTZ '{_AT.isoformat()}' AS created_at, "
        "'{\"note\":\"' || i || repeat('x', 1500) || '\"}' AS properties FROM range(120_000) AS t(i)) "
        f"TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)"
    )
    return path


def test_a_large_file_is_taken_in_pieces_in_little_memory(warehouse, tmp_path, monkeypatch):
    """180 MB of rows in 120 MB; a transaction for each piece, which is gone then."""
    monkeypatch.setattr(folding, "_ROOMS", (("20MB", None), ("120MB", 1)))
    monkeypatch.setattr(staging, "_PIECES", ", ROW_GROUP_SIZE 10240, ROW_GROUPS_PER_FILE 1")
    pieces = []

    def merge(connection, staged, **options):
        rows_of_piece = connection.execute(f"SELECT count(*) FROM {staged.relation}").fetchone()[0]
        pieces.append((len([*staged.file.parent.glob("*.parquet")]), rows_of_piece))
        return IngestResult()

    monkeypatch.setattr(folding, "ingest", merge)
    assert take(warehouse, large(tmp_path)).rows == 120_000
    assert [left for left, _ in pieces] == [*range(len(pieces), 0, -1)]
    assert sum(count for _, count in pieces) == 120_000
    assert max(count for _, count in pieces) <= 20_480


def test_a_file_that_needs_too_much_memory_is_not_called_damaged(warehouse, tmp_path, monkeypatch):
    """It is told what is too large in it; nothing of it is loaded, nothing waits."""
    monkeypatch.setattr(folding, "_ROOMS", (("20MB", None), ("21MB", 1)))
    with pytest.raises(ExportedFileError, match=r"^large.parquet cannot be read in 21MB of memory"):
        take(warehouse, large(tmp_path))
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(0,)]
    assert not list((warehouse.path.parent / "landing").iterdir())
