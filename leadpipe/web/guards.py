"""Requests of programs: the secret or signature they must bring, and the body they may bring with it.

The same for PostHog, the partner, callers of our API and an external cron; each has a secret of its own. An
endpoint whose secret is not set is for this machine only, and closed where the page has a login: behind a
proxy nobody knows who is at this machine, and at a machine with several people not who of them calls.
"""

from typing import NoReturn

from pydantic import SecretStr
from starlette.requests import Request

from leadpipe.web.access import (
    client_of,
    given_secret,
    is_from_elsewhere,
    is_same,
)
from leadpipe.web.answers import Refusal
from leadpipe.web.bodies import check_type, read_body
from leadpipe.web.names import is_loopback
from leadpipe.web.settings import WebSettings
from leadpipe.web.signing import has_right_signature, is_signed, may_be_right
from leadpipe.web.state import Web


def check_secret(web: Web, request: Request, secret: SecretStr | None, name: str) -> None:
    """Let a request pass that brings the secret, or one from this machine when there is none and no login.

    Args:
        web: counts wrong secrets.
        request: its headers are looked at, not its body.
        secret: what must be sent.
        name: of its setting, for the answer.

    Raises:
        Refusal: 401, 403, or 429 after too many wrong ones.
    """
    if secret is None:
        if web.gate.wants_login:
            raise Refusal(403, f"{name} is not set, so nobody may call; set it")
        if not is_loopback(client_of(request)) or is_from_elsewhere(request):
            raise Refusal(403, f"{name} is not set, so only this machine may call")
    elif not is_same(secret, given_secret(request.headers)):
        _refuse(web, request, name)


async def secured_body(web: Web, request: Request, secret: SecretStr | None, name: str) -> bytes:
    """The JSON body of a request that brings the secret, or a signature made with it.

    A stranger's body is not read: without the secret, or a signature of these minutes, it costs no memory.

    Raises:
        Refusal: as `check_secret`, `check_type` and `read_body`; with a `body` only if it is the sender's.
    """
    headers = request.headers
    most_bytes = web.settings.of(WebSettings).webhook_max_bytes
    if secret is not None and is_signed(headers) and not is_same(secret, given_secret(headers)):
        if not may_be_right(headers):
            _refuse(web, request, name)
        try:
            body = await read_body(request, most_bytes=most_bytes)
        except Refusal as refusal:
            refusal.body = None  # nobody knows whose it is
            raise
        if not has_right_signature(secret, body, headers):
            _refuse(web, request, name)
    else:
        check_secret(web, request, secret, name)
        body = await read_body(request, most_bytes=most_bytes)
    check_type(request, body)
    return body


def _refuse(web: Web, request: Request, name: str) -> NoReturn:
    wait = web.wrong_secrets.note(client_of(request))
    if wait is not None:
        raise Refusal(429, "too many wrong secrets", headers={"Retry-After": str(int(wait) + 1)})
    raise Refusal(
        401,
        f"the secret is missing or wrong; send `Authorization: Bearer …` with {name}",
        headers={"WWW-Authenticate": "Bearer"},
    )
