"""A proxy's single sign-on: only a proxy that is named may say who calls."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from leadpipe.cli import safety
from leadpipe.errors import ConfigurationError
from leadpipe.settings import load_settings
from leadpipe.web.roles import Role
from leadpipe.web.settings import WebSettings
from leadpipe.web.sign_on import PROBE
from leadpipe_tests.clocks import NOW
from leadpipe_tests.security.accounts import PASSWORD, csrf_of, log_in, logins_of, status_of
from leadpipe_tests.security.proxies import (
    NAME,
    bare_nginx,
    certificate,
    signed_on_caddy,
    signed_on_nginx,
)
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import TOKEN, web_settings
from leadpipe_tests.web.page_process import serving

pytestmark = pytest.mark.usefixtures("light_hashes")

PROXY = "198.51.100.80"
SECRET = "secret-of-the-sign-on-proxy"
METRICS_SECRET = "s3cret-of-prometheus-alone"
DELIVERY = "/admin/delivery"
_SETTINGS = {
    "sso_user_header": "Remote-User",
    "sso_groups_header": "Remote-Groups",
    "sso_roles": "admins=operator,sales team=worker,*=viewer",
    "sso_proxies": PROXY,
}


@pytest.fixture
def page(start):
    """A page behind a proxy with a sign-on; each call somebody who sends headers from an address."""
    made = start(is_public=True, admin_token=SecretStr(TOKEN), dagster=FakeDagster(), **_SETTINGS)

    def caller(client=PROXY, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return TestClient(
            made.app, client=(client, 50_000), base_url="http://localhost", headers=sent
        )

    return caller


@pytest.mark.parametrize(
    ("groups", "seen"),
    [
        ("", [200, 403, 403]),
        ("others", [200, 403, 403]),
        ("sales team, others", [200, 200, 403]),
        ("others|admins", [200, 200, 200]),
        ("*", [200, 403, 403]),
        ("ADMINS", [200, 403, 403]),
        ("admins=operator", [200, 403, 403]),
    ],
)
def test_groups_give_roles(page, groups, seen):
    """The highest of those that are named, exactly as they are spelled; everybody else has that of `*`."""
    client = page(Remote_User="anna", Remote_Groups=groups)
    paths = ("/admin/sync", f"{DELIVERY}?reveal=1", "/admin/access")
    assert [status_of(client, path) for path in paths] == seen


@pytest.mark.parametrize(
    "headers",
    [
        {"Remote_User": "anna"},
        {"Remote_Groups": "admins"},
        {"REMOTE_USER": "anna"},
        {"Remote_User": ""},
        {"X_Leadpipe_Proxy_Secret": "x"},
        {"Remote_User": "anna", "X_Forwarded_For": PROXY},
    ],
)
@pytest.mark.parametrize("client", ["203.0.113.7", "127.0.0.1", "198.51.100.8"])
def test_nobody_else_may_say_who_calls(page, client, headers):
    """From any other address, this machine too, the request is refused, not taken without the header."""
    answer = page(client, **headers).get("/admin/sync", follow_redirects=False)
    assert answer.status_code == 403
    assert "comes from no proxy of LEADPIPE_SSO_PROXIES" in answer.json()["error"]


def test_a_header_that_came_twice_is_refused(page):
    """A proxy that adds its own to the sender's would let the sender choose."""
    for name in ("Remote-User", "Remote-Groups", "X-Leadpipe-Proxy-Secret"):
        answer = page().get("/admin/sync", headers=[(name, "anna"), (name.lower(), "boss")])
        assert (answer.status_code, "came twice" in answer.text) == (403, True)


@pytest.mark.parametrize("name", ["anna boss", "<b>", "a\\u0000", "\xe9", "-", "x" * 101, PROBE])
def test_a_name_that_is_none_is_refused(page, name):
    """Also the one that `leadpipe check` tries a proxy with."""
    answer = page().get("/admin/sync", headers={"Remote-User": name.encode("latin-1")})
    assert answer.status_code == 403


def test_without_the_header_there_is_the_login(page):
    """The proxy names nobody: strangers log in, and the token opens as ever."""
    client = page()
    assert status_of(client) == 303
    data = {"csrf": csrf_of(client.get("/login")), "token": TOKEN}
    assert client.post("/login", data=data, follow_redirects=False).status_code == 303
    assert status_of(client, "/admin/access") == 200


def test_an_account_of_the_name_goes_before_the_groups(page, tmp_path):
    """So one person can be given more, or less, than their groups; removing it ends that."""
    people = logins_of(tmp_path).people
    client = page(Remote_User="Anna", Remote_Groups="admins")
    people.add("anna", Role.VIEWER, None, now=NOW)
    assert status_of(client, "/admin/access") == 403
    people.set_role("anna", Role.OPERATOR)
    assert status_of(client, "/admin/access") == 200
    people.remove("anna")
    assert status_of(page(Remote_User="anna"), "/admin/access") == 403


def test_somebody_without_a_role_sees_nothing(start):
    """Where `*` has no role, being known to the sign-on is not enough."""
    settings = _SETTINGS | {"sso_roles": "admins=operator"}
    app = start(is_public=True, dagster=FakeDagster(), **settings).app
    client = TestClient(
        app, client=(PROXY, 1), base_url="http://localhost", headers={"Remote-User": "anna"}
    )
    for path in ("/admin/sync", DELIVERY, "/admin/access"):
        answer = client.get(path)
        assert (answer.status_code, "leadpipe has no role for you" in answer.text) == (403, True)
        assert "leadpipe access add anna --role" in answer.text
    assert client.get("/api/visitors/live").status_code == 403
    assert client.get("/api/sync").status_code == 403


def test_a_session_is_not_the_next_persons(page, tmp_path):
    """Of two people at one browser the second is who the sign-on says, not whose cookie is left."""
    logins_of(tmp_path).people.add("olga", Role.OPERATOR, PASSWORD, now=NOW)
    client = page(Remote_User="olga")
    client.post("/logout", data={"csrf": csrf_of(client.get("/admin/sync"))})
    assert log_in(page(), "olga").status_code == 303
    first = page()
    log_in(first, "olga")
    second = page(Remote_User="anna")
    second.cookies.jar.set_cookie(next(iter(first.cookies.jar)))
    assert status_of(first, "/admin/access") == 200
    assert status_of(second, "/admin/access") == 403


def test_what_they_do_is_kept_by_name(page, tmp_path):
    """With the way they came, and where from; a form still wants its token."""
    client = page(Remote_User="anna", Remote_Groups="admins")
    assert client.post("/admin/sync", data={"job": "visitors"}).status_code == 403
    data = {"csrf": csrf_of(client.get("/admin/sync")), "job": "visitors"}
    assert client.post("/admin/sync", data=data, follow_redirects=False).status_code == 303
    [act] = logins_of(tmp_path).acts(limit=5)
    assert (act.person, act.who) == ("anna", f"anna by single sign-on at {PROXY}")


def test_the_proxy_can_be_asked_for_a_secret(start):
    """So that no other program on the proxy's machine can say who calls."""
    app = start(
        is_public=True, dagster=FakeDagster(), sso_secret=SecretStr(SECRET), **_SETTINGS
    ).app
    answers = []
    for sent in ({}, {"X-Leadpipe-Proxy-Secret": "guess"}, {"X-Leadpipe-Proxy-Secret": SECRET}):
        client = TestClient(app, client=(PROXY, 1), base_url="http://localhost")
        answer = client.get("/admin/sync", headers={"Remote-User": "anna"} | sent)
        assert SECRET not in answer.text
        answers.append(answer.status_code)
    assert answers == [403, 403, 200]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sso_proxies": ""}, "LEADPIPE_SSO_USER_HEADER needs LEADPIPE_SSO_PROXIES"),
        (
            {"sso_user_header": ""},
            "LEADPIPE_SSO_GROUPS_HEADER is set and LEADPIPE_SSO_USER_HEADER is not",
        ),
        ({"sso_groups_header": ""}, "LEADPIPE_SSO_GROUPS_HEADER is not set"),
        ({"sso_secret": SecretStr("short")}, "LEADPIPE_SSO_SECRET "),
        ({"is_public": False}, "needs LEADPIPE_WEB_NAMES"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_the_start(start, changes, said):
    """With the setting and what it needs: closed rather than half open."""
    with pytest.raises(ConfigurationError) as caught:
        start(**({"is_public": True} | _SETTINGS | changes))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LEADPIPE_SSO_ROLES", "admins", "is no group=role"),
        ("LEADPIPE_SSO_ROLES", "admins=root", "is no group=role"),
        ("LEADPIPE_SSO_ROLES", "=viewer", "is no group=role"),
        ("LEADPIPE_SSO_ROLES", "a=viewer,a=operator", "named twice"),
        ("LEADPIPE_SSO_ROLES", "*=operator", "would let everybody give roles"),
        ("LEADPIPE_SSO_PROXIES", "*", "would believe anybody"),
        ("LEADPIPE_SSO_PROXIES", "0.0.0.0/0", "would believe anybody"),
        ("LEADPIPE_SSO_USER_HEADER", "Remote User", "is no header for that"),
        ("LEADPIPE_SSO_USER_HEADER", "Cookie", "is no header for that"),
        ("LEADPIPE_SSO_GROUPS_HEADER", "Remote-Groups:", "is no header for that"),
    ],
)
def test_a_setting_that_is_none_is_refused(monkeypatch, name, value, said):
    """One line with the setting, and how it is written."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings(WebSettings)
    assert said in str(caught.value)


def test_the_check_says_how_it_stands(tmp_path):
    """Who may say who calls and with which roles; what does not fit; who else could say so."""
    fields = _SETTINGS | {"web_names": "stats.example.org"}

    def said(**changes):
        found = safety._sign_on(web_settings(tmp_path, **(fields | changes)).of(WebSettings))
        return [(finding.verdict, finding.text) for finding in found]

    [(state, text)] = said()
    assert (state, "admins operator, sales team worker, * viewer" in text) == ("ok", True)
    [(state, text)] = said(sso_proxies="127.0.0.1")
    assert (state, "set LEADPIPE_SSO_SECRET" in text) == ("warning", True)
    [(state, text)] = said(sso_proxies="")
    assert (state, "needs LEADPIPE_SSO_PROXIES" in text) == ("wrong", True)
    assert said(sso_user_header="", sso_groups_header="", sso_roles="", sso_proxies="") == []


def test_the_check_finds_a_proxy_that_passes_a_forged_name_on(tmp_path, monkeypatch):
    """A real nginx that does not replace the header: anybody could be anybody, and the check says so."""
    settings = {
        "LEADPIPE_WEB_NAMES": "127.0.0.1",
        "LEADPIPE_ADMIN_TOKEN": TOKEN,
        "LEADPIPE_SSO_USER_HEADER": "Remote-User",
        "LEADPIPE_SSO_PROXIES": "127.0.0.1",
    }
    lines = (
        "proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;"
        " proxy_set_header X-Forwarded-For $remote_addr;"
    )
    with serving(tmp_path, **settings) as (_, url):
        page = urlsplit(url).port or 0
        found = {}
        for more in ("", ' proxy_set_header Remote-User "";'):
            with bare_nginx(tmp_path, page=page, lines=lines + more) as front:
                monkeypatch.setenv("SSL_CERT_FILE", str(certificate(tmp_path)[0]))
                found[more] = safety._passed_on(f"127.0.0.1:{front.port}", "remote-user")
    passed_on, replaced = found.values()
    assert passed_on is not None
    assert (passed_on.verdict, "anybody can be anybody" in passed_on.text) == ("wrong", True)
    assert replaced is None


@contextmanager
def a_sign_on():
    """A sign-on as nginx and Caddy ask one: 200 with who it is for the right cookie, else 401."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            who = (self.headers.get("Cookie") or "").partition("sso=")[2].partition(";")[0]
            self.send_response(200 if who else 401)
            if who:
                self.send_header("Remote-User", who)
                self.send_header("Remote-Groups", "admins" if who == "olga" else "others")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.mark.parametrize("proxy", [signed_on_nginx, signed_on_caddy])
def test_the_documented_sign_on_works_when_copied(tmp_path, proxy):
    """Who it says is who calls; what a sender says of itself reaches leadpipe by no path."""
    settings = {
        "LEADPIPE_WEB_NAMES": NAME,
        "LEADPIPE_ADMIN_TOKEN": TOKEN,
        "LEADPIPE_SSO_USER_HEADER": "Remote-User",
        "LEADPIPE_SSO_GROUPS_HEADER": "Remote-Groups",
        "LEADPIPE_SSO_PROXIES": "127.0.0.1",
        "LEADPIPE_SSO_ROLES": "admins=operator,*=viewer",
        "LEADPIPE_SSO_SECRET": SECRET,
        "POSTHOG_WEBHOOK_SECRET": "s3cret-of-the-webhook",
        "LEADPIPE_METRICS_SECRET": METRICS_SECRET,
    }
    forged = {"Remote-User": PROBE, "Remote-Groups": "admins"}
    with (
        a_sign_on() as sso,
        serving(tmp_path, **settings) as (_, url),
        proxy(tmp_path, page=urlsplit(url).port, sign_on=sso, secret=SECRET) as front,
    ):

        def seen(path, cookie=None, headers=None):
            sent = ({"Cookie": f"sso={cookie}"} if cookie else {}) | (headers or {})
            return front.ask("GET", path, headers=sent).status_code

        assert seen("/admin/sync", "vera") == 200
        assert seen("/admin/access", "vera") == 403
        assert seen("/admin/access", "olga") == 200
        assert seen("/admin/access", "vera", forged) == 403
        assert seen("/admin/sync", "vera", forged) == 200
        assert seen("/admin/sync") == seen("/admin/sync", headers=forged) == 401
        scraper = {"Authorization": f"Bearer {METRICS_SECRET}"}
        assert seen("/metrics", headers=scraper | forged) == 200
        assert seen("/metrics", headers=forged) == 401
        for path in ("/api/webhooks/posthog", "/healthz"):
            assert seen(path) == seen(path, headers=forged) == 200
        direct = httpx.get(
            f"{url}/admin/access",
            headers={"Host": NAME, "Remote-User": "olga"},
            trust_env=False,
            timeout=120,
        )
        assert direct.status_code == 403
