"""Events that no table uses: told once a day's look, until they are mapped or put away."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.events.project.unused import Unused, told
from leadpipe.published import reading
from leadpipe_tests.clocks import let_pass
from leadpipe_tests.events.project.test_commands import asked
from leadpipe_tests.events.project.worlds import own_names, sent

_ALL = (
    "Your project sends listing_viewed (240 a day), contact_agent_clicked (60 a day) and search_performed "
    "(30 a day), which no table uses."
)


@pytest.fixture
def synced(run, sandbox):
    """Types a command where the team with names of its own has synced."""
    sandbox.control.insert(list(own_names(datetime.now(UTC) - timedelta(hours=20))))
    result = run("sync")
    assert _ALL in " ".join(result.stderr.split())
    return run


def checked(run) -> list[str]:
    """What `check` says of unused events."""
    found = json.loads(run("check", "--json").stdout)
    return [finding["text"] for finding in found if "no table uses" in finding["text"]]


def unused(tmp_path) -> list[tuple[object, ...]]:
    """The published table, without times."""
    return list(
        reading.query(
            tmp_path / "data" / "published", "SELECT event, is_dismissed FROM unused_events"
        ).rows
    )


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([], None),
        ([Unused("a", 0.2)], "your project sends a (less than 1 a day), which no table uses"),
        (
            [Unused("a", 1234.5), Unused("b" * 99, 2)],
            f"your project sends a (1,234 a day) and {'b' * 60}… (2 a day), which no table uses",
        ),
        (
            [Unused(name, 1) for name in "abcd"],
            "your project sends a (1 a day), b (1 a day), c (1 a day) and 1 more event, which no table uses",
        ),
    ],
)
def test_they_are_told_in_one_sentence(events, sentence):
    """The first three by name, how many more; names are cut."""
    assert told(events) == sentence


def test_a_sync_looks_once_a_day(synced, sandbox):
    """A second sync asks three queries, the one a day later four; the ledger has the look's, too."""
    sandbox.control.clear_requests()
    synced("sync")
    assert len(asked(sandbox)) == 3
    let_pass(86_400)
    calls = []
    for looks in (1, 0):
        sandbox.control.clear_requests()
        (run,) = json.loads(synced("sync", "--json").stdout)["runs"]
        assert asked(sandbox).count("event names") == looks
        calls.append(run["api_calls"])
    assert calls[0] == calls[1] + 1


def test_what_is_put_away_is_told_no_more(synced, tmp_path):
    """Nowhere, until it is taken back; the others still are."""
    assert synced("events", "dismiss", "search_performed", "listing_viewed").exit_code == 0
    assert checked(synced)[0].startswith(
        "your project sends contact_agent_clicked (60 a day), which no table uses"
    )
    assert "contact_agent_clicked (60 a day), which" in " ".join(synced("sync").stderr.split())
    assert ("search_performed", True) in unused(tmp_path)
    listed = json.loads(synced("events", "--json").stdout)
    assert {row["event"]: row["means"] for row in listed}["listing_viewed"] == "nothing (dismissed)"
    synced("events", "dismiss", "listing_viewed", "--undo")
    assert "listing_viewed" in checked(synced)[0]


def test_a_slip_is_put_away_by_nobody(synced):
    """An event that was never seen is an error with the nearest that was."""
    result = synced("events", "dismiss", "serch_performed")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: No event named 'serch_performed' was seen by a sync, which looks once a day; `leadpipe "
        "events` shows what comes; did you mean search_performed?\n"
    )


def test_what_is_mapped_is_told_no_more(synced, tmp_path):
    """By check at once, by all after the next sync; `nothing` is an answer as well."""
    synced("events", "suggest")
    with (tmp_path / "data" / "events.toml").open("a") as file:
        file.write('\n[events.search_performed]\nmeaning = "nothing"\n')
    assert checked(synced) == []
    assert "no table uses" not in synced("sync").stderr
    assert unused(tmp_path) == []


def test_posthogs_own_events_are_never_told(run, sandbox, yesterday):
    """`$autocapture` and the like are nobody's slip."""
    sandbox.control.insert(
        [sent(name, yesterday, "p", listing_id="L") for name in ("$set", "lead_phone")]
    )
    assert "no table uses" not in run("sync").stderr
    assert checked(run) == []


def test_before_the_first_sync_check_asks(run, sandbox):
    """Whoever sets it up learns at once that her events have other names."""
    sandbox.control.insert(list(own_names(datetime.now(UTC) - timedelta(hours=20))))
    assert len(checked(run)) == 1


def test_a_look_that_fails_harms_no_sync(run, sandbox, yesterday):
    """The sync succeeds, and asks again a day later."""
    sandbox.control.insert([sent("lead_phone", yesterday, "p", listing_id="L")])
    sandbox.control.fault("timeout_504", times=-1, match="event names")
    assert run("sync").exit_code == 0
    sandbox.control.clear_requests()
    assert run("sync").exit_code == 0
    assert "event names" not in asked(sandbox)
