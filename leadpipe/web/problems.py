"""Answers to what cannot be done: a page in people's words for browsers, JSON for programs, one status.

A browser says that it takes HTML; whoever asks below `/api/`, or for anything else, is a program. No answer
has a stack trace: that is in the log.
"""

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.web.answers import Refusal, answer
from leadpipe.web.headers import PAGE_HEADERS
from leadpipe.web.rendering import render, render_alone

_BROKEN = "something is broken here; the log says what"
_HEADINGS: Mapping[int, str] = {
    400: "That could not be read",
    401: "You are not logged in",
    403: "That is not allowed",
    404: "There is no such page",
    405: "There is nothing to open here",
    408: "That took too long",
    413: "That is too large",
    429: "That was too often",
    500: "Something is broken here",
    503: "That does not work at the moment",
}
_MEANING: Mapping[int, str] = {
    404: "The address may be cut off or mistyped, or what was here is gone.",
    405: "This address belongs to a button or a program. Go back, and press the button there.",
    500: "It is not your fault, and nothing that was saved is lost. Try again; if it stays so, show the "
    "log to whoever runs leadpipe.",
}


def wants_page(request: Request) -> bool:
    """Whether it is a person's browser that asks."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(
        "/api/"
    )


async def refusal_answer(request: Request, error: Exception) -> Response:
    """A `Refusal` as Starlette's exception handler gives it."""
    if not isinstance(error, Refusal):
        raise error
    return _answer(request, error.status, error.message, error.headers)


async def http_error_answer(request: Request, error: Exception) -> Response:
    """An unknown path or method."""
    if not isinstance(error, HTTPException):
        raise error
    message = {
        404: "there is nothing at this address",
        405: f"{request.method} is not for this address",
    }
    said = message.get(error.status_code, error.detail)
    return _answer(request, error.status_code, said, error.headers or {})


async def broken_answer(request: Request, error: Exception) -> Response:
    """What nobody expected; the server logs it. The middleware that adds headers is not around this one."""
    del error
    response = alone(request, 500, _BROKEN, is_inside=True)
    for name, value in PAGE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def alone(request: Request, status: int, message: str, *, is_inside: bool = False) -> Response:
    """The answer where there is no session to ask who it is.

    Args:
        request: what was asked.
        status: of the answer.
        message: what is wrong and what to do.
        is_inside: whether the other pages can be reached, so that a link to them leads on.
    """
    if not wants_page(request):
        return answer({"error": message}, status=status)
    return render_alone(
        "problem.html", _content(status, message) | {"is_inside": is_inside}, status=status
    )


def _answer(request: Request, status: int, message: str, headers: Mapping[str, str]) -> Response:
    if not wants_page(request):
        return answer({"error": message}, status=status, headers=headers)
    response = render(
        request, "problem.html", _content(status, message) | {"is_inside": True}, status=status
    )
    response.headers.update(headers)
    return response


def _content(status: int, message: str) -> dict[str, Any]:
    meaning = _MEANING.get(status) or f"{message[:1].upper()}{message[1:]}".rstrip(".") + "."
    return {
        "heading": _HEADINGS.get(status, "That did not work"),
        "meaning": meaning,
        "status": status,
    }
