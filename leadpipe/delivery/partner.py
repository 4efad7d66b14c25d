"""The partner's API: submit a lead, look one up, list a period.

One attempt a call, never repeated here: whether a lead may be sent again is decided with what the
outbox knows (`delivering.py`). Redirects are never followed, and no error text has the key in it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import httpx
import msgspec
from pydantic import SecretStr

from leadpipe.delivery.answers import Verdict, read_answer
from leadpipe.delivery.fields import KEY_FIELD, from_partner, to_partner
from leadpipe.errors import PartnerUnavailable
from leadpipe.http.deadlines import Deadlines, install
from leadpipe.http.unzipping import BodyTooLarge, body_pieces

_MOST_BYTES = 20_000_000
_MOST_PAGES = 10_000
_LIST_NAMES = ("leads", "items", "results", "data")
_CURSOR_NAMES = ("next_cursor", "next", "cursor")
_TIME_NAMES = ("created_at", "received_at", "submitted_at")
_ID_NAMES = ("id", "npa_lead_id", "lead_id", "leadId")
_TLS_WORDS = ("CERTIFICATE", "SSL", "TLS")


@dataclass(frozen=True)
class PartnerSettings:
    """How the partner is reached.

    Args:
        url: base URL of the API.
        api_key: sent as `Authorization: Bearer …`, or as it is in another header.
        auth_header: the header that carries the key.
        leads_path: takes a lead by POST.
        list_path: lists leads by GET with `phone`, `email` or `since` and `until`; None if it offers none.
        key_header: carries the idempotency key.
        fields: our field names and the paths in the partner's JSON.
        deadline_seconds: for one request, from connecting to the last byte.
        requests_per_second: at most so many are begun.
        connections: at most so many are open.
    """

    url: str
    api_key: SecretStr | None = None
    auth_header: str = "Authorization"
    leads_path: str = "/leads"
    list_path: str | None = "/leads"
    key_header: str = "Idempotency-Key"
    fields: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: float = 30.0
    requests_per_second: float = 1_000.0
    connections: int = 8


@dataclass(frozen=True)
class PartnerLead:
    """A lead as the partner lists it; `values` are under our names."""

    npa_lead_id: str | None
    key: str | None
    created_at: datetime | None
    values: Mapping[str, str] = field(repr=False)


class Partner:
    """A client of the partner; safe to share between threads. Close it, or use it as a context manager."""

    def __init__(
        self,
        settings: PartnerSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._deadlines = Deadlines(clock)
        self._pace = _Pace(settings.requests_per_second, clock=clock, sleep=sleep)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "leadpipe",
        }
        if settings.api_key is not None:
            key = settings.api_key.get_secret_value()
            is_bearer = settings.auth_header.lower() == "authorization" and " " not in key
            headers[settings.auth_header] = f"Bearer {key}" if is_bearer else key
        self._http = httpx.Client(
            base_url=settings.url,
            headers=headers,
            transport=transport,
            follow_redirects=False,
            trust_env=not settings.url.startswith(("http://127.", "http://localhost")),
            limits=httpx.Limits(max_connections=settings.connections + 1),
        )
        install(self._http, self._deadlines)

    @property
    def can_list(self) -> bool:
        """Whether the partner can be asked which leads it has."""
        return self.settings.list_path is not None

    def submit(self, values: Mapping[str, Any], *, key: str) -> Verdict:
        """Send a lead once; never raises for what the partner or the network does."""
        body = to_partner({**values, KEY_FIELD: key}, self.settings.fields)
        try:
            status, headers, content = self._exchange(
                "POST",
                self.settings.leads_path,
                content=msgspec.json.encode(body),
                headers={"Content-Type": "application/json", self.settings.key_header: key},
            )
        except _Failed as error:
            return error.verdict
        return self._blanked(read_answer(status, headers, content))

    def find(self, *, phone: str | None, email: str | None) -> list[PartnerLead]:
        """The partner's leads with this phone or this email.

        Raises:
            PartnerUnavailable: it did not answer with a list.
        """
        found = list(self._pages({"phone": phone})) if phone else []
        found += self._pages({"email": email}) if email else ()
        return found

    def list_between(self, since: datetime, until: datetime) -> Iterator[PartnerLead]:
        """The partner's leads of a period, page by page.

        Raises:
            PartnerUnavailable: it did not answer with a list.
        """
        return self._pages({"since": since.isoformat(), "until": until.isoformat()})

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> "Partner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pages(self, asked: Mapping[str, str]) -> Iterator[PartnerLead]:
        path = self.settings.list_path
        if path is None:
            raise PartnerUnavailable(
                "The partner offers no list (NPA_LIST_PATH is empty). Compare with a CSV it sends: "
                "`leadpipe reconcile --file FILE.csv`."
            )
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            items, cursor = self._page(path, {**asked, **({"cursor": cursor} if cursor else {})})
            for item in items:
                yield _partner_lead(item, self.settings.fields)
            if not cursor:
                return
            if cursor in seen:
                break
            seen.add(cursor)
        raise PartnerUnavailable("The partner's list does not end: its pages repeat.")

    def _page(self, path: str, query: Mapping[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        try:
            status, _, body = self._exchange("GET", path, params=dict(query))
        except _Failed as error:
            raise PartnerUnavailable(f"The partner's list: {error.verdict.message}") from None
        try:
            content = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            content = None
        cursor: object = None
        if isinstance(content, dict):
            cursor = next((content[n] for n in _CURSOR_NAMES if content.get(n)), None)
            content = next((content[n] for n in _LIST_NAMES if n in content), None)
        if status != 200 or not isinstance(content, list):  # noqa: PLR2004
            raise PartnerUnavailable(
                f"The partner's list: HTTP {status} and no list of leads. Check NPA_LIST_PATH, or set it "
                "empty and compare with a CSV."
            )
        return [item for item in content if isinstance(item, dict)], str(cursor) if cursor else None

    def _exchange(
        self,
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - httpx's own
    ) -> tuple[int, httpx.Headers, bytes]:
        self._pace.wait()
        deadline = self._clock() + self.settings.deadline_seconds
        chunks: list[bytes] = []
        try:
            with (
                self._deadlines.until(deadline),
                self._http.stream(
                    method, path, timeout=self.settings.deadline_seconds, **request
                ) as answer,
            ):
                for chunk in body_pieces(answer, most_bytes=_MOST_BYTES):
                    chunks.append(chunk)
                    if self._clock() >= deadline:
                        raise httpx.ReadTimeout("still sending at the deadline")
        except BodyTooLarge:
            text = f"the answer is larger than {_MOST_BYTES:,} bytes"
            raise _Failed(Verdict("unknown", text)) from None
        except httpx.HTTPError as error:
            raise _Failed(
                self._blanked(_unanswered(error, self.settings.deadline_seconds))
            ) from None
        return answer.status_code, answer.headers, b"".join(chunks)

    def _blanked(self, verdict: Verdict) -> Verdict:
        key = self.settings.api_key
        if key is None or key.get_secret_value() not in verdict.message + (verdict.response or ""):
            return verdict
        secret = key.get_secret_value()
        response = verdict.response and verdict.response.replace(secret, "[key]")
        return replace(verdict, message=verdict.message.replace(secret, "[key]"), response=response)


class _Failed(Exception):  # noqa: N818 - never leaves this module
    """A request without a whole answer."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


def _unanswered(error: httpx.HTTPError, deadline_seconds: float) -> Verdict:
    """What it means that no whole answer came: before the request was out, nothing was taken."""
    words = " ".join(str(error).split())[:200]
    name = type(error).__name__
    if isinstance(error, httpx.ConnectError) and any(word in words.upper() for word in _TLS_WORDS):
        return Verdict(
            "misconfigured",
            f"no trusted connection ({words}). Check NPA_API_URL; SSL_CERT_FILE can name your authority.",
        )
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return Verdict("busy", f"no connection ({name} {words})".rstrip())
    if isinstance(error, httpx.UnsupportedProtocol | httpx.ProxyError | httpx.LocalProtocolError):
        return Verdict("misconfigured", f"no request could be made ({name}). Check NPA_API_URL.")
    if isinstance(error, httpx.TimeoutException):
        return Verdict("unknown", f"no whole answer within {deadline_seconds:g} s ({name})")
    return Verdict("unknown", f"the connection ended before the answer ({name})")


def _partner_lead(item: Mapping[str, Any], fields: Mapping[str, str]) -> PartnerLead:
    values = from_partner(item, fields)
    found = next((item[n] for n in _ID_NAMES if isinstance(item.get(n), str | int)), None)
    return PartnerLead(
        npa_lead_id=None if found is None else str(found),
        key=values.pop(KEY_FIELD, None),
        created_at=next(filter(None, (moment(item.get(name)) for name in _TIME_NAMES)), None),
        values=values,
    )


def moment(value: object) -> datetime | None:
    """An ISO 8601 time with its zone; None if it is none."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


class _Pace:
    """Begins at most so many requests a second, evenly, whatever the number of threads."""

    def __init__(
        self, per_second: float, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._apart = 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._apart
        if turn > now:
            self._sleep(turn - now)
