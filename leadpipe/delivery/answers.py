"""What a partner's answer means for a lead: taken, refused, not now, misconfigured, or nobody knows.

Pure: status, headers and body in, a verdict out. Sending is `partner.py`'s business, and which words mean
what is in `answers.toml`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leadpipe.delivery.answer_rules import AnswerRules, Meant, Said
from leadpipe.delivery.reading import UnreadableJson, decoded, written
from leadpipe.http.waits import retry_after_seconds

Meaning = Literal["accepted", "refused", "busy", "misconfigured", "unknown"]
"""accepted: the partner has the lead. refused: it will never take it. busy: it did not take it now.
misconfigured: it takes nothing from us until somebody acts. unknown: it may have taken it."""

_LONGEST_REASON = 300
_LONGEST_WAIT_SECONDS = 86_400.0
_LONGEST_RESPONSE = 65_536
_ID_FIELDS = ("npa_lead_id", "lead_id", "leadId", "id")
_NOT_TAKEN = {408: "it waited too long for our request", 425: "too early", 429: "too many requests"}
_TAKEN_BY_STATUS = {201, 202, 204}
_WORDS = ("message", "error", "detail", "errors", "reason", "description", "msg", "title")


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


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, rules: AnswerRules | None = None
) -> Verdict:
    """The verdict on a whole answer to a submitted lead."""
    answer = _Answer(status, headers, body)
    rules = rules or AnswerRules()
    for rule in rules.own:
        if rule.fits(status, answer.said):
            return _by_own_rule(answer, rule.means)
    signs = {rule.means for rule in rules.built_in if rule.fits(status, answer.said)}
    if 200 <= status < 300:  # noqa: PLR2004
        return _of_success(answer, signs)
    if "refused" in signs and "accepted" not in signs:
        return answer.verdict("refused", f"HTTP {status}: refused in words{answer.words}")
    if "accepted" in signs and status >= 400:  # noqa: PLR2004
        return answer.verdict(
            "unknown", f"HTTP {status}, but its words say that it was taken{answer.words}"
        )
    return _by_status(answer)


class _Answer:
    """An answer, read once for everything that is asked of it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body.strip()
        self.kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            self.content: Any = decoded(body)
        except UnreadableJson:
            self.content = None
        self.text = body[:_LONGEST_RESPONSE].decode("utf-8", "replace")
        self.said = Said(self.content, self.text.casefold())
        self.words = _said(self.content, self.text, is_html=self.is_html)

    @property
    def is_html(self) -> bool:
        """Whether it is a page for people."""
        return "html" in self.kind or self.body[:1] == b"<"

    def verdict(
        self, meaning: Meaning, message: str, *, retry_after: float | None = None
    ) -> Verdict:
        """A verdict with what the answer has."""
        response = written(self.content) if self.content is not None else None
        if response is not None and len(response) > _LONGEST_RESPONSE:
            response = None
        return Verdict(
            meaning,
            message,
            self.status,
            _lead_id(self.content) if meaning == "accepted" else None,
            response if meaning in {"accepted", "refused"} else None,
            retry_after,
        )


def _by_own_rule(answer: _Answer, means: Meant) -> Verdict:
    message = f"HTTP {answer.status}: {means} by a rule of NPA_ANSWERS_FILE{answer.words}"
    match means:
        case "accepted" | "likely":
            return answer.verdict("accepted", message)
        case "refused":
            return answer.verdict("refused", message)
        case "failed":
            is_known = answer.status < 500  # noqa: PLR2004
            return answer.verdict("refused" if is_known else "unknown", message)
        case "busy":
            return answer.verdict("busy", message, retry_after=_seconds(answer.headers))
        case "misconfigured":
            return answer.verdict("misconfigured", message)
        case "doubtful" | "unknown":
            return answer.verdict("unknown", message)


def _by_status(answer: _Answer) -> Verdict:  # noqa: PLR0911 - a table of statuses
    status, words = answer.status, answer.words
    if 300 <= status < 400:  # noqa: PLR2004
        return answer.verdict(
            "misconfigured",
            f"HTTP {status}: a redirect, which is not followed as it would show the key to another "
            "address. Correct NPA_API_URL.",
        )
    if status in {401, 403}:
        return answer.verdict(
            "misconfigured",
            f"HTTP {status}: the credentials are not accepted{words}. Renew NPA_API_KEY.",
        )
    if status in {404, 405, 415}:
        return answer.verdict(
            "misconfigured",
            f"HTTP {status}: nothing there takes leads{words}. Check NPA_API_URL and NPA_LEADS_PATH.",
        )
    if status == 409:  # noqa: PLR2004
        meaning: Meaning = "accepted" if _lead_id(answer.content) else "unknown"
        return answer.verdict(meaning, f"HTTP 409: it has the lead already{words}")
    if status in _NOT_TAKEN or status == 503:  # noqa: PLR2004
        why = _NOT_TAKEN.get(status, "not available")
        return answer.verdict(
            "busy", f"HTTP {status}: {why}{words}", retry_after=_seconds(answer.headers)
        )
    if status >= 500 or status < 200:  # noqa: PLR2004
        return answer.verdict("unknown", f"HTTP {status}: failed on the partner's side{words}")
    return answer.verdict("refused", f"HTTP {status}: refused{words}")


def _of_success(answer: _Answer, signs: set[Meant]) -> Verdict:  # noqa: PLR0911 - as above
    status, words = answer.status, answer.words
    if not answer.body:
        return answer.verdict("accepted", f"HTTP {status}")
    is_no = bool(signs & {"refused", "failed"})
    if is_no and "accepted" in signs:
        return answer.verdict("unknown", f"HTTP {status} that says both yes and no{words}")
    if is_no:
        return answer.verdict("refused", f"HTTP {status} with an error inside{words}")
    if "accepted" in signs:
        return answer.verdict("accepted", f"HTTP {status}")
    if answer.content is None:
        what = "an HTML page" if answer.is_html else "no JSON"
        return answer.verdict(
            "unknown",
            f"HTTP {status} with {what} instead of an answer; is NPA_API_URL the API's address?",
        )
    if "doubtful" in signs:
        return answer.verdict(
            "unknown",
            f"HTTP {status} with doubtful words{words}; a rule in NPA_ANSWERS_FILE can say what they mean",
        )
    if "likely" in signs or status in _TAKEN_BY_STATUS:
        return answer.verdict("accepted", f"HTTP {status}")
    return answer.verdict(
        "unknown",
        f"HTTP {status} that says neither yes nor no{words}; a rule in NPA_ANSWERS_FILE can say what "
        "it means",
    )


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


def _said(content: object, text: str, *, is_html: bool) -> str:
    """The partner's own words, short, as the end of a sentence."""
    words: object = next(filter(None, _spoken(content, 0)), None)
    if content is None and not is_html:
        words = text[:_LONGEST_REASON]
    said = words if isinstance(words, str) else json.dumps(words, ensure_ascii=False, default=str)
    said = " ".join(said.split()) if words else ""
    return f" ({said[:_LONGEST_REASON]})" if said else ""


def _spoken(content: object, depth: int) -> Iterator[object]:
    if isinstance(content, dict) and depth < 3:  # noqa: PLR2004
        yield from (content.get(name) for name in _WORDS)
        for value in content.values():
            yield from _spoken(value, depth + 1)


def _seconds(headers: Mapping[str, str]) -> float | None:
    asked_for = retry_after_seconds(headers)
    return None if asked_for is None else min(asked_for, _LONGEST_WAIT_SECONDS)
