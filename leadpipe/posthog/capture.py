"""Sending events to PostHog through its official SDK, and proving that they arrived.

Belongs here: sending, and the query that says what has not arrived. Does not belong here: what an
event must be like (`events_to_send.py`, whose names can be imported from here too), and which events.

PostHog answers 200 for events that it drops, so "sent" is not "arrived": `verify_captured` asks. It
takes a second copy for the first if uuid, event, distinct id and day of the timestamp are the same;
so an event's timestamp must be as fixed as its uuid.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import SecretStr

from leadpipe.posthog import hosts
from leadpipe.posthog.answers import shorten
from leadpipe.posthog.client import PostHog
from leadpipe.posthog.events_to_send import Event, check_event, event_uuid, set_event
from leadpipe.posthog.literals import utc_literal

__all__ = [
    "Capture",
    "CaptureReport",
    "Event",
    "event_uuid",
    "set_event",
    "verify_captured",
]

_EVENTS_A_REQUEST = 100
_UUIDS_A_QUERY = 1_000
_ROUNDING = timedelta(seconds=1)
_FIRST_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 10.0
_SILENT = logging.CRITICAL + 1


@dataclass(frozen=True)
class CaptureReport:
    """What became of a call of `send`.

    Attributes:
        sent: uuids of events that PostHog answered 200 for; verify them all the same.
        unsent: uuids of those it refused, or of which nothing is known.
        reason: why the last of those was not sent; no key, no personal data.
    """

    sent: tuple[str, ...]
    unsent: tuple[str, ...] = ()
    reason: str | None = None


class Capture:
    """Sends events with a project's public key; close it, or use it as a context manager.

    Args:
        host: as for `PostHog`; Cloud's app hosts are translated to the hosts that take events.
        project_api_key: the project key (`phc_…`). It leaves this object in requests only.
        timeout_seconds: for one request of up to 100 events.
        flush_seconds: for the same with all retries; what is left then is unsent.
        allow_insecure: lets the key travel in clear to a host that is not loopback.

    Raises:
        ConfigurationError: the host or key cannot be used.
    """

    def __init__(
        self,
        *,
        host: str,
        project_api_key: SecretStr,
        timeout_seconds: float = 15.0,
        flush_seconds: float = 120.0,
        allow_insecure: bool = False,
    ) -> None:
        # Half a second that reading commands need not wait for.
        from posthog import Posthog  # noqa: PLC0415

        self.host = hosts.capture_host(hosts.normalised(host, allow_insecure=allow_insecure))
        self._key = hosts.checked_project_key(project_api_key)
        self._flush_seconds = flush_seconds
        self._failed: dict[str, str] = {}
        self._is_stuck = False
        self._one_at_a_time = threading.Lock()
        self._sdk = Posthog(
            self._key.get_secret_value(),
            host=self.host,
            on_error=self._note_failure,
            flush_at=_EVENTS_A_REQUEST,
            timeout=timeout_seconds,
            gzip=True,
            capture_mode="v0",  # else the environment would choose
        )
        # The SDK logs events and answers; what is worth telling is in the report.
        logging.getLogger("posthog").setLevel(_SILENT)

    def send(self, events: Sequence[Event]) -> CaptureReport:
        """Send events in order; sending one again changes nothing.

        All are checked before the first is sent.

        Raises:
            EventRefused: an event that the SDK or PostHog would drop or change in silence.
        """
        now = datetime.now(UTC)
        for event in events:
            check_event(event, now=now)
        sent: list[str] = []
        with self._one_at_a_time:
            self._failed = {}
            for start in range(0, len(events), _EVENTS_A_REQUEST):
                chunk = events[start : start + _EVENTS_A_REQUEST]
                self._send_chunk(chunk)
                sent += [event.uuid for event in chunk if event.uuid not in self._failed]
                if self._failed:  # what stopped these would stop the rest
                    break
            reason = next(reversed(self._failed.values()), None)
        known = set(sent)
        unsent = tuple(event.uuid for event in events if event.uuid not in known)
        return CaptureReport(tuple(sent), unsent, reason)

    def close(self) -> None:
        """End the SDK's thread; the object cannot be used afterwards."""
        from posthog.request import reset_sessions  # noqa: PLC0415 - as above

        if not self._is_stuck:  # the SDK would wait for that request without end
            self._sdk.shutdown()
        reset_sessions()  # the connections of all its clients; it opens new ones where needed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Capture(host={self.host!r})"

    def _send_chunk(self, chunk: Sequence[Event]) -> None:
        """Hand over one request's events and wait; those that failed are in `_failed` then."""
        for event in chunk:
            taken = self._sdk.capture(
                event.event,
                distinct_id=event.distinct_id,
                # Else PostHog would move the timestamp by what it thinks our clock is wrong.
                properties={**event.properties, "$ignore_sent_at": True},
                timestamp=event.timestamp,
                uuid=event.uuid,
            )
            if taken != event.uuid:
                self._failed[event.uuid] = "the SDK did not take it"
        began = time.monotonic()
        self._sdk.flush(timeout_seconds=self._flush_seconds)
        if time.monotonic() - began >= self._flush_seconds:
            self._is_stuck = True
            reason = f"{self.host} had not answered after {self._flush_seconds:g} s"
            for event in chunk:
                self._failed.setdefault(event.uuid, reason)

    def _note_failure(self, error: Exception, batch: Sequence[Mapping[str, Any]]) -> None:
        """The SDK's callback, from its own thread: a request failed after all retries."""
        said = shorten(str(error).replace(self._key.get_secret_value(), "[key]"))
        for message in batch:
            self._failed[str(message.get("uuid"))] = f"{type(error).__name__}: {said}"


def verify_captured(
    posthog: PostHog,
    uuids: Sequence[str],
    *,
    since: datetime,
    deadline_seconds: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """The uuids that PostHog has not stored, in their order; empty when all have arrived.

    Asks until all are there or the deadline has passed: PostHog shows events seconds to minutes
    after it took them. Wants query:read.

    Args:
        posthog: the client.
        uuids: of events that were sent.
        since: no later than the earliest of their timestamps; bounds the search.
        deadline_seconds: 0 asks once.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """
    ends = clock() + deadline_seconds
    wait = _FIRST_POLL_SECONDS
    missing = _not_stored(posthog, uuids, since)
    while missing and (left := ends - clock()) > 0:
        sleep(min(wait, left))
        wait = min(wait * 2, _LONGEST_POLL_SECONDS)
        missing = _not_stored(posthog, missing, since)
    return missing


def _not_stored(posthog: PostHog, uuids: Sequence[str], since: datetime) -> tuple[str, ...]:
    stored: set[object] = set()
    for start in range(0, len(uuids), _UUIDS_A_QUERY):
        rows = posthog.query(
            "SELECT DISTINCT toString(uuid) FROM events "
            f"WHERE timestamp >= {utc_literal(since - _ROUNDING)} AND toString(uuid) IN {{uuids}} "
            f"LIMIT {_UUIDS_A_QUERY}",
            values={"uuids": list(uuids[start : start + _UUIDS_A_QUERY])},
            name="leadpipe: events that arrived",
        ).decoded()
        stored |= {uuid for (uuid,) in rows}
    return tuple(uuid for uuid in uuids if uuid not in stored)
