"""Answers in JSON: short, and the same shape for every error."""

import json
from collections.abc import Mapping
from datetime import date, datetime

from starlette.responses import Response


class Refusal(Exception):  # noqa: N818 - an answer, raised from where it is known
    """A request that is answered with an error.

    Args:
        status: the HTTP status.
        message: what is wrong and what to do; never a secret or personal data.
        headers: further ones.
        body: what was read of the request's body, where somebody may want to know what it was.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.body = body


def answer(
    content: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer; times as ISO 8601."""
    body = json.dumps(content, default=_plain, ensure_ascii=False) + "\n"
    return Response(
        body,
        status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
