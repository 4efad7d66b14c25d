"""File download exports: PostHog writes events or persons of a span of time to files, for us to fetch.

Belongs here: asking for one, looking at it, waiting for it, stopping it, and what each of its states means
for whoever asked. Does not belong here: fetching the files (`download_files.py`), which spans to ask for.

How PostHog treats them: a span is of the time rows were inserted and at most a week; one that began six days
ago or earlier brings only events whose timestamp is not more than seven days before it. Of the copies of an
event in a span one comes, and nothing says which. A run tells its state, files and rows, never its span, its
model or its names; the list tells ids and states, newest first. Too many at once are refused. A run is shown
as running until its files are listed, if PostHog counted its rows; if not, it may be complete without files
for a moment.
"""

import enum
import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

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
    ObjectNotFound,
    PostHogError,
    PostHogRefused,
    PostHogUnavailable,
    RateLimited,
)
from leadpipe.posthog.answers import shorten
from leadpipe.posthog.client import PostHog
from leadpipe.posthog.pages import every_item

PATH = "file_download_batch_exports/"
READING, WRITING = "batch_export:read", "batch_export:write"
LONGEST_SPAN = timedelta(weeks=1)
MAX_SIZE_MB = 512
"""Smaller than PostHog's gibibyte: a file that breaks off is a smaller loss, and fewer bytes wait on disk."""

_LISTED = 100
_ATTEMPTS = 3
_LOOKS_AFTER_A_LOSS = (1.0, 2.0, 4.0)
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 10.0
_LONGEST_LOOK_SECONDS = 60.0
_BAD_REQUEST = 400
_GONE = "Gone"
_NEVER_STARTED = "Failed to start"
_BY_QUERY = "The events of its span can be read by query."
_BILLING = "Exports count as batch exports; their limit is under Settings → Billing."


class Next(enum.Enum):
    """What an export's state means for whoever asked for it."""

    WAIT = "it runs: look again later"
    FETCH = "it is complete: fetch its files"
    ASK_AGAIN = "nothing will come of it: ask for the same span again"
    GIVE_UP = "nothing will come of it, nor of another one like it"


_CONSEQUENCES: Mapping[str, tuple[Next, type[PostHogError] | None, str]] = {
    "Starting": (Next.WAIT, None, ""),
    "Running": (Next.WAIT, None, ""),
    "ContinuedAsNew": (Next.WAIT, None, ""),
    "Completed": (Next.FETCH, None, ""),
    "FailedRetryable": (Next.ASK_AGAIN, ExportFailedForNow, "It may pass: ask for the span again."),
    "Terminated": (Next.ASK_AGAIN, ExportFailedForNow, "PostHog ended it: ask for the span again."),
    "TimedOut": (Next.ASK_AGAIN, ExportTimedOut, "Ask for a shorter span, or for fewer events."),
    _GONE: (Next.ASK_AGAIN, ExportGone, "PostHog does not know it any more: ask for it again."),
    "Failed": (Next.GIVE_UP, ExportFailed, _BY_QUERY),
    "FailedBilling": (Next.GIVE_UP, ExportUnpaid, f"{_BILLING} {_BY_QUERY}"),
    "Cancelled": (Next.GIVE_UP, ExportCancelled, "Somebody stopped it; a new run asks again."),
}
"""Every state that PostHog has, and `Gone` where it has no such export. One that is none of these is a newer
PostHog's, and is waited for."""


@dataclass(frozen=True)
class Wanted:
    """What an export shall hold.

    Attributes:
        start: inclusive, of the time rows were inserted; aware.
        end: exclusive; not later than PostHog's now, at most a week after `start`.
        events: names; None for all. Only for events.
        model: what a row is.
        max_size_mb: MiB after which PostHog begins another file.

    Raises:
        ConfigurationError: PostHog would refuse it, or export everything instead.
    """

    start: datetime
    end: datetime
    events: Sequence[str] | None = None
    model: Literal["events", "persons"] = "events"
    max_size_mb: int = MAX_SIZE_MB

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ConfigurationError("An export's span needs moments with a time zone.")
        if not timedelta() < self.end - self.start <= LONGEST_SPAN:
            raise ConfigurationError(
                f"An export's span of {self.end - self.start} is none: it is longer than nothing and at "
                "most seven days."
            )
        if self.events is not None and (self.model != "events" or not self.events):
            raise ConfigurationError(
                "An export names at least one event, or None for all; persons have no names."
            )

    @property
    def name(self) -> str:
        """As errors name it."""
        first, last = (moment.astimezone(UTC) for moment in (self.start, self.end))
        return f"export of {self.model} received {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"

    def body(self) -> dict[str, object]:
        """As PostHog takes it."""
        names = {} if self.events is None else {"include": list(self.events)}
        return {
            "model": self.model,
            "file": {
                "format": "Parquet",
                "compression": "zstd",
                "max_size_mb": self.max_size_mb,
            },
            "data_interval_start": self.start.astimezone(UTC).isoformat(),
            "data_interval_end": self.end.astimezone(UTC).isoformat(),
            **names,
        }


@dataclass(frozen=True)
class Created:
    """An export that was asked for.

    Attributes:
        id: PostHog's.
        is_certain: whether PostHog answered with that id. If its answer was lost, it is the one export that
            has appeared since: compare `download_files.span_of` with what was wanted before believing it.
    """

    id: str
    is_certain: bool = True


@dataclass(frozen=True)
class ExportState:
    """An export as PostHog shows it now.

    Attributes:
        id: PostHog's.
        status: PostHog's word, or `Gone`.
        files: their ids in order; empty until it is complete, and if there were no rows.
        rows: in all its files; None where PostHog does not say.
        error: PostHog's words on what failed.
    """

    id: str
    status: str
    files: tuple[str, ...] = ()
    rows: int | None = None
    error: str = field(default="", repr=False)

    @property
    def next(self) -> Next:
        """What it means."""
        if self.status == "Failed" and self.error == _NEVER_STARTED:
            return Next.ASK_AGAIN
        return _CONSEQUENCES.get(self.status, (Next.WAIT, None, ""))[0]

    @property
    def may_have_more(self) -> bool:
        """Whether it is complete without files, and PostHog does not say that it had no rows."""
        return self.next is Next.FETCH and not self.files and self.rows is None

    def raise_if_over(self) -> None:
        """Return while it runs or when it is complete.

        Raises:
            ExportFailedForNow: what to do next is `Next.ASK_AGAIN`, so with the next two.
            ExportTimedOut: it took PostHog too long.
            ExportGone: PostHog does not know it.
            ExportFailed: what to do next is `Next.GIVE_UP`, so with the next two.
            ExportUnpaid: the plan does not allow it.
            ExportCancelled: somebody stopped it.
        """
        _, kind, step = _CONSEQUENCES.get(self.status, (Next.WAIT, None, ""))
        if self.next is Next.ASK_AGAIN and kind is ExportFailed:
            kind, step = ExportFailedForNow, "The span is asked for again."
        if kind is None:
            return
        words = f": {shorten(self.error)}" if self.error else ""
        name = f"export {self.id}"
        raise kind(f"PostHog's {name} ended as {self.status}{words}. {step}", request_name=name)


def create(
    posthog: PostHog,
    wanted: Wanted,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Created:
    """Ask for an export; it is made once, though answers get lost.

    Asking is not repeatable, and the list tells neither spans nor names. So the ids that are there are read
    before; after a lost answer those that are new are looked at: none (after seven seconds) means that
    nothing was done, and it is asked again, three times at most; one is taken for ours, and said to be
    uncertain. One that failed to start is none. So create one after the other: two at a time would take the
    other's for theirs.

    Raises:
        TooManyExports: as many run as PostHog allows; wait for one to end.
        ExportUncertain: more than one is new.
        QuotaExceeded: the plan allows no more.
        PostHogRefused: PostHog does not take it; its subclasses say why.
        PostHogUnavailable: passing, and not over in three attempts.
    """
    known = {one for one, _ in newest(posthog, 2 * _LISTED)}  # what is deleted moves others up
    lost: PostHogUnavailable | None = None
    for _ in range(_ATTEMPTS):
        try:
            return Created(_asked_for(posthog, wanted))
        except RateLimited:
            raise  # nothing was done
        except PostHogUnavailable as error:
            lost = error
        appeared = _appeared(posthog, known, sleep)
        if len(appeared) == 1:
            return Created(appeared[0], is_certain=False)
        if appeared:
            raise ExportUncertain(
                f"PostHog's answer to {wanted.name!r} was lost, and {len(appeared)} exports have appeared "
                "since: which is ours cannot be told. They can be cancelled by their ids "
                f"({', '.join(appeared)}), then it can be asked for again.",
                export_ids=tuple(appeared),
            )
    raise lost or PostHogUnavailable(f"{wanted.name!r} was not asked for.")


def look(posthog: PostHog, export_id: str, *, deadline_seconds: float | None = None) -> ExportState:
    """The export as it is now; one that PostHog does not know is `Gone`. Errors as for `query`."""
    name = f"export {export_id}"
    try:
        body = posthog.call(
            "GET",
            f"{PATH}{export_id}/",
            shape=_StateBody,
            name=name,
            scope=READING,
            thing=name,
            deadline_seconds=deadline_seconds,
        )
    except ObjectNotFound:
        return ExportState(export_id, _GONE)
    return ExportState(
        id=export_id,
        status=body.status,
        files=tuple(body.files or ()),
        rows=body.records_completed,
        error=body.error or "",
    )


def newest(posthog: PostHog, most: int = _LISTED) -> list[tuple[str, str]]:
    """Ids and states of the newest exports of the project, whoever asked for them. Errors as for `query`."""
    found = every_item(
        posthog,
        PATH,
        shape=_ListedBody,
        key=lambda body: body.id,
        name="the exports",
        scope=READING,
        page_rows=_LISTED,
    )
    return [(body.id, body.status) for body in itertools.islice(found, most)]


def cancel(posthog: PostHog, export_id: str) -> ExportState:
    """Stop an export that is not wanted any more; its state afterwards. Errors as for `query`.

    One that has ended stays as it is, so cancelling twice is cancelling once.
    """
    name = f"export {export_id}"
    try:
        body = posthog.call(
            "POST",
            f"{PATH}{export_id}/cancel/",
            shape=_StateBody,
            name=f"cancelling {name}",
            scope=WRITING,
            thing=name,
        )
    except ObjectNotFound:
        return ExportState(export_id, _GONE)
    except PostHogRefused as error:
        if error.status != _BAD_REQUEST:
            raise
        return look(posthog, export_id)  # it had ended
    return ExportState(export_id, body.status)


def watch(
    posthog: PostHog,
    export_ids: Collection[str],
    *,
    deadline_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ExportState]:
    """Each export as it ends, so that its files can be fetched while others run.

    Waits grow from 1 to 10 s and begin anew when one has ended. PostHog being away is waited out. An export
    that is complete without files is looked at once more, unless PostHog says that it had no rows.

    Args:
        posthog: the client.
        export_ids: those to wait for.
        deadline_seconds: for all of them; the caller's own time between two counts.
        clock: monotonic seconds.
        sleep: waits so many seconds.

    Raises:
        ExportNotReady: some run still; they go on in PostHog unless they are cancelled.
        PostHogRefused: final; its subclasses say why.
    """
    ends = clock() + deadline_seconds
    waiting = list(dict.fromkeys(export_ids))
    seen_empty: set[str] = set()
    wait = _FIRST_WAIT_SECONDS
    while waiting:
        for export_id in tuple(waiting):
            state = _looked(posthog, export_id, left=ends - clock())
            if state is None or state.next is Next.WAIT:
                continue
            if state.may_have_more and export_id not in seen_empty:
                seen_empty.add(export_id)
                continue
            waiting.remove(export_id)
            wait = _FIRST_WAIT_SECONDS
            yield state
        if not waiting:
            return
        left = ends - clock()
        if left <= 0:
            raise ExportNotReady(
                f"{len(waiting)} of PostHog's exports still ran after {deadline_seconds:g} s "
                f"({', '.join(waiting)}). They go on by themselves; look again later, or cancel them.",
                export_ids=tuple(waiting),
            )
        sleep(min(wait, left))
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


class _CreatedBody(msgspec.Struct):
    id: str


class _ListedBody(msgspec.Struct):
    id: str
    status: str


class _StateBody(msgspec.Struct):
    status: str
    files: list[str] | None = None
    records_completed: int | None = None
    error: str | None = None


def _asked_for(posthog: PostHog, wanted: Wanted) -> str:
    return posthog.call(
        "POST",
        PATH,
        shape=_CreatedBody,
        name=wanted.name,
        scope=WRITING,
        body=wanted.body(),
        is_repeatable=False,
    ).id


def _appeared(
    posthog: PostHog, known: Collection[str], sleep: Callable[[float], None]
) -> list[str]:
    """Exports that were not known and did start; looked for until there is one, for some seconds.

    A gateway may give up on a request that PostHog is still working at.
    """
    for wait in _LOOKS_AFTER_A_LOSS:
        sleep(wait)
        new = [one for one, _ in newest(posthog) if one not in known]
        started = [one for one in new if look(posthog, one).error != _NEVER_STARTED]
        if started:
            return started
    return []


def _looked(posthog: PostHog, export_id: str, *, left: float) -> ExportState | None:
    """The state, or None if PostHog does not answer now."""
    try:
        seconds = min(max(left, _FIRST_WAIT_SECONDS), _LONGEST_LOOK_SECONDS)
        return look(posthog, export_id, deadline_seconds=seconds)
    except PostHogUnavailable:
        return None
