"""Files that cannot be taken: one line with the file's name and the next step, and nothing of it loaded."""

import gzip
import os
import re
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadpipe.errors import DiskFull, ExportedFileError
from leadpipe.events.exported import folding
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
