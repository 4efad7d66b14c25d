"""When a request is repeated, and how long is waited before."""

from typing import Any

import httpx
import pytest

from leadpipe.errors import PostHogUnavailable, RateLimited
from leadpipe.posthog import CallCounts
from leadpipe_tests.posthog.builders import FakeClock, Reply, Script, bad, client, good


def waits_before_success(*failures: Reply, **options: Any) -> list[float]:
    """The seconds waited between failures and the good answer that follows them."""
    clock = FakeClock()
    with client(Script(*failures, good()), clock=clock, **options) as posthog:
        assert posthog.query("select 1", name="leads").decoded() == [[1]]
    return clock.sleeps


@pytest.mark.parametrize(
    ("name", "failures", "options", "waits"),
    [
        ("doubling", [bad(500)] * 4, {}, [0.25, 0.5, 1.0, 2.0]),
        ("jitter", [bad(500)] * 2, {"jitter": lambda: 0.5}, [0.375, 0.75]),
        ("lost connection", [httpx.ReadError("reset")], {}, [0.25]),
        ("no more than 30 s", [bad(500)] * 9, {"deadline_seconds": 999}, [15.0, 15.0]),
        ("as asked with 429", [bad(429, retry_after="3")], {}, [3.0]),
        ("as asked with 503", [bad(503, retry_after="3")], {}, [3.0]),
        ("not as asked with 500", [bad(500, retry_after="3")], {}, [0.25]),
        ("never sooner than asked", [bad(429, retry_after="3")], {"jitter": lambda: 0.5}, [3.25]),
        ("asked not to wait", [bad(429, retry_after="0")], {}, [0.5]),
        ("too many at once", [bad(429), bad(429)], {}, [1.0, 1.0]),
        ("too many at once, jitter", [bad(429)], {"jitter": lambda: 0.5}, [1.5]),
        ("header that means nothing", [bad(429, retry_after="soon")], {}, [1.0]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_wait_before_the_next_attempt(name, failures, options, waits):
    """Waits double and are jittered; PostHog's own wish comes first; crowding is over soon."""
    assert waits_before_success(*failures, **options)[-len(waits) :] == waits


def test_a_wait_past_the_deadline_is_not_begun():
    """PostHog's wish to wait longer than the deadline ends the request at once."""
    clock = FakeClock()
    script = Script(bad(429, "Request was throttled.", "throttled", retry_after="1800"))
    with (
        client(script, clock=clock, deadline_seconds=60) as posthog,
        pytest.raises(RateLimited) as caught,
    ):
        posthog.query("select 1", name="leads")
    assert clock.sleeps == []
    assert str(caught.value) == (
        "'leads' got 429 throttled: Request was throttled. Gave up after 1 attempt: the next one "
        "would come 1800.0 s later, past the deadline of 60 s."
    )


def test_the_last_cause_names_the_error():
    """What stood in the way last decides the class and is told."""
    script = Script(bad(429), httpx.ConnectError("down"))
    with client(script) as posthog, pytest.raises(PostHogUnavailable, match="ConnectError down"):
        posthog.query("select 1", name="leads")


def test_a_deadline_can_be_given_to_one_query():
    """A query's own deadline replaces the client's."""
    script = Script(bad(503))
    with client(script) as posthog, pytest.raises(PostHogUnavailable):
        posthog.query("select 1", name="leads", deadline_seconds=0.5)
    assert len(script.requests) == 2


def test_calls_retries_and_limits_are_counted():
    """Every request sent is a call; those after the first are retries too."""
    with client(Script(bad(429), bad(503), good())) as posthog:
        posthog.query("select 1", name="leads")
        assert posthog.stats.snapshot() == CallCounts(api_calls=3, retries=2, rate_limits=1)
