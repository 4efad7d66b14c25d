"""The morning message: to everyone, once a day to each, whatever is started twice, and of nobody by name."""

import threading
from datetime import date, timedelta

import pytest

from leadpipe.alerting import alert_receivers
from leadpipe.errors import ConfigurationError
from leadpipe.notices import Receiver
from leadpipe.today.mornings import Mornings, Sent
from leadpipe.today.telling import tell_morning
from leadpipe_tests.clocks import NOW
from leadpipe_tests.inboxes import MailServer, http_inbox
from leadpipe_tests.today.builders import SEEKERS, something_new
from leadpipe_tests.web.fixtures import web_settings


def texts(inbox):
    """What chats were told."""
    return [body.get("text", body.get("message")) for body in inbox.bodies]


def test_chat_and_mail_are_told_the_same_once_a_day(tmp_path):
    """A second call, of a restart or a second daemon, tells nobody; the next day does."""
    with http_inbox() as inbox, MailServer() as server:
        settings = something_new(
            tmp_path,
            alert_to=f"json://{inbox.place}/",
            alert_webhook_url=inbox.url,
            alert_smtp_url=f"smtp://{server.place}",
            alert_mail_to="sales@example.org",
            web_names="stats.example.org",
        )
        first = tell_morning(settings, now=NOW)
        again = tell_morning(settings, now=NOW + timedelta(hours=3))
        assert (first.sent, again.sent) == (Sent(told=3), Sent(before=3))
        assert texts(inbox) == [first.text, first.text]
        [mail] = server.mails
        assert "Subject: leadpipe: Saturday, 21 November 2026" in mail
        assert "To: sales@example.org" in mail
        assert tell_morning(settings, now=NOW + timedelta(days=1)).sent.told == 3
    assert first.text is not None
    for said in (
        "Leads: 4 new leads since yesterday; 0 with 50 points or more; 4 not answered; ",
        "7 unanswered in all (under a day: 4, 1 to 7 days: 1, 7 to 30 days: 1, over 30 days: 1)",
        "Listings: 9 views yesterday (0 on a day of the week before); ",
        "rising most: villa-accra-12 (9 views, 0 a day before)",
        "Visitors: 2 visitors this week so far, +100 % against the same 6 days of last week (1)",
        "not proved to hold PostHog's events",
        "https://stats.example.org/today",
    ):
        assert said in first.text, first.text
    assert [name for name in SEEKERS if name in first.text] == []


def test_the_day_is_the_teams(tmp_path):
    """Where it is tomorrow already, the next message comes a day of theirs later."""
    with http_inbox() as inbox:
        settings = something_new(
            tmp_path, alert_to=f"json://{inbox.place}/", alert_timezone="Pacific/Auckland"
        )
        moments = [NOW, NOW - timedelta(hours=2), NOW + timedelta(hours=10)]
        assert [tell_morning(settings, now=now).sent.told for now in moments] == [1, 1, 0]


def test_nothing_is_said_where_nothing_can_be(tmp_path):
    """Before the first sync nobody gets an empty message."""
    with http_inbox() as inbox:
        settings = web_settings(tmp_path, alert_to=f"json://{inbox.place}/")
        assert tell_morning(settings, now=NOW).text is None
        assert inbox.bodies == []


def test_who_did_not_take_it_is_told_again(tmp_path):
    """A receiver that refuses is tried again, those that took it are not."""
    with http_inbox() as good, http_inbox() as bad:
        bad.status = 500
        settings = web_settings(tmp_path, alert_to=f"json://{good.place}/ json://{bad.place}/")
        mornings, to = Mornings(tmp_path / "m.sqlite"), alert_receivers(settings)
        first = mornings.send("hello", to, subject="s", day=NOW.date(), now=NOW)
        bad.status = 200
        again = mornings.send("hello", to, subject="s", day=NOW.date(), now=NOW)
    assert (first.told, first.problems, first.is_over) == (
        1,
        ("LEADPIPE_ALERT_TO (address 2) did not take the message: HTTP 500",),
        False,
    )
    assert again == Sent(told=1, before=1)
    assert len(good.bodies) == 1


def test_of_two_at_once_one_tells(tmp_path):
    """Two daemons that tick in one moment send one message."""
    with http_inbox() as inbox:
        to = alert_receivers(web_settings(tmp_path, alert_to=f"json://{inbox.place}/"))
        barrier = threading.Barrier(4)
        sent: list[Sent] = []

        def send():
            barrier.wait(10)
            sent.append(
                Mornings(tmp_path / "m.sqlite").send(
                    "hello", to, subject="s", day=NOW.date(), now=NOW
                )
            )

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(one.told for one in sent) == [0, 0, 0, 1]
    assert len(inbox.bodies) == 1


def test_what_may_have_arrived_is_not_sent_again(tmp_path, monkeypatch):
    """A message whose answer did not come in time is kept as sent: twice is worse than a line in the log."""
    monkeypatch.setattr("leadpipe.notices._DEADLINE_SECONDS", 0.5)
    with http_inbox() as inbox:
        inbox.is_open.clear()
        to = alert_receivers(web_settings(tmp_path, alert_to=f"json://{inbox.place}/"))
        mornings = Mornings(tmp_path / "m.sqlite")
        first = mornings.send("hello", to, subject="s", day=NOW.date(), now=NOW)
        inbox.is_open.set()
        again = mornings.send("hello", to, subject="s", day=NOW.date(), now=NOW)
    assert first.problems == ("LEADPIPE_ALERT_TO did not take the message: no answer in time",)
    assert (first.is_over, again) == (True, Sent(before=1))


def test_a_killed_send_is_not_repeated(tmp_path):
    """Whoever was about to be told when the process ended is not told by the next one: it may have gone."""
    mornings = Mornings(tmp_path / "m.sqlite")
    assert mornings._claim(NOW.date(), "LEADPIPE_ALERT_TO", NOW)

    def never():
        raise AssertionError("told twice")

    to = [Receiver("LEADPIPE_ALERT_TO", never)]
    assert mornings.send("hello", to, subject="s", day=NOW.date(), now=NOW) == Sent(before=1)


def test_a_disk_that_takes_nothing_tells_nobody(tmp_path):
    """Who cannot remember whom it told does not tell: else it would every time."""
    (tmp_path / "file").write_text("")
    mornings = Mornings(tmp_path / "file" / "m.sqlite")
    with http_inbox() as inbox:
        to = alert_receivers(web_settings(tmp_path, alert_to=f"json://{inbox.place}/"))
        with pytest.raises(ConfigurationError, match="cannot be written"):
            mornings.send("hello", to, subject="s", day=date(2026, 11, 21), now=NOW)
        assert inbox.bodies == []
