"""Which project fills a warehouse: it may get another address, once proved; another project is refused."""

from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from leadpipe.cli import main
from leadpipe.connections import connect_posthog
from leadpipe.errors import ConfigurationError
from leadpipe.events.connecting import sync_config
from leadpipe.events.deletions import accept
from leadpipe.events.moving import SourceMove, move_source
from leadpipe.events.planning import plan_sync
from leadpipe.events.source import claim_source
from leadpipe.posthog import PostHog, identity
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import event, load, rows

DAYS = [date(2026, 11, day) for day in (17, 18, 19, 20)]


def views(**fields):
    """Three views on each day."""
    at = [NOW - timedelta(days=(TODAY - day).days) for day in DAYS for _ in range(3)]
    return [event("property_view", moment, listing_id="L", **fields) for moment in at]


@pytest.fixture
def filled(sandbox, settings, warehouse):
    """Four days of the sandbox's project, loaded and proved; its events."""
    there = views()
    sandbox.control.insert(there)
    load(settings, warehouse, DAYS)
    return there


@pytest.fixture
def moved(settings):
    """Settings that call the same sandbox by another name."""
    return settings.model_copy(
        update={"posthog_base_url": settings.posthog_base_url.replace("127.0.0.1", "localhost")}
    )


@pytest.fixture
def move(moved, warehouse):
    """Say that it is the same project; `move(although_days_differ=…)`."""

    def said(**options) -> SourceMove:
        with connect_posthog(moved) as posthog:
            return move_source(
                posthog, warehouse, config=sync_config(moved), author="ama", now=NOW, **options
            )

    return said


def plan(settings, warehouse):
    """What the next sync would do."""
    with connect_posthog(settings) as posthog:
        return plan_sync(
            posthog, warehouse, config=sync_config(settings), first_day=DAYS[0], now=NOW
        )


def replace(sandbox, events):
    """PostHog has these now, and no others."""
    sandbox.control.reset()
    sandbox.control.set_clock(NOW)
    sandbox.control.insert(events)


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("https://app.posthog.com", "https://us.posthog.com"),
        ("https://us.i.posthog.com", "https://us.posthog.com"),
        ("https://eu.i.posthog.com", "https://eu.posthog.com"),
        ("https://us.posthog.com:443", "https://us.posthog.com"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://stats.example.org:8443", "https://stats.example.org:8443"),
        ("http://[::1]:8010", "http://[::1]:8010"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_known_names_of_one_posthog_are_one(host, same):
    """PostHog Cloud's names need no command, nor does a port that is the usual one."""
    assert identity(host) == identity(same) == same


def test_the_two_clouds_are_two():
    """A project of the one is none of the other."""
    assert identity("https://app.posthog.com") != identity("https://eu.posthog.com")


def test_another_name_of_the_cloud_needs_no_command(warehouse):
    """A warehouse filled from app.posthog.com goes on from us.posthog.com, and not from eu.posthog.com."""
    with warehouse.connect() as connection:
        for name in ("app", "us", "us.i"):
            claim_source(connection, cloud(name))
        with pytest.raises(ConfigurationError, match=r"project 7 of https://app\.posthog\.com"):
            claim_source(connection, cloud("eu"))


def cloud(name):
    """A client of a project of PostHog Cloud, which asks nothing."""
    return PostHog(
        host=f"https://{name}.posthog.com", project_id="7", api_key=SecretStr("phx_nobody")
    )


def test_another_address_is_refused_with_the_command(moved, warehouse, filled):
    """The error says how to say that it is the same project."""
    with pytest.raises(ConfigurationError, match="`leadpipe source moved`"):
        load(moved, warehouse, DAYS, run_id="run-2")


def test_the_same_project_is_known_by_its_events(moved, settings, warehouse, filled, move):
    """All days are equal: the address is recorded with who and when, and the sync goes on."""
    before, now = (settings.posthog_base_url, "1"), (moved.posthog_base_url, "1")
    assert move() == SourceMove(before, now, tuple(DAYS))
    assert rows(warehouse, "SELECT * FROM sources") == [now]
    assert rows(warehouse, "SELECT * FROM source_moves") == [(*before, *now, 4, 0, "ama", NOW)]
    assert load(moved, warehouse, DAYS, run_id="run-2").incomplete_days == ()
    assert move() == SourceMove(now, now)


def test_events_since_the_last_sync_are_no_difference(sandbox, warehouse, filled, move):
    """Days that have grown are compared as they were when they were read."""
    late = NOW + timedelta(hours=1)
    sandbox.control.set_clock(late + timedelta(hours=1))
    at = NOW - timedelta(days=1)
    sandbox.control.insert([event("property_view", at, listing_id="L", created_at=late)])
    assert (move().equal, rows(warehouse, "SELECT count(*) FROM source_moves")) == (
        tuple(DAYS),
        [(1,)],
    )


@pytest.mark.parametrize("although", [False, True])
def test_another_project_is_refused(sandbox, settings, warehouse, filled, move, although):
    """None of the days has the same events: no flag helps, and nothing is recorded."""
    replace(sandbox, views())
    with pytest.raises(ConfigurationError, match=r"none of 4 days .* is not project 1 of http"):
        move(although_days_differ=although)
    assert rows(warehouse, "SELECT host FROM sources") == [(settings.posthog_base_url,)]
    assert rows(warehouse, "SELECT * FROM source_moves") == []


def test_a_day_that_differs_is_for_a_person_to_judge(sandbox, warehouse, filled, move):
    """A deletion since, or a copy of the project: it is said, and the flag is for who knows."""
    replace(sandbox, filled[1:])
    with pytest.raises(
        ConfigurationError, match=r"1 of 4 days differ .*2026-11-17.*--although-days-differ"
    ):
        move()
    found = move(although_days_differ=True)
    assert (found.equal, found.differing) == (tuple(DAYS[1:]), (DAYS[0],))


def test_where_no_day_is_proved_a_person_may_judge(sandbox, warehouse, filled, move):
    """Days of an older leadpipe were read and never proved: they are compared all the same."""
    with warehouse.connect() as connection:
        connection.execute("UPDATE event_days SET posthog_checksum = NULL")
    replace(sandbox, views())
    with pytest.raises(ConfigurationError, match="No day of this warehouse is proved"):
        move()
    assert move(although_days_differ=True).differing == tuple(DAYS)


def test_an_empty_warehouse_moves_freely(sandbox, settings, warehouse, move):
    """There is nothing to compare, and nothing to mix."""
    load(settings, warehouse, DAYS)
    found = move()
    assert (found.equal, found.differing) == ((), ())
    assert rows(warehouse, "SELECT days_equal FROM source_moves") == [(0,)]


def test_a_warehouse_of_no_project_cannot_move(move, sandbox):
    """Its first sync says which project it is."""
    with pytest.raises(ConfigurationError, match="belongs to no project yet"):
        move()


def test_another_project_behind_the_same_address_is_refused(sandbox, settings, warehouse, filled):
    """A proxy that was turned elsewhere: neither the plan nor a load mixes the two."""
    replace(sandbox, views())
    with pytest.raises(ConfigurationError, match="another project answers there"):
        plan(settings, warehouse)
    with pytest.raises(ConfigurationError, match="none of 12 of 2026-11-17 to 2026-11-20"):
        load(settings, warehouse, DAYS, run_id="run-2")
    sandbox.control.insert([event("property_view", NOW, listing_id="L")])
    sandbox.control.set_clock(NOW + timedelta(hours=1))
    with pytest.raises(ConfigurationError, match="another project answers there"):
        load(settings, warehouse, [TODAY], run_id="run-3", now=NOW + timedelta(hours=1))
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(12,)]


def test_a_few_events_that_are_all_deleted_are_no_other_project(sandbox, settings, warehouse):
    """Of a day with three events somebody's erasure may take all: too little to tell a project by."""
    gone = views()[:3]
    sandbox.control.insert(gone)
    load(settings, warehouse, DAYS[:1])
    replace(sandbox, views()[3:])
    assert plan(settings, warehouse).reasons[DAYS[0]] == "differs"


def test_a_project_that_differs_everywhere_is_still_the_same(sandbox, settings, warehouse, filled):
    """When every day got late events, some of ours are there still: it costs one question."""
    replace(sandbox, [*filled, *views()])
    sandbox.control.clear_requests()
    assert set(plan(settings, warehouse).reasons.values()) == {"differs", "never read"}
    names = [request["name"] for request in sandbox.control.requests()]
    assert names.count("leadpipe: known events") == 1
    load(settings, warehouse, DAYS, run_id="run-2")
    assert rows(warehouse, "SELECT count(*) FROM raw_events") == [(24,)]


def test_days_a_person_has_accepted_are_not_refused(sandbox, settings, warehouse, filled):
    """Everything was deleted there and filled anew: `leadpipe days accept` is the person's word."""
    replace(sandbox, views())
    with warehouse.writing("door") as connection:
        accept(connection, DAYS, author="ama", now=NOW)
    load(settings, warehouse, DAYS, run_id="run-2")
    assert rows(warehouse, "SELECT count(*) FROM gone_events") == [(12,)]


def test_the_command_says_what_it_did(moved, warehouse, filled, monkeypatch):
    """`leadpipe source moved` proves and records, and `leadpipe source` shows both addresses."""
    assert moved.posthog_api_key
    for name, value in {
        "POSTHOG_API_KEY": moved.posthog_api_key.get_secret_value(),
        "POSTHOG_PROJECT_ID": "1",
        "POSTHOG_BASE_URL": moved.posthog_base_url,
        "LEADPIPE_DATA_DIR": str(moved.data_dir),
    }.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(main, ["source", "moved", "--author", "ama"])
    assert said.exit_code == 0
    assert " ".join(said.output.split()) == (
        f"From now on this warehouse is filled from project 1 of {moved.posthog_base_url}; "
        "4 of 4 days have the same events there."
    )
    again = CliRunner().invoke(main, ["source", "moved"])
    assert "already" in again.output
    shown = CliRunner().invoke(main, ["source"])
    assert f"Project 1 of {moved.posthog_base_url}" in shown.output
    assert "ama" in shown.output
