"""Exports through the client, against the sandbox over HTTP: asked for, looked at, waited for, stopped."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from leadpipe.errors import (
    ConfigurationError,
    ExportCancelled,
    ExportFailed,
    ExportFailedForNow,
    ExportGone,
    ExportNotReady,
    ExportTimedOut,
    ExportUncertain,
    ExportUnpaid,
    KeyRejected,
    PostHogError,
    PostHogRefused,
    PostHogUnavailable,
    QuotaExceeded,
    RateLimited,
    ScopeMissing,
    TooManyExports,
)
from leadpipe.posthog import PostHog
from leadpipe.posthog.downloads import (
    Created,
    ExportState,
    Next,
    Wanted,
    cancel,
    create,
    look,
    newest,
    watch,
)
from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog.builders import FakeClock, Script, bad, client
from leadpipe_tests.posthog_sandbox.export_asking import event
from posthog_sandbox.process import SandboxProcess

_DAY = timedelta(days=1)
_CREATION = "/file_download_batch_exports/"
WANTED = Wanted(NOW - _DAY, NOW, ("e",))


def connected(sandbox: SandboxProcess, **options: Any) -> PostHog:
    """A client whose waits take no time."""
    return client(host=sandbox.url, project_id="1", api_key=SecretStr(sandbox.api_key), **options)


@pytest.fixture
def posthog(sandbox: SandboxProcess) -> Iterator[PostHog]:
    """A client of the sandbox with three events of an hour ago."""
    sandbox.control.insert([event(1), event(2), event(3, event="other")])
    with connected(sandbox) as found:
        yield found


def asked(posthog: PostHog, wanted: Wanted = WANTED) -> str:
    """The id of an export that was made for certain."""
    created = create(posthog, wanted, sleep=lambda _: None)
    assert created.is_certain
    return created.id


def watched(posthog: PostHog, *export_ids: str) -> list[ExportState]:
    """The exports as they ended, in real time."""
    return list(watch(posthog, export_ids, deadline_seconds=60, sleep=lambda _: time.sleep(0.01)))


def test_an_export_from_its_making_to_its_end(sandbox, posthog):
    """PostHog gets span, names and the form of files; the state tells files and rows."""
    export = asked(posthog)
    (state,) = watched(posthog, export)
    assert (state.id, state.status, state.next) == (export, "Completed", Next.FETCH)
    assert (len(state.files), state.rows, state.error) == (1, 2, "")
    state.raise_if_over()
    (run,) = sandbox.control.export_runs()
    assert run["asked"] == {
        "model": "events",
        "file": {"format": "Parquet", "compression": "zstd", "max_size_mb": 512},
        "data_interval_start": "2026-11-20T12:00:00+00:00",
        "data_interval_end": "2026-11-21T12:00:00+00:00",
        "include": ["e"],
    }


def test_all_events_and_persons_are_asked_for_without_names(sandbox, posthog):
    """None is all; persons have none."""
    asked(posthog, Wanted(NOW - _DAY, NOW))
    asked(posthog, Wanted(NOW - _DAY, NOW, model="persons", max_size_mb=9))
    events, persons = sandbox.control.export_runs()
    assert "include" not in events["asked"]
    assert persons["asked"]["model"] == "persons"
    assert persons["asked"]["file"]["max_size_mb"] == 9


@pytest.mark.parametrize(
    ("start", "end", "options", "words"),
    [
        (NOW, NOW, {}, "longer than nothing"),
        (NOW, NOW - _DAY, {}, "longer than nothing"),
        (NOW - 7 * _DAY, NOW + timedelta(microseconds=1), {}, "at most seven days"),
        (NOW.replace(tzinfo=None), NOW.replace(tzinfo=None), {}, "with a time zone"),
        (NOW - _DAY, NOW, {"events": ()}, "at least one event"),
        (NOW - _DAY, NOW, {"events": ("e",), "model": "persons"}, "persons have no names"),
    ],
)
def test_what_posthog_would_not_do_is_not_asked(
    start: datetime, end: datetime, options: dict[str, Any], words: str
) -> None:
    """An empty list of names, which PostHog takes for all, least of all."""
    with pytest.raises(ConfigurationError, match=words):
        Wanted(start, end, **options)


def test_a_week_is_asked_for(posthog):
    """Seven days are not too many; no rows are no files."""
    (state,) = watched(posthog, asked(posthog, Wanted(NOW - 7 * _DAY, NOW, ("none",))))
    assert (state.status, state.files, state.rows, state.next) == ("Completed", (), 0, Next.FETCH)


@pytest.mark.parametrize(
    ("status", "following", "kind", "step"),
    [
        ("FailedRetryable", Next.ASK_AGAIN, ExportFailedForNow, "ask for the span again"),
        ("Terminated", Next.ASK_AGAIN, ExportFailedForNow, "ask for the span again"),
        ("TimedOut", Next.ASK_AGAIN, ExportTimedOut, "shorter span"),
        ("Failed", Next.GIVE_UP, ExportFailed, "by query"),
        ("FailedBilling", Next.GIVE_UP, ExportUnpaid, "Settings → Billing"),
        ("Cancelled", Next.GIVE_UP, ExportCancelled, "Somebody stopped it"),
    ],
)
def test_each_end_has_its_consequence(sandbox, posthog, status, following, kind, step):
    """Told apart by class, with PostHog's words and the next step; final ones are not asked again."""
    sandbox.control.download_outcomes(status, error="disk\n  away")
    (state,) = watched(posthog, asked(posthog))
    assert (state.status, state.next) == (status, following)
    with pytest.raises(kind, match=step) as caught:
        state.raise_if_over()
    assert f"export {state.id} ended as {status}: disk away." in str(caught.value)
    assert issubclass(kind, PostHogRefused) == (following is Next.GIVE_UP)
    assert "disk" not in repr(state)


@pytest.mark.parametrize("status", ["Starting", "Running", "ContinuedAsNew", "Paused"])
def test_other_states_are_waited_for(status):
    """Also one that only a newer PostHog has."""
    state = ExportState("x", status)
    assert state.next is Next.WAIT
    state.raise_if_over()


def test_an_export_that_posthog_lost_is_asked_for_again(sandbox, posthog):
    """It is a state like others, for whoever looks, waits or cancels."""
    export = asked(posthog)
    sandbox.control.forget_export(export)
    gone = ExportState(export, "Gone")
    assert [look(posthog, export), *watched(posthog, export), cancel(posthog, export)] == [gone] * 3
    assert gone.next is Next.ASK_AGAIN
    with pytest.raises(ExportGone, match="ask for it again"):
        gone.raise_if_over()


def test_too_many_at_once_is_a_state_of_its_own(sandbox, posthog):
    """Not waited out inside one request: one of ours has to end, and then the next can begin."""
    sandbox.control.downloads(at_once=1)
    sandbox.control.download_outcomes("lost")
    first = asked(posthog)
    with pytest.raises(TooManyExports, match="when one of them has ended") as caught:
        create(posthog, WANTED)
    assert (caught.value.status, caught.value.code) == (429, "too_many_concurrent_file_downloads")
    assert not isinstance(caught.value, PostHogRefused | PostHogUnavailable)
    assert cancel(posthog, first).status == "Cancelled"
    assert watched(posthog, asked(posthog))[0].status == "Completed"
    posts = [one for one in sandbox.control.requests() if one["status"] == 429]
    assert len(posts) == 1


def test_limits_by_rate_are_waited_out(sandbox, posthog):
    """As asked, and without a second export: a 429 says that nothing was done."""
    sandbox.control.fault("rate_limit", seconds=2, after=1, match=_CREATION)
    asked(posthog)
    assert len(sandbox.control.export_runs()) == 1
    sandbox.control.fault("rate_limit", seconds=99, after=1, times=-1, match=_CREATION)
    with pytest.raises(RateLimited):
        create(posthog, WANTED)
    assert len(sandbox.control.export_runs()) == 1


def test_an_export_whose_answer_was_lost_is_found(sandbox, posthog):
    """It is there once, is taken for ours, and said to be uncertain."""
    other = asked(posthog)
    sandbox.control.fault("cut_body", bytes=3, after=1, match=_CREATION)
    clock = FakeClock()
    created = create(posthog, WANTED, sleep=clock.sleep)
    runs = [run["id"] for run in sandbox.control.export_runs()]
    assert runs == [other, created.id]
    assert not created.is_certain
    assert clock.sleeps == [1.0]


def test_an_export_that_was_never_made_is_asked_for_again(sandbox, posthog):
    """After looking for it a while, and not for ever."""
    sandbox.control.fault("reset", after=1, match=_CREATION)
    clock = FakeClock()
    created = create(posthog, WANTED, sleep=clock.sleep)
    assert created == Created(sandbox.control.export_runs()[0]["id"])
    assert clock.sleeps == [1.0, 2.0, 4.0]


def test_a_posthog_that_cannot_start_exports_is_asked_three_times(sandbox, posthog):
    """Its 500 leaves a failed export behind, which is not taken for ours."""
    sandbox.control.downloads(fails_to_start=2)
    created = create(posthog, WANTED, sleep=lambda _: None)
    runs = sandbox.control.export_runs()
    assert [run["id"] for run in runs][-1] == created.id
    assert [run["status"] for run in runs[:2]] == ["Failed", "Failed"]
    failed = look(posthog, runs[0]["id"])
    assert failed.next is Next.ASK_AGAIN
    with pytest.raises(ExportFailedForNow, match="Failed to start"):
        failed.raise_if_over()
    sandbox.control.downloads(fails_to_start=3)
    with pytest.raises(PostHogUnavailable, match="failed to start"):
        create(posthog, WANTED, sleep=lambda _: None)


def test_which_of_two_is_ours_is_not_guessed(sandbox, posthog):
    """Somebody else asked in the same moment: both ids are told, and none is taken."""
    sandbox.control.fault("cut_body", bytes=3, after=1, match=_CREATION)

    def meanwhile(_: float) -> None:
        with connected(sandbox) as another:
            asked(another)

    with pytest.raises(ExportUncertain, match="which is ours cannot be told") as caught:
        create(posthog, WANTED, sleep=meanwhile)
    assert set(caught.value.export_ids) == {run["id"] for run in sandbox.control.export_runs()}


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("quota_402", {}, QuotaExceeded),
        ("unauthorized_401", {}, KeyRejected),
        ("missing_scope_403", {"scope": "batch_export:write"}, ScopeMissing),
    ],
)
def test_a_final_no_is_not_asked_again(sandbox, posthog, fault, options, kind):
    """Neither is the list looked at for what was not made."""
    sandbox.control.fault(fault, after=1, match=_CREATION, **options)
    with pytest.raises(kind):
        create(posthog, WANTED)
    assert len([one for one in sandbox.control.requests() if _CREATION in one["path"]]) == 2


def test_scopes_are_named(sandbox, posthog):
    """Those that the key lacks, for reading and for writing."""
    sandbox.control.scopes("query:read")
    with pytest.raises(ScopeMissing, match="batch_export:read"):
        newest(posthog)
    sandbox.control.scopes("batch_export:read")
    with pytest.raises(ScopeMissing, match="batch_export:write"):
        create(posthog, WANTED)


def test_posthogs_own_words_come_with_a_refusal(posthog):
    """A span that ends after PostHog's now, by its own clock."""
    with pytest.raises(PostHogRefused, match=r"'data_interval_end' .* is in the future"):
        create(posthog, Wanted(NOW, NOW + _DAY))


def test_the_newest_are_listed(sandbox, posthog):
    """Newest first, as many as asked for."""
    sandbox.control.download_outcomes("Failed")
    ids = [asked(posthog) for _ in range(3)]
    watched(posthog, *ids)
    assert newest(posthog) == [
        (ids[2], "Completed"),
        (ids[1], "Completed"),
        (ids[0], "Failed"),
    ]
    assert newest(posthog, 1) == [(ids[2], "Completed")]


def test_cancelling_what_has_ended_changes_nothing(posthog):
    """It is a success for whoever wants it stopped, and its state is told."""
    export = asked(posthog)
    watched(posthog, export)
    assert cancel(posthog, export).status == "Completed"


def test_exports_are_told_as_they_end(sandbox, posthog):
    """The second before the first, so that its files can be fetched meanwhile."""
    sandbox.control.download_outcomes("lost")
    first, second = asked(posthog), asked(posthog)
    ends = watch(
        posthog, [first, second, second], deadline_seconds=60, sleep=lambda _: time.sleep(0.01)
    )
    assert next(ends).id == second
    cancel(posthog, first)
    assert [state.status for state in ends] == ["Cancelled"]


def test_files_that_are_listed_late_are_waited_for(sandbox, posthog):
    """Whether PostHog says that it runs, or that it is complete without saying how many rows."""
    sandbox.control.downloads(late_looks=3)
    assert len(watched(posthog, asked(posthog))[0].files) == 1
    sandbox.control.downloads(late_looks=1, tells_rows=False)
    (state,) = watched(posthog, asked(posthog))
    assert (len(state.files), state.rows) == (1, None)
    empty = Wanted(NOW - _DAY, NOW, ("none",))
    (state,) = watched(posthog, asked(posthog, empty))
    assert (state.files, state.may_have_more) == ((), True)


def test_the_deadline_of_waiting_holds(sandbox, posthog):
    """Waits grow to ten seconds; what runs still is named, and goes on."""
    sandbox.control.download_outcomes("lost")
    export = asked(posthog)
    clock = FakeClock()
    ends = watch(posthog, [export], deadline_seconds=60, clock=clock, sleep=clock.sleep)
    with pytest.raises(ExportNotReady, match=r"1 of PostHog's exports .* after 60 s") as caught:
        list(ends)
    assert caught.value.export_ids == (export,)
    assert clock.sleeps == [1, 2, 4, 8, 10, 10, 10, 10, 5]
    assert look(posthog, export).status == "Running"


def test_a_posthog_that_is_away_is_waited_out(sandbox, posthog):
    """Only what PostHog says of an export ends it; a key that is refused ends the waiting."""
    export = asked(posthog)
    sandbox.control.fault("server_error_500", times=20)
    assert watched(posthog, export)[0].status == "Completed"
    sandbox.control.fault("unauthorized_401")
    with pytest.raises(KeyRejected):
        watched(posthog, export)


def test_nothing_to_wait_for_is_no_question():
    """An empty collection asks PostHog nothing."""
    script = Script(bad(500))
    with client(script) as posthog:
        assert list(watch(posthog, [], deadline_seconds=1)) == []
    assert script.requests == []


def test_every_class_of_an_end_is_posthogs():
    """So that whoever catches PostHog's errors catches them."""
    kinds = (ExportFailed, ExportUnpaid, ExportCancelled, ExportFailedForNow, ExportTimedOut)
    others = (ExportGone, ExportNotReady, ExportUncertain, TooManyExports)
    assert all(issubclass(kind, PostHogError) for kind in (*kinds, *others))
