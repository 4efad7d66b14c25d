"""Which files of a listing are taken, which wait, which are left; and what is missing."""

from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.events.exported.bucket import StoredObject
from leadpipe.events.exported.choosing import KnownFile, choose, unread_manifests, unseen
from leadpipe.events.exported.keys import read_key

_TEN = datetime(2026, 11, 21, 10, tzinfo=UTC)


def span(start=_TEN, hours=1.0):
    """The part of a name that says an interval."""
    return f"{start.isoformat()}-{(start + timedelta(hours=hours)).isoformat()}"


def stored(*keys, e_tag="1"):
    """A listing."""
    return [StoredObject(key, e_tag, 10) for key in keys]


def known(state, *keys, e_tag="1"):
    """What was decided before."""
    return {key: KnownFile(key, e_tag, state) for key in keys}


def keys(files):
    """Their keys."""
    return [one.stored.key for one in files]


@pytest.mark.parametrize(
    ("key", "start", "end", "part"),
    [
        (
            "a/b/2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet.zst",
            _TEN,
            _TEN + timedelta(hours=1),
            None,
        ),
        (
            "2026-11-21T11:00:00+01:00-2026-11-21T11:05:00+01:00-12.jsonl.gz",
            _TEN,
            _TEN + timedelta(minutes=5),
            12,
        ),
        (
            "None-2026-11-20T19:00:00-05:00.parquet",
            None,
            datetime(2026, 11, 21, tzinfo=UTC),
            None,
        ),
        (
            "2026-11-21T10:00:00.250000+00:00-2026-11-21T15:45:00+05:45.parquet.lz4",
            _TEN + timedelta(milliseconds=250),
            _TEN,
            None,
        ),
    ],
)
def test_a_name_says_interval_and_part(key, start, end, part):
    """Moments have any offset; the beginning of time is `None`; parts have numbers."""
    found = read_key(key)
    assert found is not None
    assert (found.interval.start, found.interval.end, found.part) == (start, end, part)


@pytest.mark.parametrize(
    "key",
    [
        "report.parquet",
        "2026-11-21.parquet",
        "2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.csv",
        "2026-11-21T10:00:00-2026-11-21T11:00:00.parquet",
        "2026-02-31T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet",
        "2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet.zst.part",
        "x2026-11-21T10:00:00+00:00-2026-11-21T11:00:00+00:00.parquet",
    ],
)
def test_other_names_are_counted_and_left(key):
    """What PostHog's exports do not write is no file of an export."""
    choice = choose(stored(key), {}, {})
    assert (choice.take, choice.others) == ((), 1)


def test_files_are_taken_in_the_order_of_time():
    """The earliest interval first, whatever the listing's order; parts by number, not by letter."""
    listing = stored(
        f"e/{span(_TEN + timedelta(hours=1))}.parquet",
        f"e/{span()}-10.parquet",
        f"e/{span()}-9.parquet",
        f"e/None-{(_TEN - timedelta(days=1)).isoformat()}.parquet",
        f"e/{span()}_manifest.json",
    )
    names = frozenset(f"{span()}-{part}.parquet" for part in (9, 10))
    choice = choose(listing, {}, {f"e/{span()}_manifest.json": names})
    assert keys(choice.take) == [
        f"e/None-{(_TEN - timedelta(days=1)).isoformat()}.parquet",
        f"e/{span()}-9.parquet",
        f"e/{span()}-10.parquet",
        f"e/{span(_TEN + timedelta(hours=1))}.parquet",
    ]


def test_parts_wait_for_their_manifest():
    """A part may be one of a run that died: nothing of it is taken before the manifest is there."""
    listing = stored(f"{span()}-0.parquet", f"{span()}-1.parquet")
    choice = choose(listing, {}, {})
    assert (choice.take, keys(choice.waiting)) == ((), [one.key for one in listing])


def test_only_what_the_manifest_lists_is_taken():
    """Parts that a retried run left over are told apart, and not read."""
    listing = stored(f"p/{span()}-0.parquet", f"p/{span()}-1.parquet", f"p/{span()}_manifest.json")
    assert [one.stored.key for one in unread_manifests(listing, {})] == [
        f"p/{span()}_manifest.json"
    ]
    choice = choose(listing, {}, {f"p/{span()}_manifest.json": frozenset({f"{span()}-0.parquet"})})
    assert (keys(choice.take), keys(choice.surplus)) == (
        [f"p/{span()}-0.parquet"],
        [f"p/{span()}-1.parquet"],
    )


def test_a_manifest_that_names_missing_files_is_told():
    """What it lists and is not there is missing, unless it was taken before it was removed."""
    manifest = f"p/{span()}_manifest.json"
    names = frozenset(f"{span()}-{part}.parquet" for part in range(3))
    choice = choose(
        stored(f"p/{span()}-0.parquet", manifest),
        known("taken", f"p/{span()}-1.parquet"),
        {manifest: names},
    )
    assert choice.manifests == {manifest: (f"p/{span()}-2.parquet",)}
    assert keys(choice.take) == [f"p/{span()}-0.parquet"]


def test_a_manifest_that_cannot_be_read_keeps_its_parts_waiting():
    """Half a manifest lists nothing; why is told."""
    manifest = f"{span()}_manifest.json"
    choice = choose(stored(f"{span()}-0.parquet", manifest), {}, {manifest: "is no manifest"})
    assert (keys(choice.waiting), choice.unreadable) == (
        [f"{span()}-0.parquet"],
        {manifest: "is no manifest"},
    )


@pytest.mark.parametrize(
    ("state", "e_tag", "is_taken"),
    [
        ("taken", "1", False),
        ("taken", "0", True),
        ("unreadable", "1", False),
        ("unreadable", "0", True),
        ("foreign", "1", False),
        ("postponed", "1", True),
        ("removed", "1", True),
    ],
)
def test_a_version_is_taken_once_and_another_one_anew(state, e_tag, is_taken):
    """The same ETag is the same file; what could not be fetched is tried again."""
    key = f"{span()}.parquet"
    choice = choose(stored(key), known(state, key, e_tag=e_tag), {})
    assert bool(choice.take) == is_taken


def test_a_file_is_taken_by_hand_whatever_is_known_of_it():
    """A person may say that an unreadable, a surplus or a waiting file shall be read."""
    listing = stored(f"{span()}-0.parquet", f"{span()}.parquet")
    before = known("unreadable", f"{span()}.parquet")
    choice = choose(listing, before, {}, by_hand=[one.key for one in listing])
    assert keys(choice.take) == [f"{span()}.parquet", f"{span()}-0.parquet"]


def test_files_that_went_before_they_were_taken_are_told():
    """Nobody waits for them any more; what was taken may go."""
    choice = choose([], known("waiting", "a") | known("taken", "b") | known("unreadable", "c"), {})
    assert choice.removed == ("a", "c")


def test_hours_without_a_file_are_gaps_of_their_export():
    """Between two intervals of one export; another export, another folder, and a backfill fill none."""
    folder = "{table}/{day}".format
    listing = stored(
        f"{folder(table='events', day='21')}/{span()}.parquet",
        f"{folder(table='events', day='21')}/{span(_TEN + timedelta(hours=3))}.parquet",
        f"{folder(table='persons', day='21')}/{span(_TEN + timedelta(hours=1))}.parquet",
        f"{folder(table='events', day='19')}/None-{(_TEN - timedelta(days=2)).isoformat()}.parquet",
    )
    assert choose(listing, {}, {}).gaps == (
        ("events/*", _TEN - timedelta(days=2), _TEN),
        ("events/*", _TEN + timedelta(hours=1), _TEN + timedelta(hours=3)),
    )


def test_days_that_were_taken_and_removed_are_no_gap():
    """A lifecycle rule may remove old files; intervals in any zone meet where their moments do."""
    berlin = "2026-11-21T12:00:00+01:00-2026-11-21T13:00:00+01:00.parquet"
    taken = known("taken", f"{span()}.parquet")
    assert choose(stored(berlin), taken, {}).gaps == ()


def test_what_nobody_has_decided_on_is_unseen():
    """New files, new versions and those to try again start a run; what waits or is settled does not."""
    listing = stored("x.txt", *(f"{span()}-{part}.parquet" for part in range(4)))
    before = (
        known("waiting", f"{span()}-0.parquet")
        | known("taken", f"{span()}-1.parquet", e_tag="0")
        | known("postponed", f"{span()}-2.parquet")
    )
    assert [one.key for one in unseen(listing, before)] == [
        f"{span()}-{part}.parquet" for part in (1, 2, 3)
    ]
