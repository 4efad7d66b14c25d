"""From PostHog's destination to the warehouse: the sandbox sends, the real server answers, all is once."""

import shutil
from datetime import timedelta

import pytest

from leadpipe.inbox.drain import drain
from leadpipe.inbox.store import Inbox
from leadpipe.web.signing import fresh_secret
from leadpipe_tests.clocks import NOW, TODAY
from leadpipe_tests.events.builders import build_marts, event, load, rows
from leadpipe_tests.web.page_process import serving

_DAY = TODAY - timedelta(days=1)
_PATH = "/api/webhooks/posthog"
_SECRET = fresh_secret()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the page of this module has its data."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture
def page(folder):
    """The real server, with an empty inbox; its address."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    with serving(folder, POSTHOG_WEBHOOK_SECRET=_SECRET) as (_, address):
        yield address + _PATH


@pytest.fixture
def inbox(folder):
    """The inbox of the page."""
    return Inbox(folder / "data" / "inbox.sqlite")


@pytest.fixture
def destination(sandbox, page):
    """Set up a destination in PostHog that sends there, with its secret as the signing key."""

    def added(url=page, **options):
        return sandbox.control.add_destination(
            url, **{"signing_secret": _SECRET, "wait_scale": 0.02, **options}
        )

    return added


def lead(number):
    """A lead of yesterday."""
    return event("lead_phone", f"{10 + number}:00:00", listing_id="L", seeker_id=f"person-{number}")


def outcomes(sandbox, destination):
    """The statuses and the outcome of each delivery."""
    return [
        ([attempt["status"] for attempt in delivery["attempts"]], delivery["outcome"])
        for delivery in sandbox.control.deliveries(destination)
    ]


def drained(inbox, warehouse, at=NOW):
    """Move the inbox into the warehouse."""
    return drain(
        inbox,
        warehouse,
        run_id=f"drain-{at:%d%H}",
        landing=warehouse.path.parent / "landing",
        publish=lambda _: None,
        clock=lambda: at,
    )


def test_what_posthog_sends_and_shows_counts_once(sandbox, destination, inbox, warehouse, settings):
    """Signed or with the secret as a header, with a slash at the end or without: one event each."""
    ways = [
        destination(),
        destination(signing_secret=_SECRET.removeprefix("whsec_")),
        destination(signing_secret=None, headers={"Authorization": f"Bearer {_SECRET}"}),
        destination(signing_secret=fresh_secret(), headers={"X-Leadpipe-Secret": _SECRET}),
    ]
    sandbox.control.insert([lead(1), lead(2)])
    for way in ways:
        assert outcomes(sandbox, way) == [([200], "delivered")] * 2
    assert drained(inbox, warehouse).ingested.new == 2
    load(settings, warehouse, [_DAY, TODAY], now=NOW)
    assert rows(warehouse, "SELECT count(*), count(created_at) FROM raw_events") == [(2, 2)]


def test_both_spellings_of_the_path_answer(sandbox, destination, page, inbox):
    """PostHog follows no redirect: a slash at the end would be a failure for good."""
    way = destination(f"{page}/")
    sandbox.control.insert([lead(1)])
    assert outcomes(sandbox, way) == [([200], "delivered")]
    assert inbox.state().waiting == 1


def test_a_disk_that_is_full_for_a_while_loses_nothing(sandbox, destination, inbox):
    """503 with the time to wait: the retry has the same id, a new signature, and is taken."""
    for file in inbox.path.parent.glob("inbox.sqlite*"):
        file.unlink()
    inbox.path.mkdir()
    way = destination(wait_scale=0.05)
    sandbox.control.insert([lead(1)])
    for _ in range(2_000):
        (delivery,) = sandbox.control.deliveries(way, until_settled=False)
        if delivery["attempts"]:
            break
    inbox.path.rmdir()
    (delivery,) = sandbox.control.deliveries(way)
    first, *_, last = delivery["attempts"]
    assert (first["status"], first["next_in_seconds"], last["status"]) == (503, 60.0, 200)
    assert first["headers"]["webhook-id"] == last["headers"]["webhook-id"]
    assert inbox.state().waiting == 1


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"signing_secret": fresh_secret()}, 401),
        ({"signing_secret": None}, 401),
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
        ({"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
    ],
    ids=["another key", "no secret", "GET", "PUT", "form"],
)
def test_a_destination_that_is_set_up_wrong_is_told_once(sandbox, destination, options, status):
    """Never a success that took nothing, and never a retry that cannot help: it shows in PostHog's log."""
    way = destination(**options)
    sandbox.control.insert([lead(1)])
    assert outcomes(sandbox, way) == [([status], "failed")]


def test_the_test_button_makes_no_lead(sandbox, destination, inbox, warehouse, settings):
    """It is answered like any event, and a day later nothing counts it."""
    way = destination()
    sandbox.control.insert([lead(1)])
    assert sandbox.control.test_destination(way, "lead_phone", {"listing_id": "L"})["outcome"] == (
        "delivered"
    )
    assert len(sandbox.control.deliveries(way)) == 2
    assert drained(inbox, warehouse).ingested.new == 2
    leads = "SELECT count(*) FROM leads"
    for hours, count in ((1, 2), (25, 1)):
        now = NOW + timedelta(hours=hours)
        sandbox.control.set_clock(now)
        load(settings, warehouse, [_DAY, TODAY, TODAY + timedelta(days=1)], now=now)
        build_marts(warehouse)
        assert rows(warehouse, leads) == [(count,)]
