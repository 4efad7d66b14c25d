"""A bucket's files come through the door: each version once, what is broken told, the days proved."""

import json
import random
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from leadpipe.connections import connect_posthog
from leadpipe.errors import BucketUnavailable, ConfigurationError, DiskFull
from leadpipe.events import staging
from leadpipe.events.connecting import open_bucket, sync_config
from leadpipe.events.exported import folding, register, taking
from leadpipe.events.exported.bucket import Bucket
from leadpipe.events.exported.folding import merge_files, stage_file, stage_together
from leadpipe.events.exported.taking import take_files
from leadpipe.events.ingest import ingest
from leadpipe.events.ledger import Run
from leadpipe.events.planning import plan_sync
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load, rows
from leadpipe_tests.events.exported.builders import SCHEMA, write_parquet
from leadpipe_tests.s3_server import secret_of

_DAY = TODAY - timedelta(days=1)
_TEN = NOW - timedelta(hours=26)  # 10:00 of yesterday
_LATER = NOW + timedelta(minutes=10)


@pytest.fixture(params=["folder", "s3", "s3 by role", "gcs", "gcs by role"])
def place(request, tmp_path):
    """Every kind of store: where the sandbox exports to, and the settings that read it."""
    if request.param.startswith("gcs"):
        of_machine = request.param.endswith("role")
        cloud = request.getfixturevalue("machine_on_google" if of_machine else "cloud")
        key = {} if of_machine else {"bucket_secret": cloud.account()}
        where = {"bucket": "gs://exports", "bucket_endpoint": cloud.url}
        return {"folder": str(cloud.root / "exports")}, where | key
    if request.param == "folder":
        (tmp_path / "exports").mkdir(exist_ok=True)
        return {"folder": str(tmp_path / "exports")}, {"bucket": str(tmp_path / "exports")}
    bucket = request.getfixturevalue("s3_bucket")
    if request.param == "s3":
        return bucket.destination, bucket.settings()
    request.getfixturevalue("machine_on_amazon").role = ("reader", secret_of("reader"))
    where = bucket.settings()
    return bucket.destination, {name: where[name] for name in ("bucket", "bucket_endpoint")}


@pytest.fixture
def folder(tmp_path):
    """A folder that stands for a bucket."""
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


@pytest.fixture
def take(settings, warehouse, folder):
    """Takes what is new, as the job does."""

    def taken(run_id="files", now=_LATER, by_hand=(), **where):
        own = type(settings)(
            **{**settings.model_dump(), **(where or {"bucket": str(folder)})}, _env_file=None
        )
        bucket = open_bucket(own, patience_seconds=10)
        assert bucket is not None
        with connect_posthog(settings) as posthog:
            return take_files(
                bucket,
                posthog,
                warehouse,
                run=Run(run_id, "bucket"),
                config=sync_config(own),
                first_day=TODAY - timedelta(days=365),
                clock=lambda: now,
                by_hand=by_hand,
            )

    return taken


@pytest.fixture
def export(sandbox, folder):
    """Exports the hours of yesterday to the folder."""

    def exported(start=_TEN, end=NOW, now=_LATER, **options):
        sandbox.control.set_clock(now)
        return sandbox.control.export_to({"folder": str(folder)}, start=start, end=end, **options)

    return exported


@pytest.fixture
def files_alone(monkeypatch):
    """Nothing is read by query: what is there came from files."""
    monkeypatch.setattr(taking, "_MOST_READ", 0)


def view(at=_TEN, **fields):
    """A view of a listing."""
    return event("property_view", at, **{"listing_id": "L", **fields})


def states(warehouse):
    """What is known of each version, in the order of their keys."""
    return rows(warehouse, "SELECT state FROM exported_files ORDER BY key, first_seen_at, e_tag")


def stored(warehouse):
    """The events, by uuid."""
    return dict(rows(warehouse, "SELECT uuid::VARCHAR, listing_id FROM raw_events"))


def test_new_files_are_taken_once(sandbox, settings, warehouse, take, place):
    """From whatever store, by key or role: all events come, the day is proved, the next run takes nothing."""
    destination, where = place
    events = [view(_TEN + timedelta(minutes=50 * n), listing_id=f"L{n}") for n in range(5)]
    sandbox.control.insert(events)
    sandbox.control.set_clock(_LATER)
    keys = sandbox.control.export_to(destination, start=_TEN, end=NOW, prefix="events/{day}")
    report = take(**where)
    assert stored(warehouse) == {one["uuid"]: f"L{n}" for n, one in enumerate(events)}
    assert [(one.key, one.state, one.rows, one.events_new) for one in report.outcomes] == [
        (key, "taken", 1, 1) if number else (key, "taken", 2, 2) for number, key in enumerate(keys)
    ]
    assert (report.proof.equal, report.proof.differing) == ((_DAY,), ())
    again = take("again", **where)
    assert (again.outcomes, again.ingested.fetched) == ((), 0)
    assert rows(warehouse, "SELECT run_id, kind, status, events_new FROM runs ORDER BY run_id") == [
        ("again", "bucket", "succeeded", 0),
        ("files", "bucket", "succeeded", 5),
    ]


def test_a_plan_reads_no_day_that_files_brought_whole(sandbox, settings, warehouse, take, export):
    """A day whose exported events are PostHog's is proved: the next sync has only today to read."""
    sandbox.control.insert([view(), view(_TEN - timedelta(days=1))])
    export(start=_TEN - timedelta(days=2))
    take()
    with connect_posthog(settings) as posthog:
        plan = plan_sync(
            posthog,
            warehouse,
            config=sync_config(settings),
            first_day=_DAY - timedelta(days=1),
            now=_LATER,
        )
    assert plan.reasons == {TODAY: "never read"}


def test_a_late_event_comes_in_the_file_of_its_arrival(sandbox, warehouse, take, export):
    """An hour's file brings an event of last month; its day is compared, and no watermark is asked."""
    old = _TEN - timedelta(days=30)
    sandbox.control.insert([view(old, created_at=_TEN)])
    export()
    report = take()
    assert report.proof.equal == (old.date(),)
    assert len(stored(warehouse)) == 1


def test_what_an_export_lacks_is_read_by_query(sandbox, warehouse, take, export):
    """A row that showed after its file was written makes its day differ; its hour is read at once."""
    hidden = {**view(_TEN + timedelta(minutes=1)), "visible_at": _LATER + timedelta(minutes=5)}
    sandbox.control.insert([view(), hidden])
    export()
    sandbox.control.set_clock(_LATER + timedelta(minutes=6))
    report = take(now=_LATER + timedelta(minutes=6))
    assert (report.read, report.proof.differing, report.ingested.new) == ((_DAY,), (), 2)
    assert rows(warehouse, "SELECT parts, events_new FROM runs") == [(1, 2)]


def test_copies_that_an_export_left_out_are_read_alone(sandbox, warehouse, take, export):
    """Of two copies in one hour a file has one; the other comes by a query for such events only."""
    first = view(listing_id="first")
    again = {
        **first,
        "properties": {"listing_id": "second"},
        "created_at": first["created_at"] + timedelta(minutes=1),
    }
    others = [view(_TEN + timedelta(minutes=n)) for n in range(20)]
    # Which of the two the export writes is not said: here it is the one that came first.
    sandbox.control.insert([first, *others])
    export()
    sandbox.control.insert([again])
    sandbox.control.clear_requests()
    report = take()
    assert (report.proof.equal, report.read) == ((_DAY,), ())
    assert stored(warehouse)[first["uuid"]] == "second"
    read = [one for one in sandbox.control.requests() if "copies from" in str(one["name"])]
    assert [one["rows"] for one in read] == [2]


def test_many_days_that_differ_are_left_to_a_sync(
    sandbox, settings, warehouse, take, export, files_alone
):
    """A first load whose days lack events is no reason to read them all within the job of files."""
    hidden = {**view(_TEN + timedelta(minutes=1)), "visible_at": _LATER + timedelta(minutes=5)}
    sandbox.control.insert([view(), hidden])
    export()
    sandbox.control.set_clock(_LATER + timedelta(minutes=6))
    report = take(now=_LATER + timedelta(minutes=6))
    assert (report.read, report.proof.differing) == ((), (_DAY,))
    with connect_posthog(settings) as posthog:
        plan = plan_sync(
            posthog,
            warehouse,
            config=sync_config(settings),
            first_day=_DAY,
            now=_LATER + timedelta(minutes=6),
        )
    assert plan.reasons == {_DAY: "differs", TODAY: "never read"}
    loaded = load(settings, warehouse, [_DAY], run_id="sync", now=_LATER + timedelta(minutes=6))
    assert (loaded.ingested.new, loaded.incomplete_days) == (1, ())


def test_a_reexported_file_is_another_version(sandbox, warehouse, take, export):
    """PostHog writes an hour again with a corrected event: the new ETag is taken, the correction counts."""
    first = view(listing_id="wrong")
    sandbox.control.insert([first])
    export()
    take()
    sandbox.control.delete_events(uuids=[first["uuid"]])
    right = {
        **first,
        "properties": {"listing_id": "right"},
        "created_at": first["created_at"] + timedelta(minutes=1),
    }
    sandbox.control.insert([right])
    export()
    report = take("again")
    assert stored(warehouse) == {first["uuid"]: "right"}
    assert [(one.rows, one.events_new) for one in report.outcomes] == [(1, 0)]
    assert sorted(states(warehouse)) == [("superseded",), ("taken",)]


def test_parts_wait_for_the_manifest_and_surplus_ones_are_left(sandbox, warehouse, take, export):
    """Of a run that died nothing is taken; of the one after it only what its manifest lists."""
    noise = random.Random(1)
    sandbox.control.insert(
        [view(_TEN + timedelta(minutes=n), noise=noise.randbytes(600_000).hex()) for n in range(4)]
    )
    export(max_size_mb=1, batch_rows=2, dies_after=2)
    report = take()
    assert [(one.state, one.reason) for one in report.outcomes] == [
        ("waiting", "its manifest is not there yet")
    ] * 2
    assert stored(warehouse) == {}
    export(max_size_mb=50)
    report = take("again")
    assert [(one.key[-14:], one.state) for one in report.outcomes] == [
        ("-1.parquet.zst", "surplus"),
        ("-0.parquet.zst", "taken"),
    ]
    assert len(stored(warehouse)) == 4
    assert rows(warehouse, "SELECT model, state FROM exported_files WHERE model = 'manifest'") == [
        ("manifest", "taken")
    ]


def test_a_manifest_that_names_missing_files_is_told(
    sandbox, warehouse, take, export, folder, files_alone
):
    """What is there is taken; the manifest is incomplete until the file comes."""
    noise = random.Random(1)
    sandbox.control.insert(
        [view(_TEN + timedelta(minutes=n), noise=noise.randbytes(600_000).hex()) for n in range(4)]
    )
    keys = export(max_size_mb=1, batch_rows=2)
    content = (folder / keys[1]).read_bytes()
    (folder / keys[1]).unlink()
    report = take()
    told = [(one.key, one.reason) for one in report.outcomes if one.state == "incomplete"]
    assert told == [(keys[-1], f"it lists {keys[1]}, which is not there")]
    assert len(stored(warehouse)) == 2
    (folder / keys[1]).write_bytes(content)
    assert [one.state for one in take("again").outcomes] == ["taken"]
    assert {state for (state,) in states(warehouse)} == {"taken"}
    assert len(stored(warehouse)) == 4


@pytest.mark.parametrize(
    ("kind", "cut"),
    [
        ({}, lambda content: content[: len(content) // 2]),
        ({}, lambda content: b""),
        ({"format": "JSONLines", "compression": None}, lambda content: content[:-40]),
        (
            {"format": "JSONLines", "compression": "gzip"},
            lambda content: content[: len(content) // 2],
        ),
        (
            {"format": "JSONLines", "compression": "brotli"},
            lambda content: content[: len(content) // 2],
        ),
    ],
)
@pytest.mark.usefixtures("files_alone")
def test_a_broken_file_is_told_and_the_others_are_taken(
    sandbox, warehouse, take, export, folder, kind, cut
):
    """Half a file brings nothing; it is named, and tried again only when it has changed."""
    sandbox.control.insert([view(), view(_TEN + timedelta(hours=1))])
    broken, _ = export(**kind)
    content = (folder / broken).read_bytes()
    (folder / broken).write_bytes(cut(content))
    report = take()
    first, second = report.outcomes
    assert (first.key, first.state, second.state) == (broken, "unreadable", "taken")
    assert broken in str(first.reason)
    assert "\n" not in str(first.reason)
    assert len(stored(warehouse)) == 1
    assert take("again").outcomes == ()
    (folder / broken).write_bytes(content)
    assert [one.state for one in take("mended").outcomes] == ["taken"]
    assert len(stored(warehouse)) == 2


@pytest.mark.parametrize(("most_files", "left"), [(250, [0, 1, 2]), (1, [1, 2])])
def test_a_kill_between_two_files_loses_and_repeats_nothing(
    sandbox, warehouse, take, export, monkeypatch, most_files, left
):
    """What was merged is not taken again; what waited for others is; and the days of all are proved."""
    sandbox.control.insert(
        [view(), view(_TEN + timedelta(hours=1)), view(_TEN + timedelta(hours=2))]
    )
    keys = export()
    monkeypatch.setattr(folding, "_MOST_FILES", most_files)
    if most_files == 1:
        monkeypatch.setattr(folding, "_SMALL_BYTES", 0)  # each is typed when it comes
    fetch = Bucket.fetch
    fetched = []

    def killed(self, one, landing):
        fetched.append(one.key)
        if len(fetched) == 3:
            raise KeyboardInterrupt
        return fetch(self, one, landing)

    monkeypatch.setattr(Bucket, "fetch", killed)
    with pytest.raises(KeyboardInterrupt):
        take()
    assert len(stored(warehouse)) == 3 - len(left)
    report = take("again")
    assert fetched == [*keys, *(keys[number] for number in left)]
    assert len(stored(warehouse)) == 3
    assert report.proof.equal == (_DAY,)


def test_small_files_share_a_transaction(sandbox, warehouse, take, export, folder, monkeypatch):
    """Three hours are merged at once, each with its own counts; the broken one between them is set aside."""
    twice = view(_TEN + timedelta(hours=3))
    sandbox.control.insert([view(), view(), view(_TEN + timedelta(hours=1)), twice])
    keys = export()
    (folder / keys[1]).write_bytes((folder / keys[1]).read_bytes()[:-30])
    copy = keys[2].replace(".parquet", "-0.parquet")
    (folder / copy).write_bytes((folder / keys[2]).read_bytes())
    (folder / keys[2].replace(".parquet.zst", "_manifest.json")).write_text(
        json.dumps({"files": [copy]})
    )
    merged = []

    def merging(warehouse, files, **options):
        merged.append(len(files))
        return merge_files(warehouse, files, **options)

    monkeypatch.setattr(taking, "merge_files", merging)
    monkeypatch.setattr(taking, "_MOST_READ", 0)
    outcomes = {one.key: (one.state, one.rows, one.events_new) for one in take().outcomes}
    assert outcomes == {
        keys[0]: ("taken", 2, 2),
        keys[1]: ("unreadable", None, None),
        keys[2]: ("taken", 1, 1),
        copy: ("taken", 1, 0),
    }
    assert merged == [3]
    assert len(stored(warehouse)) == 3


def test_a_kill_within_a_shared_transaction_leaves_nothing_half(
    sandbox, warehouse, take, export, monkeypatch
):
    """Killed when the second of three files is noted: neither rows nor notes of any are there."""
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(3)])
    export()
    noted = []
    note = register.note

    def killed(*args, **options):
        noted.append(args)
        if len(noted) == 2:
            raise KeyboardInterrupt
        note(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(register, "note", killed)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert (stored(warehouse), states(warehouse)) == ({}, [])
    assert rows(warehouse, "SELECT count(*) FROM exported_days") == [(0,)]
    assert [one.events_new for one in take("again").outcomes] == [1, 1, 1]


def test_a_file_that_cannot_be_merged_keeps_back_no_other(
    sandbox, warehouse, take, export, monkeypatch
):
    """The door fails at the second of three files, whatever the reason: the first is in, as by itself."""
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(3)])
    export()
    merged = []

    def failing(connection, staged, **options):
        merged.append(staged)
        if len(merged) > 1 and staged is merged[1]:
            raise duckdb.InternalException("INTERNAL Error: no such thing")
        return ingest(connection, staged, **options)

    def failing_together(*args, **options):
        raise duckdb.InternalException("INTERNAL Error: no such thing")

    with monkeypatch.context() as patched:
        patched.setattr(folding, "ingest", failing)
        patched.setattr(folding, "ingest_together", failing_together)
        with pytest.raises(duckdb.InternalException):
            take()
    assert states(warehouse) == [("taken",)]
    assert [one.events_new for one in take("again").outcomes] == [1, 1]


def test_files_are_typed_while_others_are_merged(
    sandbox, warehouse, take, export, monkeypatch, files_alone
):
    """The first file is merged only once the third is typed: who did the one after the other would wait."""
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(3)])
    export()
    third_is_typed, typed = threading.Event(), []

    def staging(path, **options):
        staged = stage_file(path, **options)
        typed.append(path)
        if len(typed) == 3:
            third_is_typed.set()
        return staged

    def merging(warehouse, files, **options):
        assert third_is_typed.wait(60)
        return merge_files(warehouse, files, **options)

    monkeypatch.setattr(taking, "stage_file", staging)
    monkeypatch.setattr(taking, "merge_files", merging)
    monkeypatch.setattr(taking, "fit_together", lambda files: len(files) == 1)
    monkeypatch.setattr(folding, "_SMALL_BYTES", 0)
    assert [one.state for one in take().outcomes] == ["taken"] * 3
    assert len(stored(warehouse)) == 3


def test_what_waits_makes_room_for_what_comes(sandbox, warehouse, take, export, monkeypatch):
    """A file that does not fit on the disk beside those that wait is typed again once they are merged."""
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(3)])
    export()

    def staging(path, *, folder, **options):
        if any(folder.glob("exported-*")):
            raise DiskFull("there is no room")
        return stage_file(path, folder=folder, **options)

    monkeypatch.setattr(taking, "stage_file", staging)
    monkeypatch.setattr(folding, "_SMALL_BYTES", 0)
    assert [one.state for one in take().outcomes] == ["taken"] * 3


def test_small_files_that_do_not_fit_on_the_disk_together_are_taken_alone(
    sandbox, warehouse, take, export, monkeypatch
):
    """Room for one file at a time is enough, and what was gathered is not lost."""
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(3)])
    export()

    def staging(files, **options):
        raise DiskFull("there is no room")

    monkeypatch.setattr(taking, "stage_together", staging)
    assert [one.events_new for one in take().outcomes] == [1] * 3


@pytest.fixture
def typed_together(monkeypatch):
    """How many files each statement types that types several."""
    found = []

    def staging(files, **options):
        staged = stage_together(files, **options)
        found.append(len(files))
        return staged

    monkeypatch.setattr(taking, "stage_together", staging)
    return found


def _write_mixed_hours(folder):
    """Files of three hours: copies across files, what cannot be used, stored or dated; none, and others."""
    twice = view(listing_id="first")
    again = {**twice, "properties": {"listing_id": "second"}}
    later = {**twice, "properties": {"listing_id": "third"}, "created_at": _LATER}
    of_hours = [
        [twice, view(), event("property_view", _TEN, listing_id=None), event("not ours", _TEN)],
        [],
        [again, {**view(), "uuid": "no uuid"}, view(_TEN - timedelta(days=4000), created_at=_TEN)],
        [later, view(), view(_TEN - timedelta(days=4000), created_at=_TEN - timedelta(days=4000))],
    ]
    for number, events in enumerate(of_hours):
        hour = [_TEN + timedelta(hours=number + more) for more in (0, 1)]
        name = f"{hour[0].isoformat()}-{hour[1].isoformat()}.parquet.zst"
        write_parquet(folder / name, events)


def test_files_typed_together_are_as_each_by_itself(
    sandbox, settings, folder, tmp_path, warehouse, monkeypatch, typed_together
):
    """Outcomes, counts, days and all that is stored are the same, but which of its files has an event new."""
    _write_mixed_hours(folder)
    sandbox.control.set_clock(_LATER)
    monkeypatch.setattr(taking, "_MOST_READ", 0)
    found: list[Any] = []
    monkeypatch.setattr(taking._Taker, "_refuse_other_project", lambda *_, **__: None)
    for kind, small_bytes in (("together", 4_000_000), ("alone", 0)):
        monkeypatch.setattr(folding, "_SMALL_BYTES", small_bytes)
        own = type(settings)(
            **{**settings.model_dump(), "bucket": str(folder), "data_dir": tmp_path / kind},
            _env_file=None,
        )
        own.data_dir.mkdir()
        into = replace(warehouse, path=own.warehouse_path)
        bucket = open_bucket(own, patience_seconds=10)
        assert bucket is not None
        with connect_posthog(own) as posthog:
            report = take_files(
                bucket,
                posthog,
                into,
                run=Run("files", "bucket"),
                config=sync_config(own),
                first_day=TODAY - timedelta(days=365),
                clock=lambda: _LATER,
            )
        tables = {
            "raw_events": "* REPLACE (json(properties)::VARCHAR AS properties)",
            "rejected_events": "reason, content",
            "runs": "events_fetched, events_new, events_duplicate, events_rejected",
        }
        stored = [
            rows(into, f"SELECT {columns} FROM {table} ORDER BY ALL")
            for table, columns in tables.items()
        ]
        outcomes = [(one.key, one.state, one.rows, one.reason) for one in report.outcomes]
        new = sum(one.events_new or 0 for one in report.outcomes)
        found.append((report.ingested, outcomes, new, stored))
    together, alone = found
    assert together == alone
    assert typed_together == [4]
    assert (together[0].fetched, together[2], len(together[3][0])) == (7, 4, 4)


def test_each_of_the_files_typed_together_has_its_own_counts(
    sandbox, warehouse, take, export, typed_together
):
    """Rows that are left out and events that are there already are counted with the file that has them."""
    sandbox.control.insert([view(_TEN + timedelta(hours=1))])
    export(prefix="before")
    take()
    sandbox.control.insert(
        [
            *(view() for _ in range(3)),
            event("not ours", _TEN + timedelta(hours=2)),
            view(_TEN + timedelta(hours=2)),
        ]
    )
    export(prefix="after")
    outcomes = take("again").outcomes
    assert [(one.rows, one.events_new) for one in outcomes] == [(3, 3), (1, 0), (2, 1)]
    assert typed_together == [3]


def test_a_small_file_with_damaged_rows_is_set_aside_alone(
    sandbox, warehouse, take, export, folder, monkeypatch, typed_together
):
    """Its form is whole, so it is gathered with others; its rows are not, and the others are taken."""
    monkeypatch.setattr(taking, "_MOST_READ", 0)
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(3)])
    keys = export()
    content = (folder / keys[1]).read_bytes()
    (folder / keys[1]).write_bytes(content[:4] + b"\xff" * 60 + content[64:])
    assert [one.state for one in take().outcomes] == ["taken", "unreadable", "taken"]
    assert (typed_together, len(stored(warehouse))) == ([], 2)


def test_files_with_other_columns_are_typed_apart(sandbox, warehouse, take, folder, typed_together):
    """What one statement types has one set of columns; the order of files stays."""
    without = pa.schema([one for one in SCHEMA if one.name != "created_at"])
    for number, schema in enumerate((SCHEMA, SCHEMA, without, without, without)):
        hours = [_TEN + timedelta(hours=number + more) for more in (0, 1)]
        name = f"{hours[0].isoformat()}-{hours[1].isoformat()}.parquet.zst"
        write_parquet(folder / name, [view(hours[0])], schema=schema)
    sandbox.control.set_clock(_LATER)
    outcomes = take().outcomes
    assert [one.events_new for one in outcomes] == [1] * 5
    assert typed_together == [2, 3]


def test_files_of_one_name_in_two_folders_are_gathered_apart(
    sandbox, warehouse, take, place, typed_together
):
    """What is fetched from a store is kept under a name of its own until it is typed."""
    destination, where = place
    events = [view(listing_id=f"L{n}") for n in range(2)]
    for number, one in enumerate(events):
        sandbox.control.insert([one])
        sandbox.control.set_clock(_LATER)
        sandbox.control.export_to(destination, start=_TEN, end=NOW, prefix=f"events/{'ab'[number]}")
    take(**where)
    assert stored(warehouse) == {one["uuid"]: f"L{n}" for n, one in enumerate(events)}
    assert typed_together == [2]


def test_a_store_that_goes_away_ends_the_run(sandbox, take, export, warehouse, monkeypatch):
    """Three files that cannot be fetched in a row: the run fails, and its successor takes them."""
    sandbox.control.insert([view(_TEN + timedelta(hours=n)) for n in range(5)])
    export()

    def away(self, one, landing):
        raise BucketUnavailable("the store cannot be reached")

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "fetch", away)
        with pytest.raises(BucketUnavailable):
            take()
    assert states(warehouse) == [("postponed",)] * 3
    assert rows(warehouse, "SELECT status, error FROM runs") == [
        ("failed", "the store cannot be reached")
    ]
    take("again")
    assert len(stored(warehouse)) == 5


@pytest.mark.parametrize(
    ("interval", "zone"),
    [
        pytest.param("every 5 minutes", "UTC", marks=pytest.mark.long),
        ("every 15 minutes", "Asia/Kathmandu"),
        ("hour", "America/St_Johns"),
        ("day", "Africa/Lagos"),
        ("week", "Europe/Berlin"),
    ],
)
def test_intervals_of_any_length_in_any_zone(sandbox, warehouse, take, folder, interval, zone):
    """However long an interval is and wherever it begins, each event comes once."""
    events = [view(_TEN + timedelta(minutes=37 * n)) for n in range(6)]
    sandbox.control.insert(events)
    later = NOW + timedelta(days=8)
    sandbox.control.set_clock(later)
    sandbox.control.export_to(
        {"folder": str(folder)},
        start=_TEN,
        end=later,
        interval=interval,
        zone=zone,
        is_backfill=True,
    )
    report = take(now=later)
    assert report.ingested.new == 6
    assert {*stored(warehouse)} == {one["uuid"] for one in events}


def test_a_backfill_and_the_live_export_overlap(sandbox, warehouse, take, export):
    """A backfill from the beginning (`None`) has events that live files have, too: each counts once."""
    old = _TEN - timedelta(days=100)
    events = [view(old), view(old + timedelta(days=1)), view()]
    sandbox.control.insert(events)
    export()
    export(start=None, end=NOW)
    report = take()
    assert {*stored(warehouse)} == {one["uuid"] for one in events}
    assert (report.ingested.new, report.ingested.duplicate) == (3, 1)
    assert rows(
        warehouse,
        "SELECT interval_start, interval_end FROM exported_files WHERE interval_start IS NULL",
    ) == [(None, NOW)]
    assert report.proof.differing == ()


def test_a_backfill_of_old_days_is_whole_whatever_its_inserted_at(sandbox, warehouse, take, export):
    """Older than six days PostHog selects by timestamp: late arrivals are in the day's own file."""
    day = _TEN - timedelta(days=20)
    sandbox.control.insert([view(day), view(day, created_at=day + timedelta(days=12))])
    export(start=day, end=day + timedelta(days=2), interval="day", is_backfill=True)
    report = take()
    assert (report.ingested.new, report.proof.equal) == (2, (day.date(),))


def test_columns_that_are_new_change_nothing(sandbox, warehouse, take, export):
    """A later PostHog exports more than today's: what is known is read."""
    sandbox.control.insert([view()])
    export(extra_columns={"region": "eu"})
    assert take().ingested.new == 1


def test_other_models_and_other_files_are_left(sandbox, warehouse, take, export, folder):
    """A readme is counted; what has neither events nor persons is named, once."""
    sandbox.control.insert([view()])
    (key,) = export(prefix="events")
    (folder / "readme.txt").write_text("ours")
    other = folder / "other" / key.rsplit("/", 1)[-1].replace(".parquet.zst", ".jsonl")
    other.parent.mkdir()
    other.write_text(json.dumps({"session_id": "s", "duration": 1}) + "\n")
    report = take()
    assert report.choice.others == 1
    assert [(one.model, one.state) for one in report.outcomes] == [
        ("events", "taken"),
        ("sessions", "ignored"),
    ]
    assert take("again").outcomes == ()


def test_persons_come_from_their_own_export(sandbox, warehouse, take, export):
    """Events and persons under one prefix: events get whom their distinct ids belong to now."""
    sandbox.control.insert([view(distinct_id="phone"), view(distinct_id="desk")])
    export(prefix="{table}")
    take()
    assert rows(warehouse, "SELECT count(DISTINCT person_id) FROM raw_events") == [(2,)]
    sandbox.control.merge_persons("desk", "phone")
    later = _LATER + timedelta(hours=1)
    export(end=later, now=later, model="persons", prefix="{table}")
    report = take("persons", now=later)
    assert [(one.model, one.state) for one in report.outcomes] == [("persons", "taken")] * len(
        report.outcomes
    )
    assert rows(warehouse, "SELECT count(DISTINCT person_id) FROM raw_events") == [(1,)]


@pytest.mark.parametrize("compression", [None, "gzip", "brotli"])
def test_persons_come_as_json_lines_too(sandbox, warehouse, take, export, compression):
    """However PostHog packs them; ids that look like dates or UUIDs stay what they are."""
    ids = ["2026-11-20", "018F3B6E-0000-7000-8000-00000000000A", "0042"]
    sandbox.control.insert([view(distinct_id=one) for one in ids])
    export(model="persons", end=_LATER, now=_LATER, format="JSONLines", compression=compression)
    report = take()
    assert [(one.model, one.state, one.rows) for one in report.outcomes] == [
        ("persons", "taken", 3)
    ]
    assert sorted(rows(warehouse, "SELECT distinct_id FROM person_overrides")) == [
        (one,) for one in sorted(ids)
    ]


def test_persons_of_another_project_are_told(sandbox, warehouse, take, export):
    """Their rows name the project; a person may have them taken all the same."""
    sandbox.control.insert([view(distinct_id="phone")])
    (key,) = export(model="persons", end=_LATER, now=_LATER, team_id=77)
    assert [(one.state, one.model) for one in take().outcomes] == [("foreign", "persons")]
    ((reason,),) = rows(warehouse, "SELECT reason FROM exported_files")
    assert reason.startswith("it is of another project: none of its persons is of project 1. `lead")
    assert [one.state for one in take("hand", by_hand=[key]).outcomes] == ["taken"]


def test_a_file_is_taken_again_by_hand(sandbox, warehouse, take, export, folder):
    """A person names it: unreadable before, mended with the same version or not."""
    sandbox.control.insert([view()])
    (key,) = export()
    take()
    assert [(one.key, one.rows) for one in take("hand", by_hand=[key]).outcomes] == [(key, 1)]
    with pytest.raises(ConfigurationError, match=r"has no nothing\.parquet"):
        take("hand", by_hand=["nothing.parquet"])


def test_files_that_come_and_go_are_remembered(sandbox, warehouse, take, export, folder):
    """What a lifecycle rule removed after it was taken stays taken; what it removed before is told."""
    sandbox.control.insert([view(), view(_TEN + timedelta(hours=1))])
    first, second = export()
    (folder / second).write_bytes(b"broken")
    take()
    (folder / first).unlink()
    (folder / second).unlink()
    take("again")
    assert states(warehouse) == [("taken",), ("removed",)]


def test_a_file_of_another_project_is_told(sandbox, warehouse, take, export, folder):
    """PostHog knows none of its events: nothing of it is taken, unless a person says so."""
    sandbox.control.insert([view(_TEN + timedelta(minutes=n)) for n in range(12)])
    (key,) = export()
    sandbox.control.delete_events(before=NOW)
    report = take()
    assert [(one.key, one.state) for one in report.outcomes] == [(key, "foreign")]
    assert "it is of another project" in str(report.outcomes[0].reason)
    assert stored(warehouse) == {}
    assert take("again").outcomes == ()
    assert [one.events_new for one in take("hand", by_hand=[key]).outcomes] == [12]


def test_a_kill_within_a_large_file_leaves_its_days_to_be_proved(
    sandbox, warehouse, take, export, monkeypatch
):
    """Days of pieces that were merged are not forgotten: the next run compares them."""
    monkeypatch.setattr(staging, "_PIECES", ", ROW_GROUP_SIZE 2048, ROW_GROUPS_PER_FILE 1")
    of_days = [_TEN - timedelta(days=back) for back in (0, 1)]
    sandbox.control.insert([view(of_days[n % 2], created_at=_TEN) for n in range(4100)])
    export()
    with monkeypatch.context() as patched:
        patched.setattr(register, "note", _killed)
        with pytest.raises(KeyboardInterrupt):
            take()
    assert 0 < len(stored(warehouse)) < 4100
    assert rows(warehouse, "SELECT event_date FROM exported_days ORDER BY ALL") == [
        (_DAY - timedelta(days=1),),
        (_DAY,),
    ]
    assert take("again").proof.equal == (_DAY - timedelta(days=1), _DAY)
    assert len(stored(warehouse)) == 4100
    assert rows(warehouse, "SELECT count(*) FROM exported_days") == [(0,)]


def _killed(*args, **options):
    raise KeyboardInterrupt
