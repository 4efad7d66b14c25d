"""Which lane events come by: what is set, what the key may do, how much there is."""

import pytest

from leadpipe.errors import ConfigurationError, PostHogRefused
from leadpipe.events.lanes import MUCH, choose_lane, missing_scopes

_BOTH = ("query:read", "batch_export:read", "batch_export:write")


def chosen(wanted="auto", *, rows=MUCH, has_bucket=False, scopes=_BOTH):
    """The lane that is chosen; `scopes` None is a PostHog that does not tell them."""

    def ask():
        if scopes is None:
            raise PostHogRefused("no such endpoint")
        return scopes

    return choose_lane(wanted, rows=rows, has_bucket=has_bucket, scopes=ask)


@pytest.mark.parametrize(
    ("given", "lane"),
    [
        ({}, "download"),
        ({"rows": MUCH - 1}, "query"),
        ({"has_bucket": True}, "bucket"),
        ({"scopes": ("query:read",)}, "query"),
        ({"scopes": ("*",)}, "download"),
        ({"scopes": None}, "download"),
        ({"wanted": "query"}, "query"),
        ({"wanted": "download", "rows": 1}, "download"),
        ({"wanted": "download", "has_bucket": True}, "download"),
        ({"wanted": "bucket", "has_bucket": True}, "bucket"),
    ],
)
def test_the_better_lane_is_chosen(given, lane):
    """Much comes by download where the key may, from a bucket where there is one, else by query."""
    assert chosen(**given).lane == lane


def test_what_a_scope_would_bring_is_said():
    """Where only a scope stands in the way, the reason names it."""
    why = chosen(scopes=("query:read", "batch_export:read")).why
    assert why.endswith(
        "faster by file downloads, but the API key lacks the scope batch_export:write"
    )


def test_downloads_without_the_scopes_are_an_error():
    """Who wants downloads is told which scopes the key lacks, and what to do."""
    with pytest.raises(
        ConfigurationError, match=r"batch_export:read and batch_export:write.*Settings"
    ):
        chosen("download", scopes=("query:read",))


def test_little_is_read_without_asking_for_scopes():
    """A usual sync costs no request more."""

    def ask():
        raise AssertionError

    assert choose_lane("auto", rows=10, has_bucket=False, scopes=ask).lane == "query"


def test_the_right_to_write_includes_reading():
    """As PostHog's scopes do."""
    assert missing_scopes(["batch_export:write"]) == ()
