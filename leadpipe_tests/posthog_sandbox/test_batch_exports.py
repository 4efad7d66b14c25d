"""Batch exports write to a folder or a bucket what PostHog writes there, under its names."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leadpipe_tests.clocks import NOW

_HOUR = NOW - timedelta(hours=2)  # 10:00 on a Saturday


@pytest.fixture
def folder(tmp_path):
    """A folder that stands for a bucket."""
    return tmp_path / "exports"


@pytest.fixture
def export(sandbox, folder):
    """Runs exports to the folder; the keys."""

    def exported(start=_HOUR, end=NOW, **options):
        return sandbox.control.export_to({"folder": str(folder)}, start=start, end=end, **options)

    return exported


def view(at, **fields):
    """A view, inserted when it happened."""
    return {"event": "property_view", "timestamp": at, **fields}


def uuids(path: Path) -> set[str]:
    """The events of a file."""
    return {*pq.read_table(path).column("uuid").to_pylist()}


def test_objects_are_named_by_their_interval(sandbox, folder, export):
    """An hour with events gives one object, an hour without none, and its name is both ends."""
    (there,) = sandbox.control.insert([view(_HOUR + timedelta(minutes=5))])
    keys = export(prefix="events/{table}/{year}/{month}/{day}/{hour}")
    assert keys == [
        "events/events/2026/11/21/11/2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet.zst"
    ]
    assert uuids(folder / keys[0]) == {there}


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ({"compression": None}, "parquet"),
        ({"compression": "lz4"}, "parquet.lz4"),
        ({"compression": "snappy"}, "parquet.sz"),
        ({"compression": "gzip"}, "parquet.gz"),
        ({"compression": "brotli"}, "parquet.br"),
        ({"format": "JSONLines", "compression": "gzip"}, "jsonl.gz"),
        ({"format": "JSONLines", "compression": None}, "jsonl"),
    ],
)
def test_the_format_is_in_the_name(sandbox, export, kind, ending):
    """Each format and compression has its ending."""
    sandbox.control.insert([view(_HOUR)])
    assert export(**kind) == [f"2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.{ending}"]


@pytest.mark.parametrize(
    ("interval", "zone", "offset", "spans"),
    [
        (
            "every 15 minutes",
            "UTC",
            0,
            ["2026-11-21T10:00:00+00:00-2026-11-21T10:15:00+00:00"],
        ),
        (
            "every 5 minutes",
            "Asia/Kathmandu",
            0,
            ["2026-11-21T15:45:00+05:45-2026-11-21T15:50:00+05:45"],
        ),
        ("day", "Africa/Lagos", 0, ["2026-11-21T00:00:00+01:00-2026-11-22T00:00:00+01:00"]),
        ("day", "America/New_York", 5, ["2026-11-21T05:00:00-05:00-2026-11-22T05:00:00-05:00"]),
        ("week", "Europe/Berlin", 0, ["2026-11-15T00:00:00+01:00-2026-11-22T00:00:00+01:00"]),
    ],
)
def test_intervals_of_any_length_begin_in_the_exports_zone(
    sandbox, export, interval, zone, offset, spans
):
    """A backfill's names have the zone's offset; days begin at its midnight, weeks on its Sunday."""
    sandbox.control.insert([view(_HOUR + timedelta(minutes=1))])
    sandbox.control.set_clock(NOW + timedelta(days=2))
    keys = export(
        start=_HOUR,
        end=NOW + timedelta(days=1),
        interval=interval,
        zone=zone,
        offset_hours=offset,
        is_backfill=True,
    )
    assert [key.removesuffix(".parquet.zst") for key in keys] == spans


def test_a_day_with_25_hours_is_one_interval(sandbox, export):
    """Where clocks are put back, a day is an hour longer, and nothing lies between two days."""
    sandbox.control.insert([view(datetime(2026, 10, 25, 22, 30, tzinfo=UTC))])
    keys = export(
        start=datetime(2026, 10, 25, 12, tzinfo=UTC),
        end=NOW,
        interval="day",
        zone="Europe/Berlin",
        is_backfill=True,
    )
    assert keys == ["2026-10-25T00:00:00+02:00-2026-10-26T00:00:00+01:00.parquet.zst"]


def test_a_backfill_from_the_beginning_has_no_start(sandbox, folder, export):
    """Everything before a moment is one run, named `None`, with the time of events as `_inserted_at`."""
    old = _HOUR - timedelta(days=200)
    (there,) = sandbox.control.insert([view(old, created_at=_HOUR)])
    keys = export(start=None, end=NOW)
    assert keys == ["None-2026-11-21T12:00:00+00:00.parquet.zst"]
    table = pq.read_table(folder / keys[0])
    assert table.column("_inserted_at").to_pylist() == [old]
    assert uuids(folder / keys[0]) == {there}


def test_a_late_event_comes_in_the_file_of_its_arrival(sandbox, folder, export):
    """What happened in one hour and was received in the next is in the next one's file."""
    (late,) = sandbox.control.insert([view(_HOUR, created_at=_HOUR + timedelta(minutes=70))])
    keys = export()
    assert keys == ["2026-11-21T11:00:00+00:00-2026-11-21T12:00:00+00:00.parquet.zst"]
    assert uuids(folder / keys[0]) == {late}


def test_parts_have_a_manifest_which_comes_last(sandbox, folder, export):
    """With a maximum size files are numbered from 0, and the manifest lists their keys."""
    sandbox.control.insert(_large(4))
    keys = export(max_size_mb=1, batch_rows=2, prefix="p")
    span = "p/2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00"
    parts = [f"{span}-{number}.parquet.zst" for number in range(3)]  # the last one has no row
    assert keys == [*parts, f"{span}_manifest.json"]
    assert json.loads((folder / keys[-1]).read_text()) == {"files": parts}


def test_a_worker_that_dies_leaves_parts_and_no_manifest(sandbox, folder, export):
    """The next attempt writes the same names; when it needs fewer, the old ones stay there."""
    sandbox.control.insert(_large(4))
    assert len(export(max_size_mb=1, batch_rows=2, dies_after=2)) == 2
    keys = export(max_size_mb=50)
    manifest = json.loads((folder / keys[-1]).read_text())
    assert (len(manifest["files"]), len([*folder.glob("*.parquet.zst")])) == (1, 2)


def test_an_export_runs_by_itself_a_minute_after_its_interval(sandbox, folder):
    """A minute after an hour's end its object is there, and is written once; names are in UTC."""
    sandbox.control.add_batch_export({"folder": str(folder)}, zone="Africa/Lagos")
    sandbox.control.insert([view(NOW + timedelta(minutes=5))])
    sandbox.control.set_clock(NOW + timedelta(hours=1, seconds=59))
    assert sandbox.control.run_batch_exports() == []
    sandbox.control.set_clock(NOW + timedelta(hours=1, seconds=60))
    sandbox.control.run_batch_exports()
    assert sandbox.control.run_batch_exports() == []
    assert [path.name for path in folder.iterdir()] == [
        "2026-11-21T12:00:00+00:00-2026-11-21T13:00:00+00:00.parquet.zst"
    ]


def test_a_later_posthog_exports_more_columns(sandbox, folder, export):
    """Columns that nobody knows yet come beside those of today."""
    sandbox.control.insert([view(_HOUR)])
    (key,) = export(extra_columns={"region": "eu"})
    assert pq.read_table(folder / key).column("region").to_pylist() == ["eu"]


def test_an_s3_server_gets_what_a_folder_gets(sandbox, s3_bucket, folder, export, tmp_path):
    """The object in a bucket is the one in the folder: same name, same events."""
    sandbox.control.insert([view(_HOUR), view(_HOUR)])
    keys = sandbox.control.export_to(s3_bucket.destination, start=_HOUR, end=NOW)
    assert keys == export()
    (tmp_path / "object").write_bytes(s3_bucket.get(keys[0]))
    assert uuids(tmp_path / "object") == uuids(folder / keys[0])


def test_the_future_is_not_exported(export):
    """An interval that is not over yet is refused from the beginning of time, and has no run else."""
    with pytest.raises(ValueError, match="in the future"):
        export(start=None, end=NOW + timedelta(hours=1))
    assert export(start=NOW, end=NOW + timedelta(minutes=59)) == []


def _large(number):
    """Events of 1.2 MB of which no codec makes less than 600 kB."""
    rng = random.Random(1)
    return [
        view(_HOUR + timedelta(minutes=n), properties={"noise": rng.randbytes(600_000).hex()})
        for n in range(number)
    ]
