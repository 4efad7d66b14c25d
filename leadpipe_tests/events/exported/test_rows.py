"""Rows of exported files are those that a query brings."""

from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.events.exported.folding import TakenIn
from leadpipe.events.mapping.reading import built_in, read_mapping
from leadpipe.events.mapping.versions import adopt
from leadpipe.events.persons import PersonRank
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load, rows, take_in
from leadpipe_tests.events.exported.builders import take, write_json_lines, write_parquet
from leadpipe_tests.posthog_sandbox.export_asking import created, fetched

_AT = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)
_UUID = "00000000-0000-4000-8000-{:012d}"
_PERSON = "11111111-1111-4111-8111-111111111111"
_STORED = "SELECT * EXCLUDE (run_id, person_rank) FROM raw_events ORDER BY uuid"

_BULKY = [
    {"listing_id": "L-1", "viewed_from": "search", "$screen_height": 900, "is_logged_in": True},
    {"$screen": 1, "utm_source": 'a "quoted" \\ / é ₦', "seeker_id": 12345, "listing_id": "L\n2"},
    {"$pathname": "/a/b", "platform": {"name": "web", "tags": ["x", 1, None]}, "listing_id": None},
    {"nothing": "of what is kept", "n": 10.5},
    {"$session_id": "s", "action": -7, "utm_term": 1.25, "$host": "", "$referring_domain": []},
]


@pytest.fixture
def events():
    """Bulky and whole events, of all kinds of properties."""
    bulky = [
        event(name, _AT + timedelta(seconds=n), uuid=_UUID.format(n), properties=properties)
        for n, (name, properties) in enumerate(
            (name, properties) for name in ("property_view", "$pageview") for properties in _BULKY
        )
    ]
    whole = [
        event(
            "lead_phone",
            _AT,
            uuid=_UUID.format(100),
            distinct_id="anna",
            person_id=_PERSON,
            properties='{"z": 1.0,  "listing_id":"L", "lead_type": "phone"}',
        ),
        event("listing_sold", _AT, uuid=_UUID.format(101), listing_id="L", price="₦450,000.50"),
        event("recharge", _AT, uuid=_UUID.format(102), properties="{}"),
        event("unheard_of", _AT, uuid=_UUID.format(103)),
    ]
    return bulky + whole


@pytest.mark.parametrize("compression", ["zstd", "gzip", "brotli", "lz4", "snappy", None])
def test_a_downloaded_file_gives_the_rows_of_the_query(
    sandbox, settings, warehouse, tmp_path, events, compression
):
    """Parquet of any compression, byte for byte what the query lane stores: narrow, typed, in order."""
    sandbox.control.insert(events)
    load(settings, warehouse, [TODAY])
    file = {"format": "Parquet", "compression": compression}
    other = Warehouse(tmp_path / "other" / "leadpipe.duckdb")
    for path in fetched(sandbox, tmp_path, created(sandbox, file=file)):
        taken = take(other, path)
        assert (taken.rows, taken.fetched, taken.new, taken.not_asked_for) == (14, 13, 13, 1)
    assert rows(other, _STORED) == rows(warehouse, _STORED)


@pytest.mark.parametrize("compression", ["gzip", None])
def test_downloaded_json_lines_give_the_typed_rows_of_the_query(
    sandbox, settings, warehouse, tmp_path, events, compression
):
    """Their properties are printed anew; all else is the same, and taking both changes no row."""
    sandbox.control.insert(events)
    load(settings, warehouse, [TODAY])
    file = {"format": "JSONLines", "compression": compression}
    (path,) = fetched(sandbox, tmp_path, created(sandbox, file=file))
    other = Warehouse(tmp_path / "other" / "leadpipe.duckdb")
    assert take(other, path).new == 13
    columns = _STORED.replace("(run_id,", "(properties, run_id,")
    assert rows(other, columns) == rows(warehouse, columns)
    before = rows(warehouse, "SELECT * FROM raw_events ORDER BY uuid")
    taken = take(warehouse, path, run_id="run-2")
    assert (taken.duplicate, taken.changed_days) == (13, ())
    assert rows(warehouse, "SELECT * FROM raw_events ORDER BY uuid") == before


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "no ending"])
def test_json_lines_are_told_by_their_content(warehouse, tmp_path, name):
    """Plain, gzip or zstd, whatever the name says."""
    path = write_json_lines(tmp_path / name, [event("property_view", _AT, listing_id="L")] * 2)
    assert take(warehouse, path).new == 1


@pytest.mark.parametrize(
    "name",
    [
        "2026-11-20T00:00:00+00:00-2026-11-21T00:00:00+00:00.parquet.zst",
        "[1]*?.parquet",
        "it's {here}.parquet",
        "a id",
    ],
)
def test_a_name_is_no_pattern(warehouse, tmp_path, name):
    """What DuckDB takes for a pattern is a letter of the file's name."""
    path = write_parquet(
        tmp_path / "a [folder]" / name, [event("property_view", _AT, listing_id="L")]
    )
    write_parquet(tmp_path / "a [folder]" / "1x.parquet", [event("recharge", _AT)])
    assert take(warehouse, path).rows == 1


def test_columns_that_may_be_null_may_be_missing(warehouse, tmp_path):
    """Without created_at and person_id an event is one that a webhook could have brought."""
    one = event("property_view", _AT, uuid=_UUID.format(1), listing_id="L")
    path = tmp_path / "x.jsonl"
    write_json_lines(
        path,
        [{key: one[key] for key in ("uuid", "event", "timestamp", "distinct_id", "properties")}],
    )
    take(warehouse, path)
    assert rows(warehouse, "SELECT created_at, person_id, listing_id FROM raw_events") == [
        (None, None, "L")
    ]


def test_half_an_emoji_is_mended_as_in_a_page(sandbox, settings, warehouse, tmp_path):
    """What is no JSON because of it becomes the same row as the query's."""
    properties = '{"listing_id":"L","utm_term":"\\ud83d","n":"\\\\ud83d"}'
    sandbox.control.insert(
        [event(name, _AT, properties=properties) for name in ("property_view", "recharge")]
    )
    load(settings, warehouse, [TODAY])
    (path,) = fetched(sandbox, tmp_path, created(sandbox))
    other = Warehouse(tmp_path / "other" / "leadpipe.duckdb")
    take(other, path)
    assert rows(other, _STORED) == rows(warehouse, _STORED)


def test_counts_of_a_file_add_up(warehouse, tmp_path):
    """Not asked for, misdated, from before the first day, without uuid: each is told, none is lost."""
    old = datetime(2025, 6, 1, tzinfo=UTC)
    good = event("property_view", _AT, listing_id="L")
    path = write_parquet(
        tmp_path / "x.parquet",
        [
            good,
            good,
            event("unheard_of", _AT),
            event("property_view", old, created_at=_AT),
            event("property_view", NOW + timedelta(days=2), created_at=_AT),
            event("property_view", old, created_at=old),
            {**event("property_view", _AT), "uuid": None},
        ],
    )
    taken = take(warehouse, path)
    assert taken == TakenIn(
        rows=7,
        fetched=3,
        new=1,
        duplicate=1,
        rejected={"no uuid": 1},
        changed_days=(TODAY,),
        not_asked_for=1,
        misdated=2,
        history=1,
    )
    assert rows(
        warehouse, "SELECT reason, count(*) FROM rejected_events GROUP BY ALL ORDER BY ALL"
    ) == [
        ("no uuid", 1),
        ("timestamp outside the days loaded, 2026-01-01 to today", 2),
    ]
    again = take(warehouse, path, run_id="run-2")
    assert (again.new, again.duplicate) == (0, 2)
    assert rows(warehouse, "SELECT count(*) FROM rejected_events") == [(3,)]


def test_a_query_knows_persons_better(warehouse, tmp_path):
    """The person of ingestion never undoes the one that a query named, in either order."""
    ingested = event("recharge", _AT, uuid=_UUID.format(1), person_id=_PERSON)
    queried = {**ingested, "person_id": _PERSON.replace("1", "2")}
    take_in(warehouse, tmp_path, [queried])
    path = write_parquet(tmp_path / "x.parquet", [ingested])
    assert take(warehouse, path, run_id="run-2").changed_days == ()
    other = Warehouse(tmp_path / "other.duckdb")
    take(other, path)
    take_in(other, tmp_path, [queried], run_id="run-2")
    assert rows(other, _STORED) == rows(warehouse, _STORED)
    assert rows(warehouse, "SELECT person_id FROM raw_events") == [(queried["person_id"],)]


def test_a_query_that_names_the_same_person_settles_it(warehouse, tmp_path):
    """No day changes by it, but what knows persons less than a query undoes it no more."""
    one = event("recharge", _AT, uuid=_UUID.format(1), person_id=_PERSON)
    take(warehouse, write_parquet(tmp_path / "x.parquet", [one]))
    assert take_in(warehouse, tmp_path, [one], run_id="run-2").changed_days == ()
    assert rows(warehouse, "SELECT person_rank FROM raw_events") == [(PersonRank.QUERY,)]


def test_an_old_file_does_not_bring_back_what_was_deleted(warehouse, tmp_path):
    """Only PostHog's own answer does."""
    path = write_parquet(tmp_path / "x.parquet", [event("recharge", _AT, uuid=_UUID.format(1))])
    with warehouse.writing("door") as connection:
        connection.execute(
            "INSERT INTO gone_events VALUES (?, 'recharge', ?, 'run-0', ?)",
            [_UUID.format(1), TODAY, NOW],
        )
    assert take(warehouse, path).new == 0
    take_in(warehouse, tmp_path, [event("recharge", _AT, uuid=_UUID.format(1))], run_id="run-2")
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(1,)]


def test_another_mapping_in_use_types_the_rows(warehouse, tmp_path):
    """What was adopted since is what counts; that the file was read for another one is remembered."""
    own = tmp_path / "events.toml"
    own.write_text('[events.recharge]\nmeaning = "view"\nlisting_id = ["plan"]\n')
    mapping = read_mapping(own)
    with warehouse.writing("door") as connection:
        adopt(connection, mapping, now=NOW)
    take(warehouse, write_parquet(tmp_path / "x.parquet", [event("recharge", _AT, plan="P")]))
    assert rows(warehouse, "SELECT meaning, listing_id FROM raw_events") == [("view", "P")]
    assert rows(warehouse, "SELECT typed_by, read_by FROM event_days") == [
        (mapping.version, [built_in().version])
    ]


def test_a_name_with_quotes_is_kept_as_it_was_sent(warehouse, tmp_path):
    """Of a bulky event the kept properties come in their order, whatever marks their names have."""
    own = tmp_path / "events.toml"
    own.write_text("""keep = ['a"b', 'c\\d']\n""")
    mapping = read_mapping(own)
    with warehouse.writing("door") as connection:
        adopt(connection, mapping, now=NOW)
    sent = r'{"c\\d": [1], "x": 2, "a\"b": "A", "listing_id": "L", "viewed_from": null}'
    path = write_parquet(tmp_path / "x.parquet", [event("property_view", _AT, properties=sent)])
    assert take(warehouse, path, mapping=mapping).new == 1
    kept = r'{"c\\d":[1],"a\"b":"A","listing_id":"L","viewed_from":null}'
    assert rows(warehouse, "SELECT listing_id, properties FROM raw_events") == [("L", kept)]


def test_a_note_is_made_with_each_piece(warehouse, tmp_path, monkeypatch):
    """It says which piece makes a file whole; a file without rows is noted in a transaction of its own."""
    monkeypatch.setattr(
        "leadpipe.events.staging._PIECES", ", ROW_GROUP_SIZE 2048, ROW_GROUPS_PER_FILE 1"
    )
    seen = []

    def note(connection, taken):
        stored = connection.execute("SELECT count(*) FROM raw_events").fetchone()
        seen.append((taken.new, stored[0], taken.is_whole))

    events = [event("recharge", _AT + timedelta(milliseconds=n)) for n in range(9000)]
    take(warehouse, write_parquet(tmp_path / "x.parquet", events), note=note)
    take(warehouse, write_parquet(tmp_path / "none.parquet", []), run_id="run-2", note=note)
    assert len(seen) > 2
    assert [(new, is_whole) for new, _, is_whole in seen[:-2]] == [
        (stored, False) for _, stored, _ in seen[:-2]
    ]
    assert seen[-2:] == [(9000, 9000, True), (0, 9000, True)]
    assert not list((warehouse.path.parent / "landing").iterdir())


def test_a_kill_between_pieces_leaves_a_valid_warehouse(warehouse, tmp_path, monkeypatch):
    """The file is not noted; taken again it changes nothing but what was missing."""
    monkeypatch.setattr(
        "leadpipe.events.staging._PIECES", ", ROW_GROUP_SIZE 2048, ROW_GROUPS_PER_FILE 1"
    )
    events = [event("recharge", _AT + timedelta(milliseconds=n)) for n in range(9000)]
    path = write_parquet(tmp_path / "x.parquet", events)

    def fail(_, taken):
        if taken.is_whole:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(warehouse, path, note=fail)
    ((stored,),) = rows(warehouse, "SELECT count(*) FROM raw_events")
    assert 0 < stored < 9000
    assert take(warehouse, path).new == 9000 - stored
    assert rows(warehouse, "SELECT count(*), count(DISTINCT uuid) FROM raw_events") == [
        (9000, 9000)
    ]
