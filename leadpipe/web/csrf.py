"""Proof that a form was sent from a page of the same session, by a token that no other site knows."""

import hmac
import secrets

from starlette.requests import Request

from leadpipe.web.answers import Refusal

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_MOST_FIELDS = 20


def csrf_token(request: Request) -> str:
    """The token of this session's forms."""
    token = request.session.get(CSRF_FIELD)
    if not isinstance(token, str):
        token = secrets.token_urlsafe(24)
        request.session[CSRF_FIELD] = token
    return token


async def check_csrf(request: Request, *, most_fields: int = _MOST_FIELDS) -> None:
    """Refuse a request that no page of this session has sent, or one with more fields than its form has.

    Raises:
        Refusal: 403.
    """
    form = await request.form(max_fields=most_fields, max_files=0)
    given = form.get(CSRF_FIELD) or request.headers.get(CSRF_HEADER) or ""
    expected = request.session.get(CSRF_FIELD)
    if (
        not isinstance(expected, str)
        or not isinstance(given, str)
        or not hmac.compare_digest(expected.encode(), given.encode())
    ):
        raise Refusal(403, "this form is too old; load the page again")
