"""The pages of days: the strip with its verdicts, a day whole, and what somebody can do about it."""

import re
from datetime import date, timedelta

import pytest

from leadpipe.events.advice import Advice, advice_of
from leadpipe.events.day_strip import strip_of
from leadpipe.events.verdicts import DayFacts, verdict_of
from leadpipe.published.tables import publish_tables
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.test_monitoring import a_day, a_run
from leadpipe_tests.web.builders import panels
from leadpipe_tests.web.fake_dagster import FakeDagster, NoDagster

PAGE = "/admin/sync"
DAY = TODAY - timedelta(days=3)
GONE = TODAY - timedelta(days=5)
WHOLE = f"leadpipe sync --from {DAY} --to {DAY} --full"
READ = {"read_until": NOW, "checked_at": NOW}


@pytest.fixture
def days(warehouse, tmp_path):
    """Two hundred days, of which one lacks events, one has too many and one was never read."""
    with warehouse.connect() as connection:
        for ago in range(200):
            day = TODAY - timedelta(days=ago)
            theirs, here = {DAY: (120, 117), GONE: (100, 160)}.get(day, (100, 100))
            if ago != 40:
                connection.execute(a_day(day, posthog=theirs, here=here, since=5.0))
        connection.execute(a_run(1, "manual", "failed", 1.0))
        connection.execute(
            "INSERT INTO run_parts BY NAME SELECT 'run-1' AS run_id, 'run-1' AS part_id, "
            "'attempt-1' AS attempt_id, 1 AS attempt, 'failed' AS status, $first AS window_start, "
            "$last AS window_end, 'no answer' AS error, $now AS started_at, $now AS finished_at",
            {"first": DAY, "last": TODAY, "now": NOW},
        )
        publish_tables(connection, tmp_path / "data" / "published", now=NOW)


def facts(**fields):
    """A day that was compared."""
    return DayFacts(DAY, **{**READ, "posthog_events": 10, "warehouse_events": 10, **fields})


@pytest.mark.parametrize(
    ("known", "command", "can_read_again"),
    [
        (facts(has_same_events=True), None, False),
        (facts(is_frozen=True), None, False),
        (DayFacts(DAY), WHOLE, True),
        (facts(), WHOLE, True),
        (facts(has_same_events=False, warehouse_events=7), WHOLE, True),
        (facts(has_same_events=False), WHOLE, True),
        (facts(has_same_events=True, has_same_copies=False), WHOLE, True),
        (facts(has_same_events=False, warehouse_events=16), f"leadpipe days accept {DAY}", False),
        (facts(has_same_events=False, is_questioned=True), "leadpipe sync", False),
        (facts(has_same_events=True, shared_uuids=1), None, False),
    ],
    ids=[
        "proved",
        "frozen",
        "never read",
        "unproved",
        "missing here",
        "other events",
        "earlier copies",
        "surplus here",
        "questioned",
        "shared uuid",
    ],
)
def test_each_verdict_has_its_next_step(known, command, can_read_again):
    """A sentence always, a command where one helps, and the button where reading may mend the day."""
    advice = advice_of(known, verdict_of(known, names=()))
    assert advice == Advice(advice.text, command, can_read_again)
    assert advice.text.endswith(".")


def test_the_strip_has_a_cell_a_day_in_weeks():
    """Thirteen weeks from a Monday to the last day, months where they begin, and ways to the others."""
    every = [
        (one, verdict_of(one, names=()))
        for ago in range(199, -1, -1)
        for one in [DayFacts(TODAY - timedelta(days=ago))]
    ]
    latest = strip_of(every, last=TODAY)
    assert [len(week.days) for week in latest.weeks] == [7] * 13
    assert {week.days[0].day.weekday() for week in latest.weeks if week.days[0]} == {0}
    assert (latest.days[0].day, latest.days[-1].day) == (date(2026, 8, 24), TODAY)
    assert [week.month for week in latest.weeks if week.month] == ["Sep", "Oct", "Nov"]
    assert (latest.earlier, latest.later) == (date(2026, 8, 23), None)
    before = strip_of(every, last=date(2026, 8, 23))
    assert (before.days[-1].day, before.later) == (date(2026, 8, 23), TODAY)
    assert before.earlier
    first = strip_of(every, last=before.earlier)
    assert (first.days[0].day, first.earlier) == (TODAY - timedelta(days=199), None)
    assert sum(len(strip.days) for strip in (latest, before, first)) == 200
    assert latest.legend == [("never read", "never", "–", 90)]


def test_the_page_shows_a_red_day_and_what_to_do(days, start):
    """An incomplete day has a cell of its kind with date, verdict and both counts, and its next step."""
    text = start(start_date="2026-05-06", dagster=FakeDagster()).get(PAGE).text
    cell = re.search(rf'<a class="day differs" href="{PAGE}/days/{DAY}"[^>]*>.*?</a>', text)
    assert cell
    said = "Wed 18 Nov 2026: differs: 3 missing here. PostHog 120 events, here 117."
    assert f'aria-label="{said}"' in cell[0]
    assert ">!</span>" in cell[0]
    assert f"<code>{WHOLE}</code>" in text
    assert f"<code>leadpipe days accept {GONE}</code>" in text
    assert f'action="{PAGE}/days/{DAY}/read"' in text
    assert re.search(
        r"<td>differs: 3 missing here</td>\s*<td class=\"n\">120</td><td class=\"n\">117", text
    )


def test_the_panel_counts_what_is_left(days, start):
    """Three days stand on the page with their next step; how many more there are is said."""
    panel = panels(start(start_date="2026-05-05"))["events/strip.html"]
    assert [str(one.verdict) for one in panel["wrong"]] == [
        "differs: 3 missing here",
        "differs: 60 surplus here, gone in PostHog",
        "never read",
    ]
    assert panel["more"] == 1


def test_there_is_a_way_back_in_time(days, start):
    """Older days have the same strip, from link to link until the first."""
    client = start(start_date="2026-05-06")
    pages = [client.get(PAGE).text]
    while link := re.search(
        rf'{PAGE}/days\?until=[0-9-]+"(?: rel="prev")?>(?:← )?Earlier', pages[-1]
    ):
        pages.append(client.get(link[0].partition('"')[0]).text)
    seen = [
        day for page in pages for day in re.findall(r'<a class="day [^>]*days/([0-9-]+)"', page)
    ]
    assert len(pages) == 3
    assert sorted(seen) == [str(TODAY - timedelta(days=ago)) for ago in range(199, -1, -1)]


def test_a_day_has_a_page(days, start):
    """Both sides, since when, the runs that were asked for it with their reasons, and the partition."""
    text = start(start_date="2026-05-06", dagster=FakeDagster()).get(f"{PAGE}/days/{DAY}").text
    for part in ("differs: 3 missing here", "<dd>120</dd>", "<dd>117</dd>", "no answer", WHOLE):
        assert part in text


def test_a_day_leads_into_dagster_while_it_answers(days, start):
    """To its partition and its runs; nowhere while nobody answers."""
    client = start(start_date="2026-05-06", dagster=FakeDagster())
    client.get(PAGE)  # which hears from Dagster
    links = re.findall(r'href="(http[^"]+)"', client.get(f"{PAGE}/days/{DAY}").text)
    base = "http://127.0.0.1:3000"
    assert links == [
        f"{base}/assets/raw_events?view=partitions&amp;partition={DAY}",
        f"{base}/runs/attempt-1",
    ]
    away = start(start_date="2026-05-06", dagster=NoDagster())
    away.get(PAGE)
    assert re.findall(r'href="(http[^"]+)"', away.get(f"{PAGE}/days/{DAY}").text) == []


@pytest.mark.parametrize("path", ["days/2026-13-01", "days/2020-01-01", "days?until=soon"])
def test_no_day_is_no_page(days, start, path):
    """What is no day, or none that is to be here, is 404."""
    assert start(start_date="2026-05-06").get(f"{PAGE}/{path}").status_code == 404


def read_again(client, day=DAY):
    """Press the button of a day."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get(PAGE).text)
    assert token
    address = f"{PAGE}/days/{day}/read"
    return client.post(address, data={"csrf": token[1]}, follow_redirects=False)


def test_the_button_reads_the_day_whole(days, start):
    """A manual run over that day alone, which the page then shows."""
    dagster = FakeDagster()
    answer = read_again(start(start_date="2026-05-06", dagster=dagster))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?run=run-1")
    (params,) = dagster.launched
    assert params["selector"]["jobName"] == "sync"
    assert params["runConfigData"] == {"ops": {"raw_events": {"config": {"full_read": True}}}}
    assert {tag["key"]: tag["value"] for tag in params["executionMetadata"]["tags"]} == {
        "dagster/asset_partition_range_start": str(DAY),
        "dagster/asset_partition_range_end": str(DAY),
        "leadpipe/kind": "manual",
        "leadpipe/person": "127.0.0.1 without a login",
    }


@pytest.mark.parametrize(
    ("dagster", "day", "status", "reason"),
    [
        (FakeDagster(under_way="run-9"), DAY, 409, "A sync is under way (run run-9)"),
        (NoDagster(), DAY, 503, "Start it with `make up`"),
        (FakeDagster(), GONE, 400, "again does not help"),
    ],
    ids=["a sync goes on", "no Dagster", "reading does not help"],
)
def test_a_reading_that_is_refused_says_why(days, start, dagster, day, status, reason):
    """On the day's page, and nothing is started."""
    answer = read_again(start(start_date="2026-05-06", dagster=dagster), day)
    assert answer.status_code == status
    assert reason in answer.text


def test_a_form_of_another_site_reads_nothing(days, start):
    """The button wants the session's token."""
    dagster = FakeDagster()
    client = start(start_date="2026-05-06", dagster=dagster)
    answer = client.post(f"{PAGE}/days/{DAY}/read", data={"csrf": "guess"})
    assert (answer.status_code, dagster.launched) == (403, [])
