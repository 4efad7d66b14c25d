"""The API key is in one header of each request and nowhere else."""

import logging
import traceback
from collections.abc import Callable

import httpx
import pytest

from leadpipe.errors import PostHogError
from leadpipe_tests.posthog.builders import KEY, Script, bad, client, read_request, server

ECHOES: dict[str, Callable[[], httpx.Response | Exception]] = {
    "final": lambda: bad(400, f"Authorization: Bearer {KEY}"),
    "final, at the cut": lambda: bad(400, "x" * 290 + KEY),
    "as the code": lambda: bad(401, "No.", f"no_{KEY}"),
    "as text": lambda: httpx.Response(403, text=f"{KEY} is blocked"),
    "passing": lambda: bad(503, KEY),
    "rate limit": lambda: bad(429, KEY, retry_after=KEY),
    "redirect": lambda: httpx.Response(302, headers={"location": f"https://x.io/?key={KEY}"}),
    "transport": lambda: httpx.ConnectError(f"proxy refused 'Bearer {KEY}'"),
    "untrusted": lambda: httpx.ConnectError(f"CERTIFICATE_VERIFY_FAILED {KEY}"),
    "protocol": lambda: httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"),
}


def everything_said_of(error: PostHogError) -> str:
    """All texts that an error can leave somewhere, with the values of local variables."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    fields = (error.args, error.status, error.code, error.request_name)
    return "\n".join([str(error), repr(error), repr(fields), *told.format()])


@pytest.mark.parametrize("echo", ECHOES)
def test_an_error_never_shows_the_key(echo, caplog):
    """Even if the other side sends the key back, no message, traceback or log record has it."""
    caplog.set_level(logging.DEBUG)
    with client(Script(ECHOES[echo]())) as posthog, pytest.raises(PostHogError) as caught:
        posthog.query("select 1", name="leads")
    said = everything_said_of(caught.value) + caplog.text
    assert KEY[4:] not in said


def test_a_real_connection_logs_no_key(caplog):
    """With every logger at DEBUG, a query and a refused connection leave no key in the log."""
    caplog.set_level(logging.DEBUG)

    def connection(handler):
        read_request(handler)
        handler.wfile.write(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}")

    with (
        server(connection) as address,
        client(host=address) as posthog,
        pytest.raises(PostHogError) as refused,
    ):
        posthog.query("select 1", name="leads")
    with client(host=address) as posthog, pytest.raises(PostHogError) as unreachable:
        posthog.query("select 1", name="leads")
    assert "httpcore" in {record.name.split(".")[0] for record in caplog.records}
    said = everything_said_of(refused.value) + everything_said_of(unreachable.value) + caplog.text
    assert KEY[4:] not in said


def test_the_client_shows_no_key():
    """Neither the client nor what it is made of shows the key when printed."""
    with client() as posthog:
        shown = [repr(posthog), repr(vars(posthog)), repr(vars(posthog._exchange))]
        shown.append(repr(vars(posthog._exchange._http)))
    assert KEY[4:] not in "".join(shown)
