"""Recording results in PostHog: each once, whatever was interrupted, never taken for done too soon."""

import json
from contextlib import contextmanager

import pytest

from leadpipe.draws import recording
from leadpipe.draws.recording import RecordReport, record_draw
from leadpipe.errors import PostHogUnavailable, UnknownDraw
from leadpipe.posthog.capture import CaptureReport
from leadpipe_tests.clocks import NOW
from leadpipe_tests.draws.builders import DRAW_DATE, give_entries, make_draw, msisdn
from leadpipe_tests.events.builders import rows
from leadpipe_tests.posthog_sandbox.asking import rows as asked

pytestmark = pytest.mark.shared_lake

PEOPLE = {msisdn(n): 1 + n for n in range(30)}


def record(warehouse, posthog, capture, **options):
    """Record the draw of the date."""

    @contextmanager
    def sender():
        yield capture

    return record_draw(
        warehouse, posthog, sender, DRAW_DATE, clock=lambda: NOW, deadline_seconds=2, **options
    )


def in_posthog(sandbox):
    """The events of draws, with the properties that leadpipe gave them."""
    found = asked(
        sandbox,
        "SELECT event, distinct_id, toString(uuid), properties FROM events "
        "WHERE event IN ('draw_winner', 'draw_runner_up') ORDER BY 3 LIMIT 999",
    )
    return [
        (name, who, uuid, {key: value for key, value in json.loads(text).items() if key[0] != "$"})
        for name, who, uuid, text in found
    ]


@pytest.fixture
def drawn(warehouse):
    """A draw of six places."""
    give_entries(warehouse, PEOPLE)
    return make_draw(warehouse)


def test_results_are_events_with_the_domains_properties(
    sandbox, warehouse, posthog, capture, drawn
):
    """A winner and a runner-up, whole: who, which prize, and the rank of who stands by."""
    assert record(warehouse, posthog, capture) == RecordReport("draw-2026-11-21", 6, 6, 6)
    winners = rows(
        warehouse,
        "SELECT is_runner_up, prize_tier_id, rank, distinct_id, event_uuid::VARCHAR, prize_tier_name, "
        "prize_value FROM draw_winners",
    )
    assert in_posthog(sandbox) == sorted(
        (
            (
                "draw_runner_up" if is_runner_up else "draw_winner",
                distinct_id,
                uuid,
                {
                    "draw_id": "draw-2026-11-21",
                    "draw_date": "2026-11-21",
                    "prize_tier_id": tier,
                    "prize_tier_name": name,
                    "prize_value": value,
                    "is_runner_up": is_runner_up,
                    "runner_up_rank": rank if is_runner_up else None,
                },
            )
            for is_runner_up, tier, rank, distinct_id, uuid, name, value in winners
        ),
        key=lambda one: one[2],
    )
    assert rows(warehouse, "SELECT DISTINCT recorded_at FROM draw_winners") == [(NOW,)]


def test_recording_again_sends_nothing(sandbox, warehouse, posthog, capture, drawn):
    """Also when the warehouse forgot that it was done: PostHog is asked first."""
    record(warehouse, posthog, capture)
    assert record(warehouse, posthog, capture) == RecordReport("draw-2026-11-21", 6, 0, 0)
    with warehouse.writing("participants") as connection:
        connection.execute("UPDATE draw_winners SET recorded_at = NULL")
    assert record(warehouse, posthog, capture) == RecordReport("draw-2026-11-21", 6, 0, 6)
    assert len(in_posthog(sandbox)) == 6


def test_an_interruption_between_two_requests_is_gone_on_from(
    sandbox, warehouse, posthog, capture, drawn, monkeypatch
):
    """Sent in part and killed before it was noted, the rest is sent, and each is there once."""
    monkeypatch.setattr(recording, "_EVENTS_AT_ONCE", 2)
    noted = []

    def killed(*arguments):
        noted.append(arguments)
        if len(noted) == 2:
            raise KeyboardInterrupt
        return _note(*arguments)

    _note = recording._note
    monkeypatch.setattr(recording, "_note", killed)
    with pytest.raises(KeyboardInterrupt):
        record(warehouse, posthog, capture)
    assert len(in_posthog(sandbox)) == 4
    monkeypatch.setattr(recording, "_note", _note)
    assert record(warehouse, posthog, capture) == RecordReport("draw-2026-11-21", 6, 2, 4)
    assert len({uuid for _, _, uuid, _ in in_posthog(sandbox)}) == len(in_posthog(sandbox)) == 6


class Silent:
    """A sender whose events never arrive."""

    def send(self, events):
        """Claim that all were sent."""
        return CaptureReport(sent=tuple(event.uuid for event in events))


def test_what_did_not_arrive_is_not_noted(warehouse, posthog, drawn):
    """An answer of 200 is no proof: without the event in PostHog the result stays open, with the reason."""
    with pytest.raises(PostHogUnavailable, match="6 results of draw-2026-11-21 are not in PostHog"):
        record(warehouse, posthog, Silent())
    assert rows(warehouse, "SELECT DISTINCT recorded_at FROM draw_winners") == [(None,)]


def test_a_draw_that_was_not_made_is_not_recorded(warehouse, posthog, capture):
    """The message says what to do first."""
    with pytest.raises(UnknownDraw, match="leadpipe draws run 2026-11-21"):
        record(warehouse, posthog, capture)


def test_a_draw_redone_has_events_of_its_own(sandbox, warehouse, posthog, capture, drawn):
    """Its results come beside those of the first, which stay as they were."""
    record(warehouse, posthog, capture)
    first = in_posthog(sandbox)
    make_draw(warehouse, redo_reason="again")
    assert record(warehouse, posthog, capture).sent == 6
    both = in_posthog(sandbox)
    assert len(both) == 12
    assert [one for one in both if one[3]["draw_id"] == "draw-2026-11-21"] == first
