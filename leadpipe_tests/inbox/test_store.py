"""The inbox file and its writer: durable, each uuid once, and honest when the disk says no."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadpipe.inbox.store import Inbox, InboxState, InboxUnavailable
from leadpipe.inbox.writer import InboxWriter
from leadpipe_tests.clocks import NOW
from leadpipe_tests.inbox.builders import a_body, fresh, payload


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """An inbox that does not exist yet."""
    return Inbox(tmp_path / "data" / "inbox.sqlite")


def names(inbox):
    """What waits, by name."""
    return [event.event for event in inbox.take()]


def test_an_event_waits_once_however_often_it_is_delivered(inbox):
    """The same uuid in one body, in another, or in the same moment is one event."""
    same = a_body()
    assert inbox.add([payload(same, same), payload(same, fresh())], now=NOW) == [1, 1]
    assert inbox.add([payload(same)], now=NOW) == [0]
    assert inbox.state() == InboxState(
        waiting=2,
        oldest_at=NOW,
        dead_letters=0,
        received=5,
        duplicates=3,
        last_received_at=NOW,
    )


def test_what_is_removed_may_come_again(inbox):
    """After the warehouse has an event, a late duplicate waits again: the door counts it once."""
    inbox.add([payload(a_body())], now=NOW)
    inbox.remove([event.number for event in inbox.take()])
    assert names(inbox) == []
    assert inbox.add([payload(a_body())], now=NOW) == [1]


def test_no_byte_of_what_is_removed_is_left(inbox):
    """SQLite would keep the row in its file until it writes over it."""
    inbox.add([payload(fresh(distinct_id="ann@example.org"), fresh(distinct_id="ben"))], now=NOW)
    inbox.remove([event.number for event in inbox.take() if event.distinct_id != "ben"])
    left = b"".join(path.read_bytes() for path in inbox.path.parent.iterdir())
    assert (b"ann@example.org" in left, b"ben" in left) == (False, True)


def test_numbers_only_grow(inbox):
    """A number is never used again, so that a reader can ask for what came after one."""
    inbox.add([payload(fresh(), fresh())], now=NOW)
    first, second = inbox.take()
    inbox.remove([first.number, second.number])
    inbox.add([payload(fresh(event="recharge"))], now=NOW)
    assert [event.event for event in inbox.take(after=second.number)] == ["recharge"]
    assert inbox.waiting_events() == {"recharge"}


def test_dead_letters_keep_reason_and_content(inbox):
    """What could not be read waits for a person, the latest first, until it is forgotten."""
    inbox.add([payload(a_body(uuid="1"))], now=NOW)
    inbox.add([payload(fresh(event="recharge"))], now=NOW)
    inbox.bury(inbox.take()[0], "it breaks the batch", now=datetime(2026, 11, 22, tzinfo=UTC))
    letters = inbox.dead_letters()
    assert [(letter.reason, letter.received_at.day) for letter in letters] == [
        ("it breaks the batch", 22),
        ("no UUID at event.uuid", 21),
    ]
    assert names(inbox) == []
    assert inbox.forget_dead_letters([letters[0].number, 99]) == 1
    assert inbox.state().dead_letters == 1


def test_a_failed_transaction_leaves_nothing_behind(inbox):
    """A batch is kept whole or not at all."""
    inbox.add([payload(fresh())], now=NOW)

    class Broken:
        deliveries = (*payload(fresh()).deliveries, None)
        problems = ()

    with pytest.raises(AttributeError):
        inbox.add([Broken()], now=NOW)
    assert inbox.state().waiting == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """The error says which file, and that nothing was taken in."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InboxUnavailable, match="file cannot be made"):
        Inbox(blocked / "inbox.sqlite").add([payload(fresh())], now=NOW)
    broken = tmp_path / "inbox.sqlite"
    broken.write_bytes(b"this is no database, but it is long enough to be looked at" * 20)
    with pytest.raises(
        InboxUnavailable, match=r"inbox.sqlite cannot be opened: file is not a database"
    ):
        Inbox(broken).state()


def test_a_full_disk_is_said_and_nothing_is_half_kept(inbox):
    """When SQLite finds no more room, the batch is not kept, and what was there before is."""
    inbox.add([payload(fresh())], now=NOW)
    with inbox.kept_open() as full:
        full._kept.execute("PRAGMA max_page_count = 12")
        with pytest.raises(InboxUnavailable, match=r"cannot be written: database or disk is full"):
            full.add([payload(*(fresh() for _ in range(500)))], now=NOW)
    assert (inbox.state().waiting, inbox.state().received) == (1, 1)


def test_an_inbox_that_was_removed_is_made_anew(inbox):
    """After `make clean` beside a running page the next event is kept in a file that exists."""

    async def deliver():
        writer = InboxWriter(inbox, clock=lambda: NOW)
        try:
            await writer.add(payload(fresh()))
            for file in inbox.path.parent.glob("inbox.sqlite*"):
                file.unlink()
            await writer.add(payload(fresh(event="recharge")))
        finally:
            writer.close()

    asyncio.run(deliver())
    assert names(inbox) == ["recharge"]


def test_the_writer_commits_many_requests_together(inbox):
    """Each request learns how many of its own events were new, and one commit tells once."""
    commits = []

    async def deliver():
        writer = InboxWriter(inbox, clock=lambda: NOW, on_commit=lambda: commits.append(1))
        try:
            same = a_body()
            return await asyncio.gather(
                *(writer.add(payload(same, fresh())) for _ in range(200)), writer.add(payload())
            )
        finally:
            writer.close()

    news = asyncio.run(deliver())
    assert (sorted(news), inbox.state().waiting) == ([0] + [1] * 199 + [2], 201)
    assert 1 <= len(commits) < 200


def test_the_writer_tells_its_requests_when_the_disk_says_no(inbox):
    """A request that could not be kept gets the error, and the next one is tried anew."""
    inbox.path.mkdir(parents=True)

    async def deliver():
        writer = InboxWriter(inbox, clock=lambda: NOW)
        try:
            with pytest.raises(InboxUnavailable, match="cannot be opened: unable to open"):
                await writer.add(payload(fresh()))
            inbox.path.rmdir()
            return await writer.add(payload(fresh()))
        finally:
            writer.close()

    assert asyncio.run(deliver()) == 1
