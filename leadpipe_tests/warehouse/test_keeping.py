"""A lake's files and its past: few files, no byte of who was erased, and what a table was when."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import duckdb
import psycopg
import pytest

from leadpipe.draws.drawing import freeze
from leadpipe.errors import AmbiguousId, LeadpipeError, WarehouseError
from leadpipe.events.wiping import note_deletion, wipe
from leadpipe.warehouse import choose, looking_back, maintain, maintaining, snapshots
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import DRAW_DATE, PRIZES, RULES, give_entries, mark_read, msisdn
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.lakes import let_go
from leadpipe_tests.proxy import TcpProxy, tcp_proxy
from leadpipe_tests.warehouse.stores import Kept, kept, make_kept

__all__ = ["kept"]

_DAY = timedelta(days=1)
_ERASED = "zaphod.beeblebrox@example.org"
_REWRITE = "ducklake_rewrite_data_files"
_MERGE = "ducklake_merge_adjacent_files"
_STAYS = "arthur.dent@example.org"


def bring(kept, *, folds=3, who=_STAYS):
    """Events of a person, a run and a fold each, on the same days."""
    for n in range(folds):
        events = [
            event("lead_phone", NOW - minute * timedelta(minutes=1), seeker_id=who, distinct_id=who)
            for minute in (n + 1, n + 100)
        ]
        take_in(kept.warehouse, kept.folder, events, run_id=f"{who[:6]}-{n}", now=NOW)


def last_moment(kept):
    """When the newest state was made, by the lake's own clock."""
    return snapshots(kept.warehouse)[0].made_at


def content(kept):
    """All rows of events and the ledger."""
    return {
        table: rows(kept.warehouse, f"FROM {table} ORDER BY ALL")
        for table in ("raw_events", "runs", "run_parts", "event_days")
    }


def test_maintenance_leaves_few_files_and_all_rows(kept):
    """Files are merged, old states expire, what nobody refers to is removed a day later; rows stay."""
    bring(kept, folds=5)
    before = content(kept)
    files = len(kept.objects())
    first = maintain(kept.warehouse, keep=7 * _DAY, now=last_moment(kept))
    assert (first.snapshots_expired, first.files_removed, first.orphans_removed) == (0, 0, 0)
    assert "raw_events" in first.tables_tidied
    assert first.after.files < first.before.files
    everything = len(kept.objects())
    assert everything > files  # the past can be read still
    later = last_moment(kept) + 10 * _DAY
    second = maintain(kept.warehouse, keep=7 * _DAY, now=later)
    assert second.snapshots_expired > 10
    assert second.after.snapshots == 1
    assert second.files_removed == everything - second.after.files
    assert len(kept.objects()) == second.after.files
    assert content(kept) == before


def test_a_file_that_no_commit_knows_is_removed_once_it_is_old(kept):
    """What a killed fold left goes after two days, not beside a fold that may be writing it."""
    bring(kept, folds=1)
    known = kept.objects()
    content_of_one = next(iter(known.values()))
    name = "main/raw_events/left.parquet"
    if kept.bucket is None:
        (Path(kept.lake.data) / name).write_bytes(content_of_one)
    else:
        kept.bucket.put(f"lake/{name}", content_of_one)
    now = last_moment(kept)
    assert maintain(kept.warehouse, keep=7 * _DAY, now=now).orphans_removed == 0
    assert maintain(kept.warehouse, keep=7 * _DAY, now=now + 3 * _DAY).orphans_removed == 1
    assert not [one for one in kept.objects() if one.endswith("left.parquet")]


def test_no_byte_of_who_was_erased_is_left(kept):
    """After the wipe no object has the name, decompressed or not, nor has the catalog; others are there."""
    bring(kept)
    bring(kept, who=_ERASED)
    maintain(kept.warehouse, keep=7 * _DAY, now=last_moment(kept))
    with kept.warehouse.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE seeker_id = ?", [_ERASED])
        note_deletion(connection, now=NOW)
    assert kept.files_with(_ERASED)
    assert kept.catalog_with(_ERASED)
    before = content(kept)
    assert (wipe(kept.warehouse), wipe(kept.warehouse)) == (True, False)
    assert kept.files_with(_ERASED) == []
    assert kept.catalog_with(_ERASED) == []
    assert kept.files_with(_STAYS)
    assert content(kept) == before
    bring(kept, folds=1, who="ford.prefect@example.org")
    assert kept.catalog_with(_ERASED) == []
    assert rows(kept.warehouse, "SELECT count(*) FROM raw_events WHERE seeker_id > 'b'") == [(2,)]


def test_folds_go_on_beside_maintenance(request, tmp_path):
    """Who writes under a lock waits for a table at most: no row is lost or doubled, no fold fails."""
    kept = make_kept("shared", request, tmp_path)
    patient = replace(kept.warehouse, lock_timeout_seconds=120.0)
    bring(kept, folds=1)
    with patient.writing("door") as connection:
        connection.execute("CREATE TABLE folded (n INTEGER)")
    problems: list[Exception] = []

    def fold():
        try:
            for n in range(8):
                with patient.writing("door") as connection:
                    connection.execute("INSERT INTO folded VALUES (?)", [n])
                    connection.execute("UPDATE runs SET events_new = events_new + 1")
        except (LeadpipeError, duckdb.Error) as error:
            problems.append(error)

    writer = Thread(target=fold)
    writer.start()
    rounds = 0
    while rounds < 2 or writer.is_alive():
        done = maintain(patient, keep=timedelta(0), now=last_moment(kept))
        assert done.tables_busy == ()
        assert done.files_removed == 0  # a day later: a fold reads some of them still
        rounds += 1
    writer.join()
    assert problems == []
    assert rows(kept.warehouse, "SELECT events_new FROM runs") == [(2 + 8,)]
    assert rows(kept.warehouse, "FROM folded ORDER BY n") == [(n,) for n in range(8)]


def test_a_table_that_somebody_writes_without_our_locks_waits(request, tmp_path, monkeypatch):
    """A conflict is no failure of the night: the table is named, the others are tidied."""
    kept = make_kept("shared", request, tmp_path)
    bring(kept)
    call = maintaining._call

    def beside(connection, function, *arguments, **options):
        if function == "ducklake_merge_adjacent_files" and arguments[1] == "raw_events":
            connection.execute("BEGIN TRANSACTION")
            call(connection, function, *arguments, **options)
            with kept.warehouse.connect() as other:
                other.execute("UPDATE raw_events SET price = 1")
            try:
                return connection.execute("COMMIT").fetchall()
            except Exception:
                with suppress(Exception):
                    connection.execute("ROLLBACK")
                raise
        return call(connection, function, *arguments, **options)

    monkeypatch.setattr(maintaining, "_call", beside)
    done = maintain(kept.warehouse, keep=7 * _DAY, now=last_moment(kept))
    assert done.tables_busy == ("raw_events",)
    assert "runs" in done.tables_tidied
    assert rows(kept.warehouse, "SELECT count(*), min(price) FROM raw_events") == [(6, 1)]


@pytest.fixture
def behind_a_proxy(request, tmp_path) -> Iterator[tuple[Kept, TcpProxy]]:
    """A shared lake, with a proxy between its one machine and PostgreSQL."""
    kept = make_kept(request.param, request, tmp_path)
    port = request.getfixturevalue("postgres").port
    with tcp_proxy(port) as proxy:
        there, here = f"port={port}", f"port={proxy.port}"
        lake = replace(
            kept.lake,
            catalog=kept.lake.catalog.replace(there, here),
            state=str(kept.lake.state).replace(there, here),
        )
        yield replace(kept, warehouse=replace(kept.warehouse, lake=lake)), proxy
        let_go(lake)


def all_files_are_there(kept: Kept) -> bool:
    """Whether each file that the lake's current state needs is in the store."""
    there = {name.rpartition("/")[2] for name in kept.objects()}
    named = [
        name
        for table in ("raw_events", "runs", "event_days")
        for pair in rows(
            kept.warehouse,
            f"SELECT data_file, delete_file FROM ducklake_list_files(current_database(), '{table}')",
        )
        for name in pair
        if name
    ]
    return {name.rpartition("/")[2] for name in named} <= there


@pytest.mark.parametrize(
    ("behind_a_proxy", "keeping", "what", "when"),
    [
        ("shared", "maintain", _REWRITE, "before"),
        ("shared", "maintain", _REWRITE, "after"),
        ("shared", "maintain", _MERGE, "before"),
        ("shared", "maintain", _MERGE, "after"),
        ("shared", "erase", _REWRITE, "before"),
        ("shared", "erase", _REWRITE, "after"),
        *(
            pytest.param("bucket", *cut, "after", marks=pytest.mark.long)
            for cut in (("maintain", _REWRITE), ("maintain", _MERGE), ("erase", _REWRITE))
        ),
    ],
    indirect=["behind_a_proxy"],
)
def test_maintenance_cut_at_its_commit_loses_nothing(
    behind_a_proxy, monkeypatch, keeping, what, when
):
    """PostgreSQL may have the commit, and no file of it be there: what it said before is put back."""
    kept, proxy = behind_a_proxy
    bring(kept)
    with kept.warehouse.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE run_id = 'arthur-1' AND event_hour < 12")
        connection.execute("DELETE FROM raw_events WHERE uuid = (SELECT min(uuid) FROM raw_events)")
    before = content(kept)
    call = maintaining._call

    def cut(connection, function, *arguments, **options):
        if function == what and arguments[1:2] == ("raw_events",):
            proxy.cut_at(b"COMMIT", when)
        return call(connection, function, *arguments, **options)

    def keep():
        if keeping == "maintain":
            maintain(kept.warehouse, keep=7 * _DAY, now=last_moment(kept))
        else:
            maintaining.erase(kept.warehouse)

    with monkeypatch.context() as patched:
        patched.setattr(maintaining, "_call", cut)
        with pytest.raises(LeadpipeError) as error:
            keep()
        assert "\n" not in str(error.value)
        assert proxy.is_cut
    bring(kept, folds=1, who="ford.prefect@example.org")
    assert all_files_are_there(kept)
    with kept.warehouse.writing("door") as connection:
        connection.execute("DELETE FROM raw_events WHERE seeker_id LIKE 'ford%'")
        connection.execute("DELETE FROM runs WHERE run_id LIKE 'ford%'")
    keep()
    assert content(kept)["raw_events"] == before["raw_events"]
    assert all_files_are_there(kept)
    with psycopg.connect(str(kept.lake.postgres)) as connection:
        assert not connection.execute(
            "SELECT tablename FROM pg_tables WHERE tablename LIKE 'leadpipe_before_%'"
        ).fetchall()


def test_each_commit_of_a_run_names_it(kept):
    """History lists what a run committed, newest first; the start of its id is enough to look back."""
    bring(kept, folds=2)
    found = snapshots(kept.warehouse)
    assert [one.run_id for one in found if one.run_id] == ["arthur-1", "arthur-0"]
    assert {one.what for one in found if one.run_id} == {"fold of 2 events"}
    with looking_back(kept.warehouse, choose(found, "arthur-0")) as past:
        assert past.execute("SELECT count(*) FROM raw_events").fetchall() == [(2,)]
        with pytest.raises(Exception, match="read-only"):
            past.execute("DELETE FROM raw_events")
    assert rows(kept.warehouse, "SELECT count(*) FROM raw_events") == [(4,)]
    with pytest.raises(AmbiguousId, match="2 runs begin with arthur"):
        choose(found, "arthur")
    with pytest.raises(WarehouseError, match="No state of a run nobody is kept"):
        choose(found, "nobody")


def test_a_list_is_seen_as_it_was_when_its_draw_was_frozen(kept):
    """Until maintenance lets the state expire, and a clear word after that."""
    mark_read(kept.warehouse)
    give_entries(kept.warehouse, {msisdn(n): 1 + n for n in range(30)})
    with kept.warehouse.connect() as connection:
        freeze(connection, DRAW_DATE, PRIZES, rules=RULES, now=NOW, seed="5eed" * 16)
    frozen_at = last_moment(kept)
    with kept.warehouse.writing("participants") as connection:
        connection.execute("DELETE FROM draw_participants WHERE draw_date = ?", [DRAW_DATE])
    when = frozen_at.isoformat()
    question = "SELECT count(*), max(draw_date) FROM draw_participants"
    assert rows(kept.warehouse, question) == [(0, None)]
    with looking_back(kept.warehouse, choose(snapshots(kept.warehouse), when)) as past:
        assert past.execute(question).fetchall() == [(30, DRAW_DATE)]
    maintain(kept.warehouse, keep=7 * _DAY, now=frozen_at + 10 * _DAY)
    with pytest.raises(WarehouseError, match=r"is not kept\. The oldest state that is kept is of"):
        choose(snapshots(kept.warehouse), when)


@pytest.mark.file_only("says what a file has not")
def test_a_file_has_neither_past_nor_maintenance(warehouse):
    """It is said so, with what there is instead."""
    with pytest.raises(WarehouseError, match="a file, which has no past"):
        snapshots(warehouse)
    with pytest.raises(WarehouseError, match="a file and needs none of this"):
        maintain(warehouse, keep=_DAY, now=NOW)
