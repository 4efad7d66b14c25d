"""Row 1: behind a proxy the page is closed, whatever that sends; with the documented ones it has a login."""

import os
import re
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner

import leadpipe.cli
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings
from leadpipe.web import local_programs
from leadpipe.web.settings import WebSettings
from leadpipe_tests.clocks import HELD_AT, NOW
from leadpipe_tests.security.proxies import (
    NAME,
    bare_nginx,
    documented_caddy,
    documented_nginx,
)
from leadpipe_tests.web.fixtures import CRON_SECRET, SECRET, TOKEN
from leadpipe_tests.web.page_process import serving

_AT_NOW = {HELD_AT: NOW.isoformat()}  # a module's page stands where its tests do
_REVEALED = "/admin/delivery?reveal=1"
_HEADERS = {
    "none": "",
    "those the docs asked for once": "proxy_set_header X-Forwarded-For $remote_addr; "
    "proxy_set_header X-Forwarded-Proto $scheme;",
    "a forged local address": "proxy_set_header X-Forwarded-For 127.0.0.1;",
    "X-Real-IP": "proxy_set_header X-Real-IP $remote_addr;",
    "Forwarded": "proxy_set_header Forwarded for=127.0.0.1;",
    "Via": 'proxy_set_header Via "1.1 here";',
    "the name": "proxy_set_header Host $http_host;",
}


def port_of(address):
    """The port of an address."""
    return urlsplit(address).port


def log_in(client):
    """Log in with the token, and give the answer."""
    form = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    assert form is not None
    return client.post("/login", data={"csrf": form[1], "token": TOKEN})


@pytest.fixture(scope="module")
def open_url(tmp_path_factory):
    """The address of a page without a login, for tests that leave nothing in it."""
    with serving(tmp_path_factory.mktemp("open"), **_AT_NOW) as (_, url):
        yield url


@pytest.fixture(scope="module")
def public_url(tmp_path_factory):
    """That of one with a login and no other secret, for the same."""
    settings = {"LEADPIPE_WEB_NAMES": NAME, "LEADPIPE_ADMIN_TOKEN": TOKEN}
    with serving(tmp_path_factory.mktemp("public"), **settings, **_AT_NOW) as (_, url):
        yield url


@pytest.mark.parametrize("lines", _HEADERS.values(), ids=_HEADERS)
def test_the_open_page_is_closed_behind_a_proxy(tmp_path, open_url, lines):
    """Whatever header a proxy adds, and if it adds none, it gets 403 with the setting to set."""
    with bare_nginx(tmp_path, page=port_of(open_url), lines=lines) as front:
        for path in ("/admin/sync", _REVEALED, "/api/sync"):
            answer = front.ask("GET", path)
            assert (answer.status_code, "LEADPIPE_WEB_NAMES" in answer.text) == (403, True)
        assert front.ask("POST", "/api/leads", json={}).status_code == 403
        assert httpx.get(f"{open_url}/admin/sync", trust_env=False, timeout=120).status_code == 200


def test_the_open_page_is_closed_behind_a_proxy_that_hides(tmp_path):
    """HTTP/1.1, a local name and no header: told from a person by the account that the proxy runs as."""
    if os.getuid() != 0:
        pytest.skip("only root can run a proxy as another account")
    tmp_path.chmod(0o755)
    lines = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    with (
        serving(tmp_path) as (_, url),
        bare_nginx(tmp_path, page=port_of(url), lines=lines) as front,
    ):
        answers = [front.ask("GET", path) for path in ("/admin/sync", _REVEALED, "/api/sync")]
        assert [answer.status_code for answer in answers] == [403] * 3
        assert "a service of this machine (nobody)" in answers[0].json()["error"]
        assert httpx.get(f"{url}/admin/sync", trust_env=False, timeout=120).status_code == 200


def test_the_owner_of_a_connection_is_known():
    """Of both families, at either end; of a connection that is not there nobody knows."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as listener:
            listener.bind((address, 0))
            listener.listen()
            with socket.socket(family) as caller:
                caller.connect(listener.getsockname())
                peer, own = caller.getsockname()[:2], listener.getsockname()[:2]
                assert local_programs._owner(peer, own) == os.getuid()
                assert local_programs._owner(own, peer) == os.getuid()
                assert local_programs._owner((address, 1), own) is None
                assert local_programs.service_of(peer, own) is None
    assert local_programs._owner(("testclient", 50_000), ("localhost", 80)) is None


@pytest.mark.parametrize(
    ("uid", "is_service"),
    [
        (0, False),
        (33, True),
        (999, True),
        (1_000, False),
        (61_184, True),
        (65_534, True),
        (None, False),
    ],
)
def test_accounts_of_services_are_told_from_peoples(monkeypatch, uid, is_service):
    """Root and our own account are not, as a service that is theirs cannot be known."""
    monkeypatch.setattr(local_programs, "_owner", lambda *_: uid)
    found = local_programs.service_of(("127.0.0.1", 1), ("127.0.0.1", 2))
    assert (found is not None) is (is_service and uid != os.getuid())


@pytest.mark.parametrize("lines", _HEADERS.values(), ids=_HEADERS)
def test_an_unset_secret_is_closed_in_public_mode(tmp_path, public_url, lines):
    """Nobody may call what has no secret, also when the proxy says nothing of who calls."""
    with bare_nginx(tmp_path, page=port_of(public_url), lines=lines) as front:
        paths = (
            "/api/leads",
            "/api/webhooks/partner",
            "/api/webhooks/posthog",
            "/api/cron/analytics",
        )
        assert [front.ask("POST", path, json={}).status_code for path in paths] == [403] * 4
        assert front.ask("GET", "/api/sync").status_code == 403
        assert front.ask("GET", _REVEALED).status_code in {303, 403}
        direct = [
            httpx.post(f"{public_url}{path}", json={}, trust_env=False, timeout=120).status_code
            for path in paths
        ]
        assert direct == [403] * 4


def test_a_proxy_without_the_headers_is_told_so(tmp_path, public_url):
    """Under the page's name nothing is answered as long as nobody knows who calls, and whether over https."""
    with bare_nginx(tmp_path, page=port_of(public_url), lines=_HEADERS["the name"]) as front:
        answer = front.ask("GET", "/login")
    assert answer.status_code == 403
    assert "the proxy sends no x-forwarded-for and no x-forwarded-proto" in answer.json()["error"]


@pytest.mark.parametrize("proxy", [documented_nginx, documented_caddy])
def test_the_documented_proxies_work_when_copied(tmp_path, proxy):
    """Login, page, webhook and status over https; the cookie is for https and this host alone."""
    secrets = {
        "LEADPIPE_WEB_NAMES": NAME,
        "LEADPIPE_ADMIN_TOKEN": TOKEN,
        "POSTHOG_WEBHOOK_SECRET": SECRET,
        "CRON_SECRET": CRON_SECRET,
    }
    with serving(tmp_path, **secrets) as (_, url), proxy(tmp_path, page=port_of(url)) as front:
        assert front.ask("GET", _REVEALED).headers["location"] == "/login?next=/admin/delivery"
        assert front.ask("GET", "/api/sync").status_code == 401
        with front.client() as client:
            answer = log_in(client)
            assert answer.status_code == 303
            assert answer.headers["set-cookie"].startswith("__Host-leadpipe=")
            assert answer.headers["set-cookie"].endswith("samesite=strict; secure")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert client.get("/admin/sync").status_code == 200
            assert client.get("/api/sync").status_code == 200
        right = {"Authorization": f"Bearer {SECRET}"}
        assert front.ask("POST", "/api/webhooks/posthog", json={}).status_code == 401
        assert front.ask("POST", "/api/webhooks/posthog", json={}, headers=right).status_code == 422
        assert front.ask("GET", "/healthz", headers={"Host": "evil.example"}).status_code in {
            200,
            403,
        }
        name = {"Host": "evil.example"}
        assert (
            httpx.get(f"{url}/healthz", headers=name, trust_env=False, timeout=120).status_code
            == 403
        )


def test_a_sender_cannot_choose_its_address(tmp_path):
    """The documented proxy passes on who really called: a forged X-Forwarded-For is in no log."""
    with (
        serving(tmp_path, LEADPIPE_WEB_NAMES=NAME, LEADPIPE_ADMIN_TOKEN=TOKEN) as (_, url),
        documented_nginx(tmp_path, page=port_of(url)) as front,
        front.client({"X-Forwarded-For": "203.0.113.7"}) as client,
    ):
        log_in(client)
    shown = CliRunner().invoke(
        leadpipe.cli.main, ["access", "--csv"], env={"LEADPIPE_DATA_DIR": "data"}
    )
    assert "at 127.0.0.1,logged in" in shown.output
    assert "203.0.113.7" not in shown.output


@pytest.mark.parametrize(
    "value",
    [
        *("*", "0.0.0.0/0", "::/0", "127.0.0.1,*", "proxy.example"),
        *("0.0.0.0/1,128.0.0.0/1", "::/1,8000::/1", "::ffff:0:0/96", "::ffff:0.0.0.0/97", "::/80"),
    ],
)
def test_no_proxy_of_any_address_is_believed(monkeypatch, value):
    """FORWARDED_ALLOW_IPS=*, or as good as that, is refused at the start, with what to write instead."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", value)
    with pytest.raises(
        ConfigurationError, match=r"FORWARDED_ALLOW_IPS.*Name the proxy's own address"
    ):
        load_settings(WebSettings)


@pytest.mark.parametrize(
    "value", ["https://stats.example.org", "*", "stats.example.org/page", "a b!"]
)
def test_a_name_is_a_name(monkeypatch, value):
    """LEADPIPE_WEB_NAMES takes what people type before the first slash, and says so."""
    monkeypatch.setenv("LEADPIPE_WEB_NAMES", value)
    with pytest.raises(ConfigurationError, match=r"LEADPIPE_WEB_NAMES.*is no host name"):
        load_settings(WebSettings)
