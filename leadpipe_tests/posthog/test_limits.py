"""The limiter and the counters."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from leadpipe.posthog import CallCounts, CallStats, Limits, QueryResult
from leadpipe.posthog.limits import Limiter
from leadpipe_tests.posthog.builders import FakeClock, Script, bad, client, good


def granted_times(limits: Limits, pauses: Sequence[float]) -> list[float]:
    """When each of several calls got its turn; `pauses` are the seconds before each."""
    clock = FakeClock()
    limiter = Limiter(limits, clock=clock, sleep=clock.sleep)
    times = []
    for pause in pauses:
        clock.now += pause
        with limiter.turn():
            times.append(clock())
    return times


@given(st.lists(st.floats(0, 40), max_size=60), st.integers(1, 5), st.integers(3, 20))
def test_no_window_holds_more_than_its_limit(pauses, per_minute, per_hour):
    """However calls come, no 60 s hold more than `per_minute`, no 3,600 s more than `per_hour`."""
    limits = Limits(per_minute=per_minute, per_hour=per_hour)
    times = granted_times(limits, pauses)
    for limit, seconds in ((per_minute, 60), (per_hour, 3600)):
        gaps = [late - early for early, late in zip(times, times[limit:], strict=False)]
        assert all(gap >= seconds for gap in gaps)


def test_calls_within_the_limits_do_not_wait():
    """Below the limits every call goes at once."""
    assert granted_times(Limits(per_minute=5), [0.0] * 5) == [1000.0] * 5


def test_the_call_over_the_limit_waits_for_the_window():
    """The call after the last allowed one waits until the first is a minute and a bit old."""
    assert granted_times(Limits(per_minute=2), [0.0, 10.0, 0.0]) == [1000.0, 1010.0, 1060.5]


def test_threads_share_the_windows():
    """Three threads together stay within one minute's limit."""
    clock = FakeClock()
    limiter = Limiter(Limits(per_minute=10), clock=clock, sleep=clock.sleep)

    def work(calls):
        for _ in range(calls):
            with limiter.turn():
                pass

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, [20, 20, 20]))
    times = list(limiter._granted)
    assert len(times) == 60
    assert all(late - early >= 60 for early, late in zip(times, times[10:], strict=False))


def test_at_most_three_queries_are_in_flight():
    """Nine threads on one client get through three at a time, never four."""
    three = threading.Barrier(3)
    lock = threading.Lock()
    in_flight = []
    most = []

    def slowly(request):
        with lock:
            in_flight.append(request)
            most.append(len(in_flight))
        three.wait(timeout=60)  # passes only if three are in flight together
        with lock:
            in_flight.remove(request)
        three.wait(timeout=60)
        return good()

    with client(Script(slowly)) as posthog, ThreadPoolExecutor(9) as pool:
        names = [f"window {n}" for n in range(9)]
        results = list(pool.map(lambda name: posthog.query("select 1", name=name), names))
        counts = posthog.stats.snapshot()
    assert [result.decoded() for result in results] == [[[1]]] * 9
    assert max(most) == 3
    assert counts == CallCounts(api_calls=9)


def test_a_waiting_retry_gives_its_place_to_others():
    """A query that waits for its next attempt holds no place in flight meanwhile."""
    clock = FakeClock()
    script = Script(bad(503), good(), good())
    inner: list[QueryResult | None] = []

    def sleep(seconds):
        clock.sleep(seconds)
        if not inner:
            inner.append(None)
            inner[0] = posthog.query("select 2", name="meanwhile")

    with client(script, clock=clock, sleep=sleep, limits=Limits(queries_at_once=1)) as posthog:
        assert posthog.query("select 1", name="first").decoded() == [[1]]
    assert inner == [QueryResult(columns=("n",), rows=[msgspec.Raw(b"[1]")], types=("Int64",))]


def test_waiting_for_our_own_limit_is_not_counted_as_time():
    """A query that queues a minute for its turn still has its whole deadline, in retries too."""
    clock = FakeClock()
    script = Script(good(), bad(503), good())
    with client(script, clock=clock, limits=Limits(per_minute=1), deadline_seconds=2) as posthog:
        posthog.query("select 1", name="first")
        assert posthog.query("select 1", name="second").decoded() == [[1]]
    assert clock.sleeps == [60.5, 0.25, 60.25]


def test_a_long_wait_is_told(caplog):
    """A wait of more than ten seconds is logged, so that quiet is not mistaken for stuck."""
    with caplog.at_level("INFO", logger="leadpipe"):
        granted_times(Limits(per_minute=1), [0.0, 0.0])
    assert caplog.messages == ["Waiting 60 s to stay below PostHog's request limits"]


def test_other_requests_do_not_use_up_the_limits_of_queries():
    """PostHog counts queries by themselves, and so do we."""
    clock = FakeClock()
    project = httpx.Response(200, json={"id": 7, "name": "Shop", "timezone": "UTC"})
    with client(Script(project), clock=clock, limits=Limits(per_minute=1)) as posthog:
        posthog.project()
        posthog.project()
    assert clock.sleeps == []


def test_counts_can_be_subtracted():
    """The difference of two snapshots is what lies between them."""
    stats = CallStats()
    stats.add(api_calls=2, retries=1)
    before = stats.snapshot()
    stats.add(api_calls=3, rate_limits=1)
    assert stats.snapshot() - before == CallCounts(api_calls=3, retries=0, rate_limits=1)


def test_no_count_is_lost_between_threads():
    """Counters raised by several threads add up."""
    stats = CallStats()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: stats.add(api_calls=1), range(2000)))
    assert stats.snapshot() == CallCounts(api_calls=2000)
