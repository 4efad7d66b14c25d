"""The files that exports write: which rows, which columns, which format."""

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import HTTP
from leadpipe_tests.posthog_sandbox.export_asking import (
    UUID,
    body_of,
    created,
    ended,
    event,
    exports,
    fetched,
    rows_of,
)
from posthog_sandbox.process import SandboxProcess

_PERSON = UUID.format(9)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_OLD = NOW - timedelta(days=20)


def _uuids(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["uuid"][-12:]) for row in rows]


def test_a_row_is_the_event_as_it_was_ingested(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Ten columns, times in microseconds UTC, JSON as text, the person of ingestion."""
    at, received, inserted = NOW - 3 * _HOUR, NOW - 2 * _HOUR, NOW - _HOUR
    sandbox.control.insert(
        [
            event(
                at=at,
                created_at=received,
                visible_at=inserted,
                properties='{"z": 1.0, "a": "\\ud83d"}',
                person_id=_PERSON,
                distinct_id="anna",
            )
        ]
    )
    sandbox.control.rename_person("anna", UUID.format(8))
    sandbox.control.native_json()
    assert rows_of(sandbox, tmp_path) == [
        {
            "uuid": UUID.format(1),
            "timestamp": at,
            "_inserted_at": inserted,
            "created_at": received,
            "event": "e",
            "properties": '{"z": 1.0, "a": "\\ud83d"}',
            "distinct_id": "anna",
            "elements_chain": "",
            "person_properties": None,
            "person_id": _PERSON,
        }
    ]


def test_rows_are_those_inserted_in_the_span(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """From its start until before its end, whatever their timestamp; what is deleted is gone."""
    start, end = NOW - 4 * _HOUR, NOW - 2 * _HOUR
    moments = (start - timedelta(microseconds=1), start, end - timedelta(microseconds=1), end)
    sandbox.control.insert(
        [event(number, _OLD, visible_at=at) for number, at in enumerate(moments)]
        + [event(7, _OLD, visible_at=start)]
    )
    sandbox.control.delete_events(uuids=[UUID.format(7)])
    assert _uuids(rows_of(sandbox, tmp_path, start=start, end=end)) == [1, 2]


@pytest.mark.parametrize(
    ("old_spans", "brought"),
    [("bounded", [2, 3]), ("received", [1, 2, 3, 4]), ("timestamp", [3, 5])],
)
def test_spans_that_began_six_days_ago_are_read_in_another_way(
    sandbox: SandboxProcess, tmp_path: Path, old_spans: str, brought: list[int]
) -> None:
    """PostHog bounds their timestamps; by the time received, or by timestamp alone, as a lever."""
    start, end = _OLD, _OLD + _DAY
    late = {"visible_at": start + _HOUR}
    sandbox.control.insert(
        [
            event(1, start - timedelta(days=7, seconds=1), **late),
            event(2, start - timedelta(days=7), **late),
            event(3, start, **late),
            event(4, end + _DAY, **late),
            event(5, start, visible_at=end + _HOUR),
        ]
    )
    sandbox.control.downloads(old_spans=old_spans)
    rows = rows_of(sandbox, tmp_path, start=start, end=end)
    assert _uuids(rows) == brought
    by_timestamp = {row["timestamp"] for row in rows} == {row["_inserted_at"] for row in rows}
    assert by_timestamp == (old_spans == "timestamp")
    assert [run["reading"] for run in sandbox.control.export_runs()] == [old_spans]


def test_one_copy_of_an_event_comes_in_a_run(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Of the same event, distinct id and uuid; an event that only shares the uuid is another one."""
    copies = [event(1, properties={"n": number}) for number in range(3)]
    sandbox.control.insert([*copies, event(1, event="other"), event(1, distinct_id="ben")])
    assert len(rows_of(sandbox, tmp_path)) == 3
    sandbox.control.downloads(has_copies=True)
    assert len(rows_of(sandbox, tmp_path)) == 5


def test_names_are_included_and_excluded(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Empty lists are no wish."""
    sandbox.control.insert([event(number, event=name) for number, name in enumerate("abc")])
    assert _uuids(rows_of(sandbox, tmp_path, include=["a", "b"], exclude=["b"])) == [0]
    assert _uuids(rows_of(sandbox, tmp_path, exclude=["b"])) == [0, 2]
    assert _uuids(rows_of(sandbox, tmp_path, include=[], exclude=[])) == [0, 1, 2]


@pytest.mark.parametrize("compression", ["zstd", "lz4", "snappy", "gzip", "brotli", None])
def test_parquet_is_compressed_inside(
    sandbox: SandboxProcess, tmp_path: Path, compression: str | None
) -> None:
    """Whatever the name ends in, it is Parquet, and every column may be null."""
    sandbox.control.insert([event(number) for number in range(100)])
    file = {"format": "Parquet", "compression": compression, "max_size_mb": None}
    (path,) = fetched(sandbox, tmp_path, created(sandbox, file=file))
    ending = {"zstd": ".zst", "snappy": ".sz", "gzip": ".gz", "brotli": ".br", None: ""}
    span = f"{(NOW - _DAY).isoformat()}-{NOW.isoformat()}"
    assert unquote(path.name) == f"{span}.parquet{ending.get(compression, '.lz4')}"
    read = pq.ParquetFile(path)
    codec = read.metadata.row_group(0).column(0).compression
    assert codec == (compression or "uncompressed").upper()
    assert read.metadata.num_rows == 100
    assert all(field.nullable for field in read.schema_arrow)
    assert read.schema_arrow.field("timestamp").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize("compression", [None, "gzip", "brotli"])
def test_json_lines_nest_their_properties(
    sandbox: SandboxProcess, tmp_path: Path, compression: str | None
) -> None:
    """Times in ISO 8601; half an emoji is a question mark; what is no JSON is text."""
    sent = ['{"a": {"b": [1.50]}, "half": "\\ud83d"}', "no JSON", ""]
    sandbox.control.insert(
        [event(number, properties=text) for number, text in enumerate(sent, start=1)]
    )
    file = {"format": "JSONLines", "compression": compression}
    (path,) = fetched(sandbox, tmp_path, created(sandbox, file=file))
    packed = path.read_bytes()
    if compression == "gzip":
        packed = gzip.decompress(packed)
    elif compression == "brotli":
        packed = pa.CompressedInputStream(pa.py_buffer(packed), "brotli").read()
    rows = sorted(map(json.loads, packed.splitlines()), key=lambda row: str(row["uuid"]))
    nested = {"a": {"b": [1.5]}, "half": "?"}
    assert [row["properties"] for row in rows] == [nested, "no JSON", None]
    assert datetime.fromisoformat(rows[0]["_inserted_at"]) == NOW - _HOUR
    assert rows[0]["timestamp"].endswith("+00:00")


def test_json_lines_in_another_compression_are_taken_and_fail(sandbox: SandboxProcess) -> None:
    """PostHog checks the words by themselves, and finds out when it writes."""
    sandbox.control.insert([event()])
    export = created(sandbox, file={"format": "JSONLines", "compression": "zstd"})
    shown = ended(sandbox, export)
    assert shown["status"] == "Failed"
    assert "Unsupported compression: 'zstd'" in shown["error"]


def test_files_are_split_by_size(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """After the batch that made one too large; after the last one there is an empty file."""
    text = "".join(f"{number * 2654435761 % 2**32:08x}" for number in range(100_000))
    halves = [text[:400_000], text[400_000:]]
    sandbox.control.insert(
        [event(number, properties={"t": halves[number % 2][number:]}) for number in range(8)]
    )
    sandbox.control.downloads(batch_rows=4)
    file = {"compression": None, "max_size_mb": 1}
    paths = fetched(sandbox, tmp_path, created(sandbox, file=file))
    assert [path.name[-10:] for path in paths] == [f"-{n}.parquet" for n in range(3)]
    assert [pq.read_metadata(path).num_rows for path in paths] == [4, 4, 0]
    whole = fetched(sandbox, tmp_path, created(sandbox, file={"max_size_mb": 0}))
    assert [path.name[-10:] for path in whole] == ["-0.parquet"]


def test_no_rows_are_no_files(sandbox: SandboxProcess) -> None:
    """The run ends well, and has nothing to fetch."""
    export = created(sandbox)
    assert ended(sandbox, export) == {"status": "Completed", "files": [], "records_completed": 0}
    assert exports(sandbox, f"{export}/download/").status_code == 404


def test_persons_are_a_row_a_distinct_id_that_changed(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """New, moved by a merge, or of a person whose properties changed; with versions that grow."""
    old = NOW - 3 * _DAY
    ids = ("anna", "device", "ben")
    sandbox.control.insert(
        [event(n, old, distinct_id=one, person_id=UUID.format(n)) for n, one in enumerate(ids, 1)]
    )
    persons = {"model": "persons", "end": NOW}
    before = rows_of(sandbox, tmp_path, start=old - _HOUR, **persons)
    assert [row["distinct_id"] for row in before] == ["anna", "ben", "device"]
    assert before[0] == {
        "team_id": 1,
        "distinct_id": "anna",
        "person_id": UUID.format(1),
        "properties": "{}",
        "person_distinct_id_version": 0,
        "person_version": 0,
        "created_at": old,
        "_inserted_at": old,
        "is_deleted": False,
    }
    assert rows_of(sandbox, tmp_path, start=NOW - _DAY, **persons) == []
    sandbox.control.set_clock(NOW + _HOUR)
    sandbox.control.merge_persons("anna", "device")
    sandbox.control.set_clock(NOW + 2 * _HOUR)
    (moved,) = rows_of(sandbox, tmp_path, model="persons", start=NOW, end=NOW + 2 * _HOUR)
    assert (moved["distinct_id"], moved["person_id"]) == ("device", UUID.format(1))
    assert (moved["person_distinct_id_version"], moved["_inserted_at"]) == (1, NOW + _HOUR)


def test_deleted_persons_are_told(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """With a version that no later change reaches, and without their properties."""
    sandbox.control.insert([event(distinct_id="anna", person_id=_PERSON)])
    url = f"{sandbox.url}/api/projects/{sandbox.project_id}/persons/{_PERSON}/"
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    assert HTTP.delete(url, headers=headers).status_code in {202, 204}
    (row,) = rows_of(sandbox, tmp_path, model="persons", start=NOW - _DAY, end=NOW)
    assert (row["is_deleted"], row["properties"], row["person_version"]) == (True, "{}", 100)


def test_names_are_dropped_for_persons(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """PostHog takes lists of events with the persons model and forgets them."""
    sandbox.control.insert([event()])
    assert exports(sandbox, body=body_of(model="persons", include=["x"])).status_code == 202
    assert len(rows_of(sandbox, tmp_path, model="persons", include=["x"])) == 1
