"""Where a tick looks for new files: at the end of each export, two days back, wherever keys sort as time."""

from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.events.exported.bucket import Stretch
from leadpipe.events.exported.recent import recent_stretches

_END = datetime(2026, 11, 21, 12, tzinfo=UTC)


def keys(prefix="", count=100, *, until=_END, hours=1, ending=".parquet"):
    """The keys of an export's last intervals, the oldest first."""
    found = []
    for n in reversed(range(count)):
        end = until - timedelta(hours=hours * n)
        start = end - timedelta(hours=hours)
        folder = end.strftime(prefix)
        found.append(f"{folder}{start.isoformat()}-{end.isoformat()}{ending}")
    return found


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [
        ("", ""),
        ("posthog/events/", "posthog/events"),
        ("posthog/events/%Y/%m/", "posthog/events"),
        ("events/y%Y/%m-%d/%H/", "events"),
        ("events-%Y%m/", ""),
    ],
)
def test_after_what_is_two_days_old_where_keys_sort_as_time(prefix, folder):
    """However long the history is, a look has two days of files in it, and every later one."""
    known = keys(prefix, 24 * 40)
    (stretch,) = recent_stretches(known)
    assert stretch == Stretch(folder, known[-49])
    assert sum(key > stretch.after for key in known) == 48
    later = keys(prefix, 1, until=_END + timedelta(days=70))
    assert all(key > stretch.after and key.startswith(folder) for key in later)


@pytest.mark.parametrize("prefix", ["e/%m/%Y/", "e/%d/", "e/%H/%d/", "e/%m/x/%Y/"])
def test_a_folder_whose_keys_are_in_no_order_is_looked_at_whole(prefix):
    """The month before the year: January comes before December."""
    assert recent_stretches(keys(prefix)) == (Stretch("e"),)


def test_each_export_has_its_own_end():
    """Events each hour, persons each day, one that stopped: none is looked at from another's end."""
    stopped = keys("old/%Y/", 72, until=_END - timedelta(days=20))
    persons = keys("persons/", 9, hours=24)
    events = keys("events/%Y/%m/")
    assert recent_stretches([*stopped, *persons, *events]) == (
        Stretch("events", events[-49]),
        Stretch("old", stopped[-49]),
        Stretch("persons", persons[-3]),
    )


def test_what_is_no_end_does_not_count():
    """A backfill from the beginning, whose name sorts last; what no export wrote; a manifest is a file."""
    known = keys(count=72, ending="_manifest.json")
    end = (_END + timedelta(days=300)).isoformat()
    assert recent_stretches([*known, f"None-{end}.parquet", "zz"]) == (Stretch("", known[-49]),)


def test_a_young_export_is_looked_at_whole():
    """Nothing of it is two days old."""
    assert recent_stretches(keys("events/", 5)) == (Stretch("events"),)
    assert recent_stretches([]) == ()


def test_a_stretch_within_another_is_not_listed_twice():
    """An export at the top has the later ones of every folder below it."""
    top = keys("", 200)
    assert recent_stretches([*top, *keys("x/", 3)]) == (Stretch("", top[-49]),)
