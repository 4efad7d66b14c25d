"""Rows 7, 11 and 12: what leaves for a partner or an alert, what comes back, and what a spreadsheet gets."""

import csv
import gzip
import io
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from pydantic import SecretStr

from leadpipe.cli.output import emit
from leadpipe.delivery.connecting import connect_partner
from leadpipe.delivery.partner import _MOST_BYTES, Partner, PartnerSettings
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.errors import ConfigurationError, PostHogUnavailable, QueryTooHeavy
from leadpipe.http.unzipping import BodyTooLarge, body_pieces
from leadpipe.http.waits import retry_after_seconds
from leadpipe.notices import mistakes
from leadpipe.posthog import PostHog
from leadpipe.settings import load_settings
from leadpipe.warehouse import Rows


def partner_at(url):
    """A client of a partner at an address."""
    return connect_partner(DeliverySettings(_env_file=None, npa_api_url=url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://partner.example/api", "would send leads and the key in clear; use https://"),
        ("http://10.0.0.7", "would send leads and the key in clear"),
        ("http://localhost.partner.example", "would send leads and the key in clear"),
        ("https://user:pass@partner.example", "must not carry a user name or password"),
        ("https://key@partner.example", "must not carry a user name or password"),
        ("ftp://partner.example", "is no web address"),
        ("https://", "is no web address"),
        ("https://[partner", "is no web address"),
        ("https://partner.example:port", "is no web address"),
    ],
)
def test_a_partner_is_reached_by_https_without_a_password(url, said):
    """As PostHog is: leads and keys go in clear to this machine only; nothing of the address is repeated."""
    with pytest.raises(ConfigurationError) as caught:
        partner_at(url)
    assert str(caught.value).startswith(f"NPA_API_URL {said}")
    assert "partner" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://partner.example/api", "http://127.0.0.1:9", "http://[::1]:9", "http://localhost"],
)
def test_a_partner_on_this_machine_may_speak_http(url):
    """And https anywhere."""
    with partner_at(url) as partner:
        assert partner.settings.url == url


@pytest.mark.parametrize(
    "address",
    [
        "json://chat.example/token",
        "mmost://chat.example/token",
        "ntfy://chat.example/topic",
        "gotify://chat.example/token",
    ],
)
def test_an_alert_goes_to_another_machine_by_https(monkeypatch, address):
    """Apprise's addresses that mean http are refused at the start, with the one that means https."""
    scheme, _, rest = address.partition("://")
    assert mistakes(SecretStr(address)) == [f"it would send messages in clear; use {scheme}s://"]
    assert mistakes(SecretStr(f"{scheme}s://{rest}")) == []
    assert mistakes(SecretStr(address.replace("chat.example", "127.0.0.1"))) == []
    monkeypatch.setenv("LEADPIPE_ALERT_TO", address)
    with pytest.raises(ConfigurationError, match=r"ALERT_TO.*in clear") as caught:
        load_settings()
    assert "chat.example" not in str(caught.value)


@contextmanager
def bomb(megabytes, *, encoding="gzip", is_whole=True):
    """A server that answers everything with that many megabytes of zeros, zipped to a thousandth."""
    zipped = gzip.compress(b"\0" * (megabytes * 1_000_000))
    body = zipped if is_whole else zipped[:-12]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class Counting:
    """zlib, which remembers how much came out."""

    def __init__(self):
        self.out = 0

    def decompressobj(self, window):
        """An object that counts."""
        inner, counts = zlib.decompressobj(window), self

        class Counted:
            unconsumed_tail = property(lambda _: inner.unconsumed_tail)
            eof = property(lambda _: inner.eof)

            def decompress(self, data, most):
                text = inner.decompress(data, most)
                counts.out += len(text)
                return text

            def flush(self):
                return inner.flush()

        return Counted()

    error = zlib.error


@pytest.mark.parametrize("megabytes", [25, 200])
def test_a_partners_gzip_bomb_is_not_unpacked(monkeypatch, megabytes):
    """No more of it than the limit comes out; the lead's outcome is unknown, as the partner may have it."""
    counting = Counting()
    monkeypatch.setattr("leadpipe.http.unzipping.zlib", counting)
    with bomb(megabytes) as url, Partner(PartnerSettings(url)) as partner:
        verdict = partner.submit({"phone": "+15551230001"}, key="k")
    assert (verdict.meaning, verdict.message) == (
        "unknown",
        "the answer is larger than 20,000,000 bytes",
    )
    assert _MOST_BYTES < counting.out <= _MOST_BYTES + 1_000_000


def test_posthogs_gzip_bomb_is_not_unpacked(monkeypatch):
    """It is a query that is too heavy: what asks for a window asks for half of it."""
    monkeypatch.setattr("leadpipe.posthog.exchange._MOST_BYTES", 3_000_000)
    counting = Counting()
    monkeypatch.setattr("leadpipe.http.unzipping.zlib", counting)
    key = SecretStr("phx_" + "k" * 40)
    with (
        bomb(100) as url,
        PostHog(host=url, project_id="1", api_key=key) as posthog,
        pytest.raises(QueryTooHeavy, match="larger than 3 MB"),
    ):
        posthog.key_scopes()
    assert counting.out <= 4_000_000


@pytest.mark.parametrize(("encoding", "is_whole"), [("gzip", False), ("br", True)])
def test_a_broken_answer_is_no_answer(encoding, is_whole):
    """Cut off, or packed as nobody asked for: the same as a lost connection."""
    key = SecretStr("phx_" + "k" * 40)
    with (
        bomb(1, encoding=encoding, is_whole=is_whole) as url,
        PostHog(host=url, project_id="1", api_key=key, deadline_seconds=0.2) as posthog,
        pytest.raises(PostHogUnavailable),
    ):
        posthog.key_scopes()


def test_an_answer_within_the_limit_comes_whole():
    """To the byte, and one byte less is too little."""
    with bomb(3) as url, httpx.Client(trust_env=False) as client:
        with client.stream("GET", url) as answer:
            assert sum(map(len, body_pieces(answer, most_bytes=3_000_000))) == 3_000_000
        with client.stream("GET", url) as answer, pytest.raises(BodyTooLarge):
            list(body_pieces(answer, most_bytes=2_999_999))


@pytest.mark.parametrize("text", ["²", "١", "1e3", "-1", "", "9" * 400])
def test_a_strange_retry_after_is_none(text):
    """It raises nothing, so that no outcome in flight is lost."""
    assert retry_after_seconds({"retry-after": text}) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "=1+1",
            " =1+1",
            "\n=1+1",
            "\t=1+1",
            "\r\n=1+1",
            "\u00a0=1+1",
            "\u200b=1+1",
            "\ufeff=1",
            "\t1",
        ),
        *(
            "+1+1",
            "-1+1",
            "@SUM(A1)",
            "\uff1d1+1",
            "\uff0b1",
            "\uff0d1",
            "\uff20SUM(A1)",
            " \uff1d1",
            "\n1",
        ),
    ],
)
def test_a_spreadsheet_gets_text_and_no_formula(capsys, text):
    """Also behind blanks and marks that it skips, and in full width."""
    emit(Rows(("name",), ((text,), ("a=b",), ("Ama",))), "csv", title="")
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [row[0] for row in rows] == ["name", f"'{text}", "a=b", "Ama"]
