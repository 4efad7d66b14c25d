"""Row 6: half-open requests, endless headers and many connections of one address block nobody else."""

import socket
import time
from contextlib import ExitStack, closing

import httpx
import pytest

from leadpipe.web.protocol import _HEAD_BYTES, _HEAD_SECONDS, _MOST_OF_AN_ADDRESS
from leadpipe_tests.dagster_ui.processes import answers, wait_for
from leadpipe_tests.security.guarded import grown
from leadpipe_tests.web.fixtures import SECRET
from leadpipe_tests.web.page_process import serving

_HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half: "
_STRANGER = "127.0.0.2"  # another address than the proxy's, and still this machine


@pytest.fixture
def served(tmp_path):
    """The page as a program, in public mode: its process, address and port."""
    with serving(tmp_path, LEADPIPE_WEB_HOST="0.0.0.0", POSTHOG_WEBHOOK_SECRET=SECRET) as (it, url):
        port = int(url.rpartition(":")[2])
        wait_for("the page", lambda: answers(f"http://127.0.0.1:{port}/healthz"), seconds=60)
        yield it, f"http://127.0.0.1:{port}", port


def half_open(port, *, source="127.0.0.1"):
    """A connection with half a request on it."""
    made = socket.create_connection(("127.0.0.1", port), source_address=(source, 0), timeout=120)
    made.sendall(_HALF)
    return made


def post(url):
    """What a webhook gets."""
    right = {"Authorization": f"Bearer {SECRET}"}
    answer = httpx.post(
        f"{url}/api/webhooks/posthog", json={}, headers=right, trust_env=False, timeout=120
    )
    return answer.status_code


def test_half_open_requests_do_not_block_the_webhook(served):
    """Of one address only so many are kept; what the head does not come for is closed after seconds."""
    _, url, port = served
    with ExitStack() as opened:
        half = [
            opened.enter_context(closing(half_open(port, source=_STRANGER))) for _ in range(2_050)
        ]
        assert post(url) == 422
        beginning = time.monotonic()
        answers = [connection.recv(100) for connection in half]
        assert time.monotonic() - beginning < 3 * _HEAD_SECONDS
    kinds = [answer.split(b" ")[1] for answer in answers if answer]
    assert kinds.count(b"408") == _MOST_OF_AN_ADDRESS
    assert set(kinds) <= {b"408", b"503"}
    assert post(url) == 422


def test_a_connection_that_never_says_anything_is_closed(served):
    """Also when not a byte comes, and when the second request of a connection stays half."""
    _, _, port = served
    with closing(socket.create_connection(("127.0.0.1", port), timeout=120)) as silent:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=120)) as second:
            second.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}\n"):  # head and body may come apart
                answer += second.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 200")
            second.sendall(_HALF)
            assert second.recv(100).startswith(b"HTTP/1.1 408")
        assert silent.recv(100).startswith(b"HTTP/1.1 408")


def test_an_endless_header_is_not_kept(served):
    """It is ended after some kilobytes with 431; the process does not grow by what was sent."""
    process, url, port = served
    before = grown(process)
    with closing(half_open(port)) as flood, pytest.raises(ConnectionError):
        for _ in range(100):
            flood.sendall(b"a" * 1_000_000)
    assert grown(process) - before < 10_000_000
    assert post(url) == 422
    with closing(half_open(port)) as large:
        large.sendall(b"a" * (_HEAD_BYTES // 2))
        large.sendall(b"\r\n\r\n")
        assert large.recv(100).startswith(b"HTTP/1.1 303")


def test_a_head_that_comes_in_pieces_is_counted(served):
    """What is sent byte by byte counts like what comes at once, and the sender reads why it was ended."""
    _, _, port = served
    with closing(half_open(port)) as drip:
        for _ in range(_HEAD_BYTES // 1_000 + 2):
            drip.sendall(b"a" * 999 + b" ")
            time.sleep(0.001)
        assert drip.recv(100).startswith(b"HTTP/1.1 431")


def test_a_place_is_free_again_when_its_connection_ends(served):
    """What was closed counts no more, however often."""
    _, _, port = served
    for _ in range(3):
        with ExitStack() as opened:
            for _ in range(_MOST_OF_AN_ADDRESS):
                opened.enter_context(closing(half_open(port, source=_STRANGER)))
    with closing(half_open(port, source=_STRANGER)) as one:
        one.sendall(b"\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 303")


def test_a_strangers_form_is_not_kept(served):
    """A page takes forms of its own size only, before anybody has logged in."""
    process, url, _ = served
    before = grown(process)
    form = b"token=" + b"a" * 50_000_000
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = httpx.post(
            f"{url}/login", content=form, headers=kind, trust_env=False, timeout=120
        )
    except httpx.TransportError:
        pass  # it was closed while we were sending
    else:
        assert answer.status_code == 413
    assert grown(process) - before < 20_000_000


def test_a_forged_signature_costs_no_body(served):
    """Headers that cannot be right are refused before the body is read."""
    _, _, port = served
    head = (
        b"POST /api/webhooks/posthog HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2000000\r\nwebhook-id: a\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,a\r\n\r\n"
    )
    with closing(socket.create_connection(("127.0.0.1", port), timeout=120)) as stranger:
        stranger.sendall(head)
        assert stranger.recv(1_000).startswith(b"HTTP/1.1 401")
