"""`leadpipe visitors` and `leadpipe inbox` as people and programs use them."""

import json
import socket
from datetime import UTC, date, datetime, timedelta

import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.inbox.connecting import open_inbox, webhook_reader
from leadpipe.inbox.settings import InboxSettings
from leadpipe.settings import load_settings
from leadpipe.visitors.weeks import week_id, week_name, week_of
from leadpipe_tests.clocks import let_pass


def this_week() -> date:
    """The Monday of the week that the test's clock shows."""
    return week_of(datetime.now(UTC).date())


def last_week() -> date:
    """The Monday before."""
    return this_week() - timedelta(days=7)


@pytest.fixture
def run(todays_clock, sandbox, monkeypatch, tmp_path, runs_forgotten):
    """Types a command; there are two visitors last week and one this week."""
    for name, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "LEADPIPE_START_DATE": last_week().isoformat(),
    }.items():
        monkeypatch.setenv(name, value)
    sandbox.control.insert(
        [
            {
                "event": "$pageview",
                "timestamp": datetime(week.year, week.month, week.day, 0, 0, 1, tzinfo=UTC),
                "distinct_id": who,
            }
            for week, who in ((last_week(), "a"), (last_week(), "b"), (this_week(), "a"))
        ]
    )

    def typed(*arguments):
        let_pass(1)
        return CliRunner().invoke(leadpipe.cli.main, arguments)

    return typed


def counts(result):
    """The statistics of a sync."""
    found = json.loads(result.stdout)
    return {name: found[name] for name in ("updated", "skipped", "failed", "total")}


def listed(run):
    """Week and visitors of each row."""
    rows = json.loads(run("visitors", "list", "--json").stdout)
    return [(row["id"], row["visitors"], row["source"]) for row in rows]


def test_the_state_of_syncs_is_told(run):
    """How the last one went, how many succeeded and failed, which weeks are stored; before any, zeros."""
    run("visitors", "sync", "--json")
    [state] = json.loads(run("visitors", "status", "--json").stdout)
    known = (
        "syncs_succeeded",
        "syncs_failed",
        "last_sync_status",
        "last_sync_failed",
        "counted_by_hand",
    )
    assert [state[name] for name in known] == [1, 0, "succeeded", 0, 0]
    assert state["weeks"] == state["last_sync_total"]
    assert state["last_week"] == this_week().isoformat()
    assert "last sync status" in run("visitors", "status").stdout


def test_all_weeks_one_week_or_one_row(run):
    """Without options all weeks are compared; --week and --id name one."""
    result = run("visitors", "sync", "--week", week_name(last_week()), "--json")
    assert (result.exit_code, counts(result)) == (
        0,
        {"updated": 1, "skipped": 0, "failed": 0, "total": 1},
    )
    assert listed(run) == [(week_id(last_week()), 2, "posthog")]
    result = run("visitors", "sync", "--id", week_id(this_week()), "--json")
    assert counts(result)["updated"] == 1
    result = run("visitors", "sync")
    assert (result.exit_code, "Visitors synced" in result.stdout) == (0, True)
    assert listed(run) == [
        (week_id(this_week()), 1, "posthog"),
        (week_id(last_week()), 2, "posthog"),
    ]
    assert "visitors before" in run("visitors", "list", "--changes").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--week", "next"), "'next' is no week; write 2026-W47"),
        (("--week", "2020-W01"), "The week of 2019-12-30 is not among those that are synced"),
        (("--week", "2026-W47", "--id", "202647"), "--week and --id say the same thing"),
    ],
)
def test_a_wrong_week_is_told_before_anything_runs(run, options, message):
    """One line that says what to write."""
    result = run("visitors", "sync", *options)
    assert (result.exit_code, message in result.stderr) == (1, True)


def test_a_sync_that_fails_ends_with_1_and_its_reason(run, monkeypatch):
    """The reason is on stderr, the statistics on stdout."""
    monkeypatch.setenv("POSTHOG_API_KEY", "phx_wrong")
    result = run("visitors", "sync", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["failed"], found["total"]) == (1, 2, 2)
    assert found["error"].startswith("KeyRejected: ")
    assert "phx_wrong" not in result.output


def test_weeks_by_hand_survive_every_sync(run, tmp_path):
    """An imported week is listed as manual, and no sync changes it."""
    file = tmp_path / "weeks.csv"
    file.write_text(f"week,visitors,signups\n2025-W03,120,6\n{week_name(last_week())},77,7\n")
    result = run("visitors", "import", str(file), "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"imported": 2, "unchanged": 0})
    assert run("visitors", "sync").exit_code == 0
    assert listed(run) == [
        (week_id(this_week()), 1, "posthog"),
        (week_id(last_week()), 77, "manual"),
        ("202503", 120, "manual"),
    ]
    assert "All of it was there already." in run("visitors", "import", str(file)).stderr


def test_before_the_first_sync_there_is_a_next_step(run):
    """Nothing published yet is said in one line."""
    result = run("visitors", "list")
    assert (result.exit_code, "Run `leadpipe sync`" in result.stderr) == (1, True)


def deliver(content):
    """Put a webhook body into the inbox."""
    settings = load_settings(InboxSettings)
    now = datetime.now(UTC)
    payload = webhook_reader(settings, now=now).read(json.dumps(content).encode(), now=now)
    open_inbox(settings).add([payload], now=now)


def test_dead_letters_are_shown_read_again_and_forgotten(run, monkeypatch):
    """After the mapping was corrected, what was unreadable waits for the warehouse."""
    event = {"event": "$pageview", "timestamp": datetime.now(UTC).isoformat(), "distinct_id": "a"}
    deliver({"event": event, "id": "01a1fc4d-e556-70ab-addc-29531eaab2ae"})
    deliver({"event": event})
    letters = json.loads(run("inbox", "dead", "--json").stdout)
    assert [letter["reason"] for letter in letters] == ["no UUID at event.uuid"] * 2
    assert run("inbox", "retry").stdout == "0 read again, 2 cannot be read still.\n"
    monkeypatch.setenv("LEADPIPE_WEBHOOK_FIELDS", "uuid=id")
    assert run("inbox", "retry").stdout == "1 read again, 1 cannot be read still.\n"
    state = json.loads(run("inbox", "status", "--json").stdout)[0]
    assert (state["waiting"], state["dead_letters"]) == (1, 1)
    assert run("inbox", "forget", str(letters[0]["number"])).stdout == "1 removed.\n"
    assert "Everything could be read." in run("inbox", "dead").stderr


def test_the_page_does_not_start_on_a_taken_port_or_a_wrong_mapping(run, monkeypatch):
    """One line that names the setting."""
    monkeypatch.setenv("LEADPIPE_WEBHOOK_FIELDS", "nonsense")
    result = run("serve", "--port", "0")
    assert (result.exit_code, "LEADPIPE_WEBHOOK_FIELDS: 'nonsense'" in result.stderr) == (1, True)
    monkeypatch.setenv("LEADPIPE_WEBHOOK_FIELDS", "")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = run("serve", "--port", str(other.getsockname()[1]))
    assert (result.exit_code, "choose another with --port" in result.stderr) == (1, True)
