"""One truth about a day, in the same words: on the command line, in checks, on the page and in Dagster."""

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import leadpipe.cli
from leadpipe.events.days import names_key
from leadpipe.events.verdicts import DayFacts, Verdict, summary, verdict_of
from leadpipe_tests.clocks import NOW, let_pass
from leadpipe_tests.events.builders import event, rows

_DAY = date(2026, 11, 20)
_READ = {"read_until": NOW, "checked_at": NOW, "event_names": ("lead",), "has_same_events": True}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "never read"),
        (
            {"is_frozen": True},
            "frozen by retention: PostHog no longer shows it, and it was never read",
        ),
        ({**_READ}, "unproved for event lead_fax, recharge"),
        ({**_READ, "event_names": ("lead", "lead_fax", "recharge", "more")}, "proved"),
        ({**_READ, "event_names": None}, "proved"),
        ({**_READ, "has_same_events": None}, "unproved as it was not compared yet"),
        (
            {**_READ, "has_same_events": False, "posthog_events": 5, "warehouse_events": 3},
            "differs: 2 missing here",
        ),
        (
            {**_READ, "has_same_events": False, "posthog_events": 3, "warehouse_events": 5},
            "differs: 2 surplus here, gone in PostHog",
        ),
        (
            {**_READ, "has_same_events": False, "posthog_events": 3, "warehouse_events": 3},
            "differs: other events than PostHog has",
        ),
        ({**_READ, "shared_uuids": 1}, "differs: 1 missing here, as another has its uuid"),
        (
            {**_READ, "is_questioned": True},
            "differs: PostHog shows fewer events than were proved; the next sync looks why",
        ),
        (
            {**_READ, "is_frozen": True},
            "frozen by retention: kept as it was proved on 2026-11-21",
        ),
    ],
)
def test_what_is_known_of_a_day_is_one_verdict(facts, expected):
    """Each verdict says what is to be said with it."""
    verdict = verdict_of(DayFacts(_DAY, **facts), names=("lead", "recharge", "lead_fax"))
    assert str(verdict) == expected
    assert verdict.is_complete == (expected == "proved")
    assert verdict.is_wrong == (not expected.startswith(("proved", "frozen")))


def test_days_are_summed_up_in_a_line():
    """How many have which verdict."""
    assert (
        summary(
            [
                Verdict("differs", "1 missing here"),
                Verdict("differs", "2 missing here"),
                Verdict("unproved", "for event lead_fax"),
                Verdict("never read"),
            ]
        )
        == "2 differ, 1 never read, 1 unproved for event lead_fax"
    )


def noon(days_ago: int) -> datetime:
    """Twelve o'clock so many days before today."""
    return datetime.combine(datetime.now(UTC).date() - timedelta(days=days_ago), time(12), UTC)


@pytest.fixture
def run(todays_clock, sandbox, monkeypatch, tmp_path, runs_forgotten):
    """Types a command; four days are loaded, with a lead at noon on each of the first three."""
    for name, value in {
        "POSTHOG_API_KEY": sandbox.api_key,
        "POSTHOG_PROJECT_ID": sandbox.project_id,
        "POSTHOG_BASE_URL": sandbox.url,
        "LEADPIPE_DATA_DIR": str(tmp_path / "data"),
        "LEADPIPE_START_DATE": noon(3).date().isoformat(),
    }.items():
        monkeypatch.setenv(name, value)
    sandbox.control.insert(
        [
            event(
                "lead_phone",
                noon(days_ago) + timedelta(hours=hour),
                listing_id="L",
                seeker_id=f"{days_ago}-{hour}",
                created_at=noon(days_ago) + timedelta(hours=hour),
            )
            for days_ago in (3, 2, 1)
            for hour in (-3, 0, 3)
        ]
    )

    def typed(*arguments: str):
        let_pass(1)
        return CliRunner().invoke(leadpipe.cli.main, arguments)

    return typed


def listed(run, *options):
    """Verdict and detail of each day, the latest first."""
    return [
        (day["verdict"], day["detail"])
        for day in json.loads(run("days", "--json", *options).stdout)
    ]


def finding(run, what):
    """A line of `leadpipe check`."""
    found = {one["what"]: one for one in json.loads(run("check", "--json").stdout)}
    return (found[what]["verdict"], found[what]["text"]) if what in found else None


def test_a_day_is_unproved_for_a_name_that_was_added(run, monkeypatch):
    """By name, before any sync: what was compared did not ask for it; `check` says what comes."""
    assert run("sync").exit_code == 0
    assert listed(run) == [("proved", "")] * 4
    monkeypatch.setenv("LEADPIPE_EXTRA_EVENTS", "lead_fax")
    assert listed(run, "--incomplete") == [("unproved", "for event lead_fax")] * 4
    assert "unproved for event lead_fax" in run("days").stdout
    assert finding(run, "completeness") == (
        "warning",
        (
            "4 days are not proved to hold PostHog's events (4 unproved for event lead_fax); see "
            "`leadpipe days --incomplete`"
        ),
    )
    first, today = noon(3).date(), noon(0).date()
    assert finding(run, "settings") == (
        "warning",
        (
            f"the next sync compares 4 days, {first} to {today}, for lead_fax, which they were not read for, "
            "and reads where there are some"
        ),
    )
    assert run("sync").exit_code == 0
    assert listed(run, "--incomplete") == []
    assert finding(run, "settings") is None


def test_the_names_are_kept_behind_their_hash(run, settings, tmp_path):
    """So that a name added later can be told."""
    run("sync")
    from leadpipe.warehouse import Warehouse  # noqa: PLC0415 - of this test's own folder

    stored = Warehouse(tmp_path / "data" / "leadpipe.duckdb")
    [(key, names)] = rows(stored, "SELECT names_key, events FROM compared_names")
    assert key == names_key(names)
    assert "lead_phone" in names


def test_check_says_which_days_a_moved_start_date_brings(run, monkeypatch):
    """In one line, with the days."""
    run("sync")
    first = noon(5).date()
    monkeypatch.setenv("LEADPIPE_START_DATE", first.isoformat())
    assert finding(run, "settings") == (
        "warning",
        f"the next sync reads 2 days, {first} to {noon(4).date()}, as the start date moved",
    )
    assert listed(run, "--incomplete") == [("never read", "")] * 2


@pytest.mark.parametrize("scopes", [("*",), ("query:read",)], ids=["told by the project", "seen"])
def test_retention_is_said_and_is_no_fault(run, sandbox, scopes):
    """A part of the oldest day vanishes: the sync succeeds, nothing goes, and all say that it is frozen."""
    run("sync")
    sandbox.control.scopes(*scopes)
    sandbox.control.set_retention(floor=noon(3) - timedelta(hours=2))
    result = run("sync")
    assert (result.exit_code, "✗" in result.output) == (0, False)
    asked_for = run("sync", "--from", str(noon(3).date()))
    assert (asked_for.exit_code, "1 of the days are frozen by retention" in asked_for.stderr) == (
        0,
        True,
    )
    *others, oldest = listed(run)
    assert (others, oldest[0]) == ([("proved", "")] * 3, "frozen by retention")
    assert listed(run, "--incomplete") == []
    assert "1 days are frozen by retention" in run("days").output
    assert len(json.loads(run("leads", "list", "--json").stdout)) == 9
    assert finding(run, "completeness")[0] == "ok"
    assert f"up to {noon(3).date()} are frozen by retention" in finding(run, "retention")[1]


def test_nobody_accepts_what_the_plan_hides(run, sandbox, monkeypatch):
    """`days accept` refuses days before the project's floor, in one line."""
    monkeypatch.setenv("LEADPIPE_START_DATE", noon(31).date().isoformat())
    sandbox.control.insert([event("lead_phone", noon(31), listing_id="L", created_at=noon(31))])
    run("sync")
    sandbox.control.set_retention(1)
    let_pass(3 * 86_400)
    run("sync")
    result = run("days", "accept", noon(34).date().isoformat())
    assert (result.exit_code, "are kept here" in result.stderr) == (1, True)


def test_two_events_with_one_uuid_have_a_mark(run, sandbox):
    """Of the two one is here: the day differs in `days`, not a plain tick, and since when is told."""
    twin = event("lead_phone", noon(2), listing_id="L", seeker_id="a", created_at=noon(2))
    sandbox.control.insert([twin, {**twin, "event": "lead_message"}])
    run("sync")
    days = json.loads(run("days", "--json").stdout)
    assert [(day["verdict"], day["detail"], day["is_complete"]) for day in days] == [
        ("proved", "", True),
        ("proved", "", True),
        ("differs", "1 missing here, as another has its uuid", False),
        ("proved", "", True),
    ]
    assert days[2]["differs_since"] is not None
    assert "as another has its uuid" in run("days").stdout


def test_a_sync_says_which_events_posthog_counts_and_does_not_send(run, sandbox):
    """One line with the day and the next step."""
    run("sync")
    sandbox.control.insert(
        [
            {
                **event("lead_phone", noon(2), listing_id="L", created_at=noon(2)),
                "visible_at": datetime.now(UTC) + timedelta(seconds=100),
            }
        ]
    )
    let_pass(300)  # the day must not end meanwhile
    sandbox.control.lagging_replica(250, match="events from")
    result = run("sync")
    assert result.exit_code == 1
    day = noon(2).date()
    assert f"✗ {day}: PostHog counts 1 events that it did not send" in result.stderr
    assert [verdict for verdict, _ in listed(run)][2] == "differs"
    sandbox.control.lagging_replica(0)
    assert run("sync").exit_code == 0
    assert listed(run, "--incomplete") == []


_NAMES = st.lists(st.text(st.sampled_from('a\n[]", '), max_size=4), max_size=4, unique=True)


@given(_NAMES, _NAMES)
def test_other_event_names_have_another_key(one, other):
    """Also where a name has a line end in it; usual names have the key they always had."""
    assert (names_key(one) == names_key(other)) == (sorted(one) == sorted(other))
    assert names_key(["b", "a"]) == hashlib.sha256(b"a\nb").hexdigest()[:16]
