"""Which error of the tree an answer of PostHog stands for, and what its message says.

Belongs here: the mapping of statuses, codes and wordings to errors. Does not belong here: the
shapes of good answers (`results.py`); when to ask again, which `exchange.py` decides by the
class: `PostHogUnavailable` is passing, everything else is final.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx
import msgspec

from leadpipe.errors import (
    KeyRejected,
    ObjectNotFound,
    PostHogError,
    PostHogRefused,
    PostHogUnavailable,
    ProjectNotFound,
    QueryRejected,
    QueryTooHeavy,
    QuotaExceeded,
    RateLimited,
    ScopeMissing,
    TooManyExports,
)

DETAIL_LIMIT = 300
"""Characters of PostHog's own words in a message; it may echo the whole query."""

_GOOD = range(200, 300)
_CLIENT_ERRORS = range(400, 500)
_HEAVY_STATUSES = {504, 512, 513, 524}
_HEAVY_CODES = {
    "clickhouse_memory_limit_exceeded",
    "memory_limit_exceeded",
    "timeout_exceeded",
    "too_many_bytes",
    "too_many_rows",
    "too_many_rows_or_bytes",
    "too_slow",
}
_TOO_MANY_EXPORTS = "too_many_concurrent_file_downloads"
_HEAVY_WORDS = re.compile(
    r"max execution time|estimated query execution time|timeout exceeded|ran out of memory"
    r"|max memory limit|more data than the limit",
    re.IGNORECASE,
)
# The cluster being full has the status and code of a query that is too big; only the words differ.
_CLUSTER_BUSY = re.compile(r"under heavy load", re.IGNORECASE)
# A 500, yet about the length of the query's text: neither repeating nor a smaller window helps.
_TEXT_TOO_LONG = re.compile(r"^query size exceeded", re.IGNORECASE)
_SCOPE = re.compile(r"scope '([^']+)'")
_OTHER_PROJECT = re.compile(r"access to the (requested )?(project|organization)", re.IGNORECASE)
_NO_PROJECT = re.compile(r"(project|environment|endpoint) not found", re.IGNORECASE)
_KEY_KINDS = {
    "phc_": "This is the project key (phc_…), which can only write events.",
    "phs_": "This is a project secret key (phs_…), which cannot run queries here.",
}


@dataclass(frozen=True)
class Asked:
    """A request as error messages name it; holds nothing secret.

    Attributes:
        name: what the request was for (`events of 2026-11-20`).
        host: `https://eu.posthog.com`.
        project_id: as configured.
        key_prefix: `phx_`, `phc_`, …: the kind of the key.
        is_query: whether asking for less is a remedy.
        thing: what a 404 is about (`cohort 12`); empty for the project itself.
        scope: what the key needs for it.
    """

    name: str
    host: str
    project_id: str
    key_prefix: str
    is_query: bool = False
    thing: str = ""
    scope: str = "query:read"


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer, body decompressed; the key is blanked out of bodies of errors."""

    status: int
    headers: httpx.Headers = field(repr=False)  # a redirect's address may be a secret
    body: bytes = field(repr=False)


class _ErrorBody(msgspec.Struct):
    code: str | None = None
    detail: Any = None
    error: Any = None


def raise_for_failure(answer: Answer, asked: Asked) -> None:
    """Raise the error that an answer stands for; return for a 2xx that is not a web page."""
    status = answer.status
    is_page = answer.body[:100].lstrip().startswith(b"<")
    if status < _CLIENT_ERRORS.start:
        if is_page or status not in _GOOD:
            _wrong_host(answer, asked)
        return
    said = _ErrorBody() if is_page else _error_body(answer.body)
    detail = "a web page instead of JSON." if is_page else said.detail or said.error or ""
    kind = _kind_of(status, said.code or "", str(detail), asked=asked)
    if is_page and status in _CLIENT_ERRORS and not issubclass(kind, PostHogUnavailable):
        _wrong_host(answer, asked)
    fail(kind, answer, asked, str(detail), said.code)


def _kind_of(status: int, code: str, detail: str, *, asked: Asked) -> type[PostHogError]:
    if code == _TOO_MANY_EXPORTS:
        return TooManyExports
    if asked.is_query and _is_too_heavy(status, code, detail):
        return QueryTooHeavy
    if status in _CLIENT_ERRORS or _TEXT_TOO_LONG.search(detail):
        of_client: dict[int, type[PostHogError]] = {
            401: KeyRejected,
            402: QuotaExceeded,
            403: _kind_of_forbidden(detail),
            404: _kind_of_missing(detail, asked),
            408: PostHogUnavailable,
            429: RateLimited,
        }
        return of_client.get(status, QueryRejected if asked.is_query else PostHogRefused)
    return PostHogUnavailable


def _is_too_heavy(status: int, code: str, detail: str) -> bool:
    if _CLUSTER_BUSY.search(detail):
        return False
    says_so = code in _HEAVY_CODES or speaks_of_weight(detail)
    return status in _HEAVY_STATUSES or (status in {400, 500} and says_so)


def speaks_of_weight(detail: str) -> bool:
    """Whether PostHog's words say that the query needs more than it grants."""
    return _HEAVY_WORDS.search(detail) is not None


def _kind_of_forbidden(detail: str) -> type[PostHogError]:
    if _SCOPE.search(detail):
        return ScopeMissing
    return ProjectNotFound if _OTHER_PROJECT.search(detail) else PostHogRefused


def _kind_of_missing(detail: str, asked: Asked) -> type[PostHogError]:
    if asked.thing and not _NO_PROJECT.search(detail):
        return ObjectNotFound
    return ProjectNotFound


def _error_body(body: bytes) -> _ErrorBody:
    try:
        return msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _ErrorBody(detail=body[: 4 * DETAIL_LIMIT].decode(errors="replace"))


def _wrong_host(answer: Answer, asked: Asked) -> NoReturn:
    target = answer.headers.get("location")
    happened = f"redirected to {shorten(target)}" if target else "answered with a web page"
    raise PostHogRefused(
        f"{asked.host} {happened} ({answer.status}) when asked for {asked.name!r}: it is not "
        "PostHog's API. POSTHOG_BASE_URL should be https://us.posthog.com, "
        "https://eu.posthog.com or the address of your own PostHog, without a path.",
        status=answer.status,
        request_name=asked.name,
    )


def fail(
    kind: type[PostHogError], answer: Answer, asked: Asked, detail: str, code: str | None = None
) -> NoReturn:
    """Raise `kind` with PostHog's own words, shortened, and the next step."""
    said = f"{asked.name!r} got {answer.status}" + (f" {code}" if code else "")
    words = shorten(detail) or "without a reason."
    raise kind(
        f"{said}: {words} {_next_step(kind, asked, detail)}".rstrip(),
        status=answer.status,
        code=code,
        request_name=asked.name,
    )


def _next_step(kind: type[PostHogError], asked: Asked, detail: str) -> str:
    regions = (
        "Keys and projects belong to one region: check that the host is right "
        f"(it is {asked.host}; US is https://us.posthog.com, EU is https://eu.posthog.com)."
    )
    scope = _SCOPE.search(detail)
    steps = {
        KeyRejected: f"{_KEY_KINDS.get(asked.key_prefix, 'PostHog does not accept the API key.')} "
        "Create a personal API key (phx_…) under Settings → Personal API keys with the scope "
        f"{asked.scope}. {regions}",
        ScopeMissing: f"The API key lacks the scope {scope[1] if scope else '?'}: add it under "
        "Settings → Personal API keys.",
        ProjectNotFound: f"Project {asked.project_id} on {asked.host} does not exist or the key "
        f"may not see it. {regions}",
        ObjectNotFound: f"Project {asked.project_id} on {asked.host} has no {asked.thing}; it may "
        "have been deleted.",
        QuotaExceeded: "The organisation's quota is used up until the next billing period; its "
        "limits are under Settings → Billing.",
        TooManyExports: "The next one can begin when one of them has ended.",
        QueryTooHeavy: "Ask for less at once: a shorter window or fewer columns.",
    }
    return steps.get(kind, "")


def shorten(text: str) -> str:
    """The text on one line, at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_LIMIT else line[: DETAIL_LIMIT - 1] + "…"
