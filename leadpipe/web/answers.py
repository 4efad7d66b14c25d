"""Answers in JSON: short, and the same shape for every error."""

import json
from collections.abc import Mapping
from datetime import date, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
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


async def refusal_answer(request: Request, error: Exception) -> Response:
    """A `Refusal` as Starlette's exception handler gives it."""
    del request
    if not isinstance(error, Refusal):
        raise error
    return answer({"error": error.message}, status=error.status, headers=error.headers)


async def http_error_answer(request: Request, error: Exception) -> Response:
    """An unknown path or method, in the same shape."""
    if not isinstance(error, HTTPException):
        raise error
    message = {
        404: "there is nothing at this address",
        405: f"{request.method} is not for this address",
    }
    return answer(
        {"error": message.get(error.status_code, error.detail)},
        status=error.status_code,
        headers=error.headers,
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
