"""One exchange with PostHog: send, wait, ask again, give up in time.

Belongs here: the one function through which every request to PostHog's API goes, with its
deadline, its retries and its care for the key. Does not belong here: paths and bodies
(`client.py`), what an answer means (`answers.py`), how much may be asked (`limits.py`).
"""

import contextlib
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import httpx
import msgspec
from pydantic import SecretStr

from leadpipe import tracing
from leadpipe.errors import (
    ConfigurationError,
    DeadlineExceeded,
    PostHogError,
    PostHogRefused,
    PostHogUnavailable,
    QueryTooHeavy,
    RateLimited,
)
from leadpipe.http import deadlines as wire
from leadpipe.http import discretion, trust
from leadpipe.http.unzipping import BodyTooLarge, body_pieces
from leadpipe.http.waits import http_date, retry_after_seconds
from leadpipe.posthog import hosts
from leadpipe.posthog.answers import Answer, Asked, shorten
from leadpipe.posthog.limits import CallStats, Limiter

T = TypeVar("T")


@dataclass(frozen=True)
class Upload:
    """A form with one file, as `multipart/form-data`.

    Attributes:
        fields: the form's other fields.
        file_field: the name of the file's field; also that of the file.
        content: the file's bytes; may be personal data.
    """

    fields: Mapping[str, str]
    file_field: str
    content: bytes = field(repr=False)


CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 90.0
"""Longest silence before a request is repeated: PostHog queues a query up to 30 s behind its
limit of queries at once, runs it 10 s, and gateways give up after about 60 s."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_CROWDED_WAIT_SECONDS = 2.0
_TOO_MANY_REQUESTS = 429
_OBEYED_STATUSES = {_TOO_MANY_REQUESTS, 503}
_JUST_NOW_SECONDS = 0.01
_MOST_BYTES = 1_000_000_000  # unzipped; 50,000 rows, PostHog's most, of 20 KB each


class Exchange:
    """Sends requests to one host with one key; safe to share between threads.

    The arguments are those of `PostHog`.
    """

    def __init__(
        self,
        *,
        host: str,
        api_key: SecretStr,
        transport: httpx.BaseTransport | None,
        deadline_seconds: float,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        self.stats = CallStats()
        self.last_date: datetime | None = None
        self._key = api_key
        self._deadline_seconds = _positive(deadline_seconds)
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._deadlines = wire.Deadlines(clock)
        is_loopback = hosts.is_loopback(host)
        self._http = httpx.Client(
            base_url=host,
            transport=transport,
            trust_env=not is_loopback,  # a proxy could not reach our loopback
            verify=trust.authorities(is_loopback=is_loopback),
            headers={
                "Authorization": f"Bearer {api_key.get_secret_value()}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"leadpipe/{importlib.metadata.version('leadpipe')}",
            },
        )
        wire.install(self._http, self._deadlines)
        discretion.install()

    def request(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Answer, Asked], T],
        asked: Asked,
        body: Mapping[str, object] | Upload | None = None,
        limiter: Limiter | None = None,
        deadline_seconds: float | None = None,
        is_repeatable: bool = True,
    ) -> T:
        """Ask until `read` takes the answer, an error is final, or the deadline would pass.

        A plain loop and not stamina: that sleeps by itself, knows neither `Retry-After` nor a
        deadline that stands still while we queue, and logs the arguments of calls unless its
        global hooks are changed.

        Args:
            method: HTTP method.
            path: from the host's root, with its slashes.
            read: makes the result of an answer or raises `PostHogError`; asked again if passing.
            asked: the request as errors name it.
            body: sent as JSON, or as a form with a file.
            limiter: whose turn to wait for, before each attempt; not counted as time.
            deadline_seconds: for all attempts and the waits between them.
            is_repeatable: whether doing it twice is doing it once. If not, only a 429, which says
                that nothing was done, is asked again; after a lost answer the caller must look
                what PostHog has.
        """
        given = self._deadline_seconds if deadline_seconds is None else deadline_seconds
        left = _positive(given)
        content = body if body is None or isinstance(body, Upload) else msgspec.json.encode(body)
        cause: PostHogUnavailable | None = None
        attempt = 0
        while True:
            attempt += 1
            answer = None
            try:
                with limiter.turn() if limiter else contextlib.nullcontext():
                    deadline = self._clock() + left
                    self.stats.add(api_calls=1, retries=int(attempt > 1))
                    begun = self._clock()
                    try:
                        with tracing.span(
                            "PostHog",
                            kind="client",
                            leadpipe__request=asked.name,
                            http__request__method=method,
                            http__request__resend_count=attempt - 1,
                            server__address=httpx.URL(asked.host).host,
                        ) as span:
                            answer = self._send(
                                method, path, content, asked=asked, deadline=deadline
                            )
                            span.note(http__response__status_code=answer.status)
                    finally:
                        self.stats.add(seconds=self._clock() - begun)
                return read(answer, asked)
            except DeadlineExceeded as error:
                raise _ended(error, f"The deadline was {given:g} s.", earlier=cause) from None
            except PostHogUnavailable as error:
                cause = error
            if not is_repeatable and not isinstance(cause, RateLimited):
                ending = "PostHog may have done it all the same; it was not asked twice."
                raise _ended(cause, ending) from None
            wait = self._wait_after(answer, attempt)
            if self._clock() + wait >= deadline:
                ending = (
                    f"Gave up after {attempt} attempt{'s'[: attempt > 1]}: the next one would "
                    f"come {wait:.1f} s later, past the deadline of {given:g} s."
                )
                raise _ended(cause, ending) from None
            self._sleep(wait)
            left = deadline - self._clock()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | Upload | None,
        *,
        asked: Asked,
        deadline: float,
    ) -> Answer:
        """One attempt, the whole body read; raises only errors of the tree."""
        left = max(deadline - self._clock(), _JUST_NOW_SECONDS)
        silence = min(left, SILENCE_SECONDS)
        chunks: list[bytes] = []
        try:
            with (
                self._deadlines.until(deadline),
                self._http.stream(
                    method,
                    path,
                    **_sent_as(content),
                    timeout=httpx.Timeout(silence, connect=min(left, CONNECT_SECONDS)),
                ) as response,
            ):
                for chunk in body_pieces(response, most_bytes=_MOST_BYTES):
                    chunks.append(chunk)
                    if self._clock() >= deadline:
                        raise DeadlineExceeded(
                            f"{asked.name!r}: PostHog was still sending after "
                            f"{sum(map(len, chunks))} bytes.",
                            status=response.status_code,
                            request_name=asked.name,
                        )
        except BodyTooLarge:
            raise QueryTooHeavy(
                f"{asked.name!r}: PostHog's answer is larger than {_MOST_BYTES / 1e6:,.0f} MB; ask for less "
                "at once (LEADPIPE_PAGE_ROWS).",
                request_name=asked.name,
            ) from None
        except httpx.RequestError as error:
            # Not chained: the frames of the HTTP library hold the request's headers.
            raise self._unanswered(error, asked, deadline) from None
        self.stats.add(rate_limits=int(response.status_code == _TOO_MANY_REQUESTS))
        body, headers = b"".join(chunks), response.headers
        self.last_date = http_date(headers.get("date", "")) or self.last_date
        if not response.is_success:
            body = body.replace(self._key.get_secret_value().encode(), b"[key]")
            headers = httpx.Headers([(k, self._blanked(v)) for k, v in headers.multi_items()])
        return Answer(status=response.status_code, headers=headers, body=body)

    def _unanswered(self, error: httpx.RequestError, asked: Asked, deadline: float) -> PostHogError:
        words = shorten(self._blanked(f"{type(error).__name__} {error}".strip()))
        if "CERTIFICATE_VERIFY_FAILED" in words:
            return PostHogRefused(
                f"{asked.name!r}: the certificate of {asked.host} is not trusted ({words}). "
                "SSL_CERT_FILE can name the bundle of your own authority.",
                request_name=asked.name,
            )
        late = self._clock() >= deadline - _JUST_NOW_SECONDS
        if late and isinstance(error, httpx.TimeoutException):
            message = f"{asked.name!r}: {asked.host} had not answered in full ({words})."
            return DeadlineExceeded(message, request_name=asked.name)
        return PostHogUnavailable(
            f"{asked.name!r}: no whole answer from {asked.host} ({words}).",
            request_name=asked.name,
        )

    def _wait_after(self, answer: Answer | None, attempt: int) -> float:
        """Seconds to wait after a failed attempt: as PostHog asked, else longer each time."""
        spread = self._jitter()
        if answer is not None and answer.status in _OBEYED_STATUSES:
            requested = retry_after_seconds(answer.headers)
            if requested is not None:
                return max(requested, _FIRST_WAIT_SECONDS) + spread * _FIRST_WAIT_SECONDS
            if answer.status == _TOO_MANY_REQUESTS:  # too many at once: over when a query ends
                return _CROWDED_WAIT_SECONDS * (1 + spread) / 2
        longest = min(_FIRST_WAIT_SECONDS * 2.0 ** min(attempt - 1, 10), _LONGEST_WAIT_SECONDS)
        return longest * (1 + spread) / 2

    def _blanked(self, text: str) -> str:
        return text.replace(self._key.get_secret_value(), "[key]")


def _sent_as(content: bytes | Upload | None) -> dict[str, Any]:
    """The body as httpx takes it."""
    if isinstance(content, Upload):
        file = (f"{content.file_field}.csv", content.content, "text/csv")
        return {"data": dict(content.fields), "files": {content.file_field: file}}
    if content is None:
        return {}
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def _ended(
    error: PostHogError, ending: str, *, earlier: PostHogError | None = None
) -> PostHogError:
    """The same error with the end of the story, and what went wrong before it."""
    before = f" Before that: {earlier}" if earlier else ""
    return type(error)(
        f"{error} {ending}{before}",
        status=error.status,
        code=error.code,
        request_name=error.request_name,
    )


def _positive(seconds: float) -> float:
    if not seconds > 0:
        raise ConfigurationError(f"A deadline of {seconds} s leaves no time; give seconds above 0")
    return seconds
