"""What a partner's answer means for a lead: taken, refused, not now, misconfigured, or nobody knows.

Pure: status, headers and body in, a verdict out. Sending is `partner.py`'s business.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leadpipe.http.waits import retry_after_seconds

Meaning = Literal["accepted", "refused", "busy", "misconfigured", "unknown"]
"""accepted: the partner has the lead. refused: it will never take it. busy: it did not take it now.
misconfigured: it takes nothing from us until somebody acts. unknown: it may have taken it."""

_LONGEST_REASON = 300
_LONGEST_WAIT_SECONDS = 86_400.0
_LONGEST_RESPONSE = 65_536
_ID_FIELDS = ("npa_lead_id", "lead_id", "leadId", "id")
_NOT_TAKEN = {408: "it waited too long for our request", 425: "too early", 429: "too many requests"}
_FAILED = ("error", "errors", "fail", "failed", "failure", "rejected", "invalid")


@dataclass(frozen=True)
class Verdict:
    """What became of a request.

    Args:
        meaning: see `Meaning`.
        message: for people; may repeat what the partner said, so it is scrubbed before it is kept.
        status: the HTTP status, if there was one.
        npa_lead_id: the partner's own id of the lead.
        response: the partner's answer as JSON text.
        retry_after: seconds the partner asked us to wait.
    """

    meaning: Meaning
    message: str
    status: int | None = None
    npa_lead_id: str | None = None
    response: str | None = field(default=None, repr=False)
    retry_after: float | None = None


def read_answer(  # noqa: PLR0911 - a table of statuses
    status: int, headers: Mapping[str, str], body: bytes
) -> Verdict:
    """The verdict on a whole answer to a submitted lead."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    content = _content(body)
    said = _said(content, body, kind)
    response = body.decode("utf-8", "replace") if content is not None else None
    if response is not None and len(response) > _LONGEST_RESPONSE:
        response = None
    if 200 <= status < 300:  # noqa: PLR2004
        return _of_success(status, kind, body, content, said, response)
    if 300 <= status < 400:  # noqa: PLR2004
        return Verdict(
            "misconfigured",
            f"HTTP {status}: a redirect, which is not followed as it would show the key to another "
            "address. Correct NPA_API_URL.",
            status,
        )
    if status in {401, 403}:
        return Verdict(
            "misconfigured",
            f"HTTP {status}: the credentials are not accepted{said}. Renew NPA_API_KEY.",
            status,
        )
    if status in {404, 405, 415}:
        return Verdict(
            "misconfigured",
            f"HTTP {status}: nothing there takes leads{said}. Check NPA_API_URL and NPA_LEADS_PATH.",
            status,
        )
    if status == 409:  # noqa: PLR2004
        found = _lead_id(content)
        meaning: Meaning = "accepted" if found else "unknown"
        return Verdict(meaning, f"HTTP 409: it has the lead already{said}", status, found, response)
    if status in _NOT_TAKEN or status == 503:  # noqa: PLR2004
        why = _NOT_TAKEN.get(status, "not available")
        return Verdict("busy", f"HTTP {status}: {why}{said}", status, retry_after=_seconds(headers))
    if status >= 500:  # noqa: PLR2004
        return Verdict("unknown", f"HTTP {status}: failed on the partner's side{said}", status)
    return Verdict("refused", f"HTTP {status}: refused{said}", status, response=response)


def _of_success(
    status: int, kind: str, body: bytes, content: object, said: str, response: str | None
) -> Verdict:
    if not body.strip():
        return Verdict("accepted", f"HTTP {status}", status)
    if content is None:
        what = "an HTML page" if "html" in kind or body.lstrip()[:1] == b"<" else "no JSON"
        return Verdict(
            "unknown",
            f"HTTP {status} with {what} instead of an answer; is NPA_API_URL the API's address?",
            status,
        )
    if _is_error(content):
        return Verdict(
            "refused", f"HTTP {status} with an error inside{said}", status, None, response
        )
    return Verdict("accepted", f"HTTP {status}", status, _lead_id(content), response)


def _is_error(content: object) -> bool:
    """Whether JSON under a 200 says that nothing was taken."""
    if not isinstance(content, dict):
        return False
    if content.get("success") is False or content.get("ok") is False:
        return True
    if content.get("error") or content.get("errors"):
        return True
    return str(content.get("status", "")).lower() in _FAILED


def _lead_id(content: object) -> str | None:
    if not isinstance(content, dict):
        return None
    inner: dict[str, Any] = next(
        (content[n] for n in ("lead", "data") if isinstance(content.get(n), dict)), {}
    )
    for place in (content, inner):
        for name in _ID_FIELDS:
            value = place.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
                return str(value)[:200]
    return None


def _content(body: bytes) -> Any:  # noqa: ANN401 - whatever the partner sends
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _said(content: object, body: bytes, kind: str) -> str:
    """The partner's own words, short, as the end of a sentence."""
    words: object = None
    if isinstance(content, dict):
        names = ("message", "error", "detail", "errors", "reason")
        words = next((content[name] for name in names if content.get(name)), None)
    elif content is None and "html" not in kind and body.lstrip()[:1] != b"<":
        words = body[:_LONGEST_REASON].decode("utf-8", "replace")
    text = words if isinstance(words, str) else json.dumps(words) if words else ""
    text = " ".join(text.split())
    return f" ({text[:_LONGEST_REASON]})" if text else ""


def _seconds(headers: Mapping[str, str]) -> float | None:
    asked_for = retry_after_seconds(headers)
    return None if asked_for is None else min(asked_for, _LONGEST_WAIT_SECONDS)
