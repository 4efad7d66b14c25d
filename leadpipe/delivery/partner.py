"""The partner's API: submit a lead, look one up, list a period.

One attempt a call, never repeated here: whether a lead may be sent again is decided with what the
outbox knows (`delivering.py`). Redirects are never followed, and no error text has the key in it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import httpx
from pydantic import SecretStr

from leadpipe import tracing
from leadpipe.delivery.answer_rules import AnswerRules
from leadpipe.delivery.answers import Verdict, read_answer
from leadpipe.delivery.fields import KEY_FIELD, from_partner, to_partner
from leadpipe.delivery.list_pages import Answer
from leadpipe.delivery.listing import Paging, Query, read_list
from leadpipe.delivery.moments import Span, span_of
from leadpipe.delivery.reading import written
from leadpipe.errors import PartnerUnavailable
from leadpipe.http.deadlines import Deadlines, install
from leadpipe.http.trust import authorities
from leadpipe.http.unzipping import BodyTooLarge, body_pieces

_MOST_BYTES = 20_000_000
_TIME_NAMES = (
    "created_at", "createdat", "created", "created_on", "date_created", "creation_date", "received_at",
    "receivedat", "submitted_at", "submittedat", "inserted_at", "timestamp",
)  # fmt: skip
_ID_NAMES = ("npa_lead_id", "lead_id", "leadid", "id", "_id", "uuid")
_NOT_SO = {400, 404, 422}
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
        paging: how its list is divided, and its names of what the list is asked for.
        answers: what its words mean.
        zone: of its times that name none (IANA); None: not known.
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
    paging: Paging = field(default_factory=Paging)
    answers: AnswerRules = field(default_factory=AnswerRules)
    zone: str | None = None


@dataclass(frozen=True)
class PartnerLead:
    """A lead as the partner lists it; `values` are under our names, `made` is when it may have been made."""

    npa_lead_id: str | None
    key: str | None
    made: Span | None
    values: Mapping[str, str] = field(repr=False)

    @property
    def mark(self) -> str:
        """The partner's id, or what else tells the lead from others."""
        if self.npa_lead_id is not None:
            return self.npa_lead_id
        text = repr((self.made, sorted(self.values.items())))
        return f"without id: {sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


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
        is_loopback = settings.url.startswith(("http://127.", "http://localhost"))
        self._http = httpx.Client(
            base_url=settings.url,
            headers=headers,
            transport=transport,
            follow_redirects=False,
            trust_env=not is_loopback,
            verify=authorities(is_loopback=is_loopback),
            limits=httpx.Limits(max_connections=settings.connections + 1),
        )
        install(self._http, self._deadlines)

    @property
    def can_list(self) -> bool:
        """Whether the partner can be asked which leads it has."""
        return self.settings.list_path is not None

    def submit(self, values: Mapping[str, Any], *, key: str) -> Verdict:
        """Send a lead once; never raises for what the lead, the partner or the network does."""
        try:
            body = written(to_partner({**values, KEY_FIELD: key}, self.settings.fields)).encode()
        except Exception as error:  # noqa: BLE001 - nothing was sent
            return Verdict("refused", f"it cannot be written as JSON ({type(error).__name__})")
        try:
            answer = self._exchange(
                "POST",
                self.settings.leads_path,
                content=body,
                headers={"Content-Type": "application/json", self.settings.key_header: key},
            )
            verdict = read_answer(answer.status, answer.headers, answer.body, self.settings.answers)
            return self._blanked(verdict)
        except _Failed as error:
            return error.verdict
        except Exception as error:  # noqa: BLE001 - one answer's trouble is that lead's alone
            return Verdict("unknown", f"its answer could not be read ({type(error).__name__})")

    def find(
        self, *, phones: Sequence[str] = (), emails: Sequence[str] = (), key: str | None = None
    ) -> list[PartnerLead]:
        """The partner's leads with one of these phones or emails, in whatever spelling it keeps them.

        It is asked for our key first where NPA_LIST_QUERY says how; with our key in an answer no further
        spelling is asked for. A spelling that it refuses counts when it takes another one.

        Raises:
            PartnerUnavailable: it did not answer with a list that is known to be whole.
        """
        names = self.settings.paging.names
        asked = {"phone": phones, "email": emails}
        if key is not None and names.get("key"):
            asked = {"key": [key], **asked}
        asked = {kind: values for kind, values in asked.items() if names.get(kind) != ""}
        if not any(asked.values()):
            raise PartnerUnavailable(
                "The partner's list can be asked for neither phone nor email (NPA_LIST_QUERY)."
            )
        found: dict[str, PartnerLead] = {}
        for kind, values in asked.items():
            refused: list[PartnerUnavailable] = []
            for value in values:
                try:
                    leads = self._leads({kind: value})
                except _NotSo as error:
                    refused.append(error)
                    continue
                found.update((lead.mark, lead) for lead in leads)
                if key is not None and any(lead.key == key for lead in leads):
                    return list(found.values())
            if refused and len(refused) == len(values):
                raise refused[0]
        return list(found.values())

    def list_between(self, since: datetime, until: datetime) -> list[PartnerLead]:
        """The partner's leads of a period.

        Raises:
            PartnerUnavailable: it did not answer with a list that is known to be whole.
        """
        return self._leads({"since": since.isoformat(), "until": until.isoformat()})

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> "Partner":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leads(self, asked: Mapping[str, str]) -> list[PartnerLead]:
        if self.settings.list_path is None:
            raise PartnerUnavailable(
                "The partner offers no list (NPA_LIST_PATH is none). Compare with a CSV it sends: "
                "`leadpipe reconcile --file FILE.csv`."
            )
        try:
            items = read_list(self._fetch, asked, self.settings.paging)
            leads = [partner_lead(item, self.settings.fields, self.settings.zone) for item in items]
        except PartnerUnavailable:
            raise
        except Exception as error:
            raise PartnerUnavailable(
                f"The partner's list could not be read ({type(error).__name__})."
            ) from error
        if leads and not any(
            lead.key or lead.values.get("phone") or lead.values.get("email") for lead in leads
        ):
            raise PartnerUnavailable(
                f"The partner's list: none of its {len(leads)} leads has phone, email or external_id where "
                "NPA_FIELDS places them."
            )
        return leads

    def _fetch(self, query: Query | str) -> Answer:
        path = self.settings.list_path or ""
        try:
            if isinstance(query, str):
                answer = self._exchange("GET", self._own_url(query))
            else:
                answer = self._exchange("GET", path, params=dict(query))
        except _Failed as error:
            raise PartnerUnavailable(f"The partner's list: {error.verdict.message}") from None
        if answer.status in _NOT_SO:
            raise _NotSo(
                f"The partner's list: HTTP {answer.status} and no list of leads. Check NPA_LIST_PATH, or "
                "set it to none and compare with a CSV."
            )
        return answer

    def _own_url(self, url: str) -> str:
        """The address of a next page; the key goes to no other host."""
        base = self._http.base_url
        path = (self.settings.list_path or "").lstrip("/")
        there = httpx.URL(f"{str(base).rstrip('/')}/{path}").join(url)
        if (there.scheme, there.host, there.port) != (base.scheme, base.host, base.port):
            raise PartnerUnavailable("The partner's list goes on at another address.")
        return str(there)

    def _exchange(
        self,
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - httpx's own
    ) -> Answer:
        self._pace.wait()
        with tracing.span("partner", kind="client", http__request__method=method) as span:
            answer = self._answered(method, path, **request)
            span.note(http__response__status_code=answer.status)
            return answer

    def _answered(
        self,
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - httpx's own
    ) -> Answer:
        deadline = self._clock() + self.settings.deadline_seconds
        chunks: list[bytes] = []
        try:
            asked = self._http.build_request(
                method, path, timeout=self.settings.deadline_seconds, **request
            )
        except (httpx.InvalidURL, UnicodeError) as error:
            message = f"no request could be made ({type(error).__name__}). Check NPA_API_URL."
            raise _Failed(Verdict("misconfigured", message)) from None
        try:
            with (
                self._deadlines.until(deadline),
                closing(self._http.send(asked, stream=True)) as answer,
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
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, b"".join(chunks))

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


class _NotSo(PartnerUnavailable):
    """The partner does not take a question, or answers no such lead in this way."""


def partner_lead(
    item: Mapping[str, Any], fields: Mapping[str, str], zone: str | None
) -> PartnerLead:
    """A lead of a partner's list."""
    values = from_partner(item, fields)
    named = {str(name).casefold(): value for name, value in item.items()}
    found = next((named[n] for n in _ID_NAMES if isinstance(named.get(n), str | int)), None)
    times = (span_of(named.get(name), zone) for name in _TIME_NAMES)
    return PartnerLead(
        npa_lead_id=None if found is None or found == "" else str(found)[:200],
        key=values.pop(KEY_FIELD, None),
        made=next((time for time in times if time is not None), None),
        values=values,
    )


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
