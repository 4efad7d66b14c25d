"""Every route of the page and who gets what there: strangers, people by role, programs, a forger, open mode.

A route without a line here fails the first test: who adds one says who may.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, product

import duckdb
import pytest
from pydantic import SecretStr
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from leadpipe.web.app import create_app
from leadpipe_tests.clocks import NOW
from leadpipe_tests.leads.builders import edits_of, publish_leads
from leadpipe_tests.security.accounts import csrf_of, log_in, logins_of, with_people
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import CRON_SECRET, SECRET, TOKEN, web_settings

pytestmark = pytest.mark.usefixtures("light_hashes")

_METRICS_SECRET = "s3cret-of-prometheus-alone"
_LEADS_SECRET = "s3cret-of-callers-with-leads"
_PARTNER_SECRET = "s3cret-of-the-partner-alone"
_SSO_SECRET = "s3cret-of-the-proxy-of-sso"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")


@dataclass(frozen=True)
class Line:
    """What a route answers, as `stranger viewer worker operator`, to a program with its secret, in open mode.

    Args:
        method: of the request.
        path: the route's.
        people: four statuses, of public mode.
        opened: the status in open mode, without any secret set.
        secret: what a program brings, where the route is for programs.
        program: and what it gets.
        data: of the form or of the JSON.
    """

    method: str
    path: str
    people: str
    opened: int
    secret: str | None = None
    program: int | None = None
    data: Mapping[str, object] | None = None

    @property
    def is_for_programs(self) -> bool:
        """Whether it is no page."""
        return self.secret is not None


_LINES = [
    # Everybody who may come in at the door.
    Line("GET", "/healthz", "200 200 200 200", 200),
    Line("GET", "/readyz", "200 200 200 200", 200),
    Line("GET", "/login", "200 303 303 303", 303),
    Line("POST", "/login", "401 401 401 401", 303, data={"token": "a-wrong-token-of-somebody"}),
    Line("POST", "/logout", "303 303 303 303", 303, data={}),
    Line("GET", "/static/{domain}/{name}.js", "200 200 200 200", 200),
    Line("GET", "/static", "200 200 200 200", 200),
    # Programs, each with a secret of its own; nobody's session opens them.
    Line("GET", "/metrics", "401 401 401 401", 200, _METRICS_SECRET, 200),
    Line("GET", "/api/sync", "401 200 200 200", 200, CRON_SECRET, 200),
    Line("GET", "/api/cron/sync-visitors", "401 401 401 401", 200, CRON_SECRET, 200),
    Line("HEAD", "/api/cron/sync-visitors", "401 401 401 401", 200, CRON_SECRET, 200),
    Line("POST", "/api/cron/sync-visitors", "401 401 401 401", 200, CRON_SECRET, 200),
    Line("POST", "/api/cron/analytics", "401 401 401 401", 200, CRON_SECRET, 200),
    Line("GET", "/api/webhooks/posthog", "200 200 200 200", 200, SECRET, 200),
    Line("POST", "/api/webhooks/posthog", "401 401 401 401", 422, SECRET, 422, {"a": 1}),
    *(
        Line(method, f"/api/webhooks/posthog{slash}", "405 405 405 405", 405, SECRET, 405)
        for method in ("PUT", "PATCH", "DELETE")
        for slash in ("", "/")
    ),
    Line("GET", "/api/webhooks/posthog/", "200 200 200 200", 200, SECRET, 200),
    Line("POST", "/api/webhooks/posthog/", "401 401 401 401", 422, SECRET, 422, {"a": 1}),
    Line("POST", "/api/leads", "401 401 401 401", 202, _LEADS_SECRET, 202, {"channel": "sms"}),
    Line("POST", "/api/webhooks/partner", "401 401 401 401", 422, _PARTNER_SECRET, 422, {"a": 1}),
    # People who see.
    Line("GET", "/", "303 200 200 200", 200),
    Line("GET", "/today", "303 200 200 200", 200),
    Line("GET", "/admin/sync", "303 200 200 200", 200),
    Line("GET", "/admin/sync/days", "303 200 200 200", 200),
    Line("GET", "/admin/sync/days/{day}", "303 200 200 200", 200),
    Line("GET", "/admin/sync/overview", "303 200 200 200", 200),
    Line("GET", "/admin/sync/progress", "303 200 200 200", 200),
    Line("GET", "/admin/sync/runs/{run_id}", "303 200 200 200", 200),
    Line("GET", "/questions", "303 200 200 200", 200),
    Line("GET", "/questions/{domain}/{slug}", "303 200 200 200", 200),
    Line("GET", "/api/visitors/live", "401 200 200 200", 200),
    Line("GET", "/api/visitors/stream", "401 200 200 200", 200),
    Line("GET", "/visitors", "303 200 200 200", 200),
    Line("GET", "/listings", "303 200 200 200", 200),
    Line("GET", "/listings.csv", "303 200 200 200", 200),
    Line("GET", "/listings-hours.csv?listing=villa-accra-12", "303 200 200 200", 200),
    Line("GET", "/listings/{listing_id:path}", "303 200 200 200", 200),
    Line("GET", "/leads", "303 200 200 200", 200),
    Line("GET", "/leads.csv", "303 200 200 200", 200),
    Line("GET", "/leads/status", "303 303 303 303", 303),
    Line("GET", "/leads/undo", "303 303 303 303", 303),
    Line("GET", "/leads/{lead_id}", "303 200 200 200", 200),
    Line("GET", "/leads/{lead_id}/{button}", "303 303 303 303", 303),
    Line("GET", "/admin/delivery", "303 200 200 200", 200),
    # Who works with leads; the form of several was made when they were as they never were.
    Line("GET", "/admin/delivery?reveal=1", "303 403 200 200", 200),
    Line("POST", "/leads/status", "303 403 409 409", 409, data={"status": "lost"}),
    Line("POST", "/leads/undo", "303 403 303 303", 303, data={"batch": "none"}),
    Line("POST", "/leads/{lead_id}/status", "303 403 303 303", 303, data={"status": "lost"}),
    Line("POST", "/leads/{lead_id}/note", "303 403 303 303", 303, data={"note": "asked"}),
    Line("POST", "/leads/{lead_id}/reveal", "303 403 200 200", 200, data={}),
    Line("POST", "/admin/delivery/retry", "303 403 503 503", 503, data={"id": "7"}),
    Line(
        "POST",
        "/admin/delivery/settle",
        "303 403 503 503",
        503,
        data={"id": "7", "decision": "give_up", "why": "asked"},
    ),
    # Who operates.
    Line("POST", "/admin/sync", "303 403 403 303", 303, data={"job": "visitors"}),
    Line("POST", "/admin/sync/days/{day}/read", "303 403 403 303", 303, data={}),
    Line("GET", "/admin/access", "303 403 403 200", 200),
    Line("POST", "/admin/access/end", "303 403 403 404", 404, data={"session": "nobody's"}),
]
_ENDLESS = "/api/visitors/stream"  # who may have it is tried on a real page, in test_accounts.py
_ROLES = ("vera", "walt", "olga")
_SECRETS = {
    "admin_token": SecretStr(TOKEN),
    "cron_secret": SecretStr(CRON_SECRET),
    "metrics_secret": SecretStr(_METRICS_SECRET),
    "posthog_webhook_secret": SecretStr(SECRET),
    "leads_secret": SecretStr(_LEADS_SECRET),
    "npa_webhook_secret": SecretStr(_PARTNER_SECRET),
}
_FORGED = [
    {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Real-IP": "127.0.0.1"},
    {"Forwarded": "for=127.0.0.1;proto=https;host=localhost", "Via": "1.1 localhost"},
    {"Remote-User": "olga", "Remote-Groups": "admins", "X-Forwarded-User": "olga"},
    {"Remote-User": "olga", "X-Leadpipe-Proxy-Secret": ""},
    {"X-Auth-Request-User": "olga", "X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
    {"Authorization": "Bearer ", "X-Leadpipe-Secret": ""},
    {"Authorization": "Basic b2xnYTo=", "Cookie": "leadpipe=; __Host-leadpipe=olga"},
]
_SPELLINGS = [
    "{path}/",
    "/{path}",
    "{path}/%2e",
    "{path}//",
    "/%2e{path}",
    "/static/%2e%2e{path}",
    "{path}%2f",
    "{path}%00",
    "{path};a=b",
    "{path}.json",
    "/healthz/%2e%2e{path}",
    "/dagster{path}",
]


@pytest.fixture
def lead(tmp_path):
    """The id of a published lead."""
    publish_leads(tmp_path)
    files = tmp_path / "data" / "published" / "current" / "leads" / "*.parquet"
    [(found,)] = duckdb.sql(f"SELECT min(lead_id) FROM '{files}'").fetchall()
    return str(found)


@pytest.fixture
def public(start, tmp_path, lead):
    """A public page with every secret set, over leads; each call another browser, logged in by a name."""
    with_people(tmp_path)
    dagster = FakeDagster()
    app = start(is_public=True, dagster=dagster, **_SECRETS).app
    return _browsers(app, dagster, "203.0.113.7")


@pytest.fixture
def opened(start, lead):
    """An open page without any secret."""
    dagster = FakeDagster()
    return _browsers(start(dagster=dagster).app, dagster, "127.0.0.1")


def _browsers(app, dagster, address):
    app.state.web.wrong_secrets._clock = count(step=60).__next__  # nobody has to wait

    def browser(name=None):
        client = TestClient(
            app, client=(address, 50_000), base_url="http://localhost", follow_redirects=False
        )
        if name:
            assert log_in(client, name).status_code == 303
        return client

    browser.app, browser.dagster = app, dagster  # type: ignore[attr-defined]
    return browser


def address(path, lead):
    """An address that a route answers."""
    given = {
        "{lead_id}": lead,
        "{button}": "status",
        "{run_id}": "run-1",
        "{day}": "2026-11-20",
        "{listing_id:path}": "villa-accra-12",
        "/questions/{domain}/{slug}": "/questions/events/days-proved",
        "/static/{domain}/{name}.js": "/static/leads/leads.js",
    }
    for name, value in given.items():
        path = path.replace(name, value)
    return "/static/page.css" if path == "/static" else path


def _ends_the_session(line):
    return line.path == "/logout"


def token_of(client):
    """The token of a browser's forms, where it has a page."""
    page = client.get("/login")
    page = page if page.status_code == 200 else client.get("/leads")
    return csrf_of(page)


def ask(client, line, lead, *, csrf=None, path=None, method=None, headers=None):
    """The status of a line's request, with the token of the browser's forms."""
    sent = {"Accept": "text/html", **(headers or {})}
    data = {**(line.data or {}), "csrf": csrf, "lead": f"{lead}:stale"}
    if line.is_for_programs:
        how = {"json": line.data} if line.data is not None else {}
    else:
        how = {"data": data} if line.method == "POST" else {}
    if csrf:
        sent["X-CSRF-Token"] = csrf
    url = address(path or line.path, lead)
    return client.request(method or line.method, url, headers=sent, **how).status_code


def left_behind(browser, folder):
    """What a request can do: runs, changes of leads, leads and notices handed over, events, sessions."""
    data = folder / "data"
    return (
        len(browser.dagster.launched),
        len(edits_of(folder).edits()),
        [
            (data / name).stat().st_size if (data / name).exists() else 0
            for name in ("handovers.sqlite", "inbox.sqlite", "inbox.sqlite-wal")
        ],
        [(one.name, one.person) for one in logins_of(folder).sessions(now=NOW)],
    )


def test_every_route_has_a_line(tmp_path):
    """Each route and each of its methods, and no line without one; HEAD is answered as GET is."""
    app = create_app(web_settings(tmp_path))
    routes = {
        (method, str(vars(route)["path"]))
        for route in app.routes
        for method in _methods_of(route)
        if method != "HEAD" or "GET" not in _methods_of(route)
    }
    lines = {(line.method, line.path.partition("?")[0]) for line in _LINES if line.method != "HEAD"}
    assert routes - lines == set(), "routes without a line: say who may"
    assert lines - routes == set(), "lines without a route"


def _methods_of(route):
    if isinstance(route, Mount):
        return {"GET"}
    assert isinstance(route, Route), (
        f"{route} is no route that this test knows; add it to the table"
    )
    return route.methods or set()


def test_each_route_answers_each_role_as_its_line_says(public, lead):
    """A stranger, a viewer, a worker, an operator, and a program with the secret of that route alone."""
    browsers = [public(), *(public(name) for name in _ROLES)]
    tokens = [token_of(each) for each in browsers]
    wrong = []
    for line in sorted(_LINES, key=_ends_the_session):
        expected = [int(each) for each in line.people.split()]
        found = [
            status if line.path == _ENDLESS and status == 200 else ask(each, line, lead, csrf=csrf)
            for each, csrf, status in zip(browsers, tokens, expected, strict=True)
        ]
        if line.is_for_programs:
            expected.append(line.program or 0)
            found.append(
                ask(public(), line, lead, headers={"Authorization": f"Bearer {line.secret}"})
            )
        if found != expected:
            wrong.append((line.method, line.path, found, expected))
    assert "\n".join(map(str, wrong)) == ""


def test_in_open_mode_this_machine_may_and_nobody_else(opened, start, lead):
    """Without a login everything that a secret does not close; through a proxy, from elsewhere: nothing."""
    local = opened()
    csrf = csrf_of(local.get("/leads"))
    elsewhere = TestClient(
        opened.app, client=("203.0.113.7", 1), base_url="http://localhost", follow_redirects=False
    )
    wrong: list[object] = []
    for line in sorted(_LINES, key=_ends_the_session):
        if line.path != _ENDLESS and (found := ask(local, line, lead, csrf=csrf)) != line.opened:
            wrong.append((line.method, line.path, found, line.opened))
        seen = {
            ask(local, line, lead, csrf=csrf, headers=_FORGED[0]),
            ask(local, line, lead, csrf=csrf, headers=_FORGED[1]),
            ask(local, line, lead, csrf=csrf, headers={"Host": "evil.example"}),
            ask(elsewhere, line, lead, csrf=csrf),
        }
        if seen != {403}:
            wrong.append((line.method, line.path, "by a proxy, from elsewhere", seen))
    assert "\n".join(map(str, wrong)) == ""


@pytest.mark.parametrize("way", ["token", "accounts"])
def test_where_this_machines_page_has_a_login_programs_need_a_secret(start, tmp_path, lead, way):
    """Others with an account on the machine start, hand over and read nothing in place of a secret."""
    if way == "accounts":
        with_people(tmp_path)
    dagster = FakeDagster()
    token = {"admin_token": SecretStr(TOKEN)} if way == "token" else {}
    browser = _browsers(start(dagster=dagster, **token).app, dagster, "127.0.0.1")
    found = {(line.method, line.path): ask(browser(), line, lead) for line in _LINES}
    health = {
        ("GET", path) for path in ("/api/sync", "/api/webhooks/posthog", "/api/webhooks/posthog/")
    }
    programs = {
        (line.method, line.path): found[line.method, line.path]
        for line in _LINES
        if line.is_for_programs and (line.method, line.path) not in health
    }
    assert {each: status for each, status in programs.items() if status not in {403, 405}} == {}
    pages = {
        line.path for line in _LINES if line.people.startswith("303 ") and line.method == "GET"
    }
    assert {path for path in pages if found["GET", path] != 303} == set()
    assert dagster.launched == []


def test_another_sites_page_gets_nothing_from_a_program_without_a_secret(opened, lead):
    """A browser that a page of another site sends there, in open mode, where nothing has a secret."""
    found = {
        ask(opened(), line, lead, headers={"Sec-Fetch-Site": "cross-site"})
        for line in _LINES
        if line.is_for_programs and line.path != "/api/sync"
    }
    assert found <= {200, 403, 405}
    assert opened.dagster.launched == []


@pytest.mark.parametrize("sign_on", [False, True])
def test_no_header_makes_a_stranger_somebody(start, tmp_path, lead, sign_on):
    """What a proxy or a sign-on says, a stranger says in vain; so does a named proxy without its secret."""
    with_people(tmp_path)
    own: dict[str, object] = {**_SECRETS}
    if sign_on:
        own = own | {
            "sso_user_header": "Remote-User",
            "sso_groups_header": "Remote-Groups",
            "sso_roles": "admins=operator",
            "sso_proxies": "203.0.113.7,127.0.0.1",
            "sso_secret": SecretStr(_SSO_SECRET),
        }
    app = start(is_public=True, dagster=FakeDagster(), **own).app
    wrong = []
    for sender in ("203.0.113.7", "127.0.0.1"):
        client = TestClient(
            app, client=(sender, 1), base_url="http://localhost", follow_redirects=False
        )
        for line, forged in product(_LINES, _FORGED):
            status = int(line.people.split()[0])
            found = ask(client, line, lead, headers=forged)
            may = {status, 403, 429} if line.path != "/login" else {status, 403, 429, 401}
            if found not in may or (found == 200 and status != 200):
                wrong.append((line.method, line.path, forged, found, status))
    assert "\n".join(map(str, wrong)) == ""


def test_what_only_looks_does_nothing(public, tmp_path, lead):
    """By no method but POST is anything done, whoever asks, with the token of their forms in a header."""
    browsers = [public(), *(public(name) for name in _ROLES)]
    tokens = [token_of(each) for each in browsers]
    assert public().get("/readyz").status_code == 200  # it makes what is to be written to
    before = left_behind(public, tmp_path)
    paths = {line.path for line in _LINES if line.path != _ENDLESS}
    line = Line("GET", "/", "", 0)
    for client, csrf in zip(browsers, tokens, strict=True):
        for path in sorted(paths):
            for method in _METHODS:
                if method != "POST":
                    ask(client, line, lead, csrf=csrf, path=path, method=method)
    assert left_behind(public, tmp_path) == before


def test_what_a_role_may_not_is_not_done(public, tmp_path, lead):
    """Nothing is left behind by whoever is refused."""
    browsers = {0: public(), 1: public("vera"), 2: public("walt")}
    tokens = {place: token_of(each) for place, each in browsers.items()}
    assert public().get("/readyz").status_code == 200  # it makes what is to be written to
    before = left_behind(public, tmp_path)
    for line in _LINES:
        statuses = [int(each) for each in line.people.split()]
        for place, client in browsers.items():
            is_login = statuses[0] == statuses[-1] and not line.is_for_programs
            if not is_login and (statuses[place] in {401, 403} or place == 0):
                ask(client, line, lead, csrf=tokens[place])
    assert left_behind(public, tmp_path) == before


def test_head_answers_as_get_does(public, lead):
    """A page that is asked for its head alone says the same status, and has the same guards."""
    browsers = [public(), *(public(name) for name in _ROLES)]
    wrong = []
    for line in _LINES:
        if line.method != "GET" or line.path in {_ENDLESS, "/api/cron/sync-visitors"}:
            continue
        for client in browsers:
            got, head = (ask(client, line, lead, method=method) for method in ("GET", "HEAD"))
            if got != head:
                wrong.append((line.path, got, head))
    assert "\n".join(map(str, wrong)) == ""


def test_another_spelling_of_an_address_opens_nothing(public, lead):
    """Slashes, dots, escapes and parameters: a stranger and a viewer get no more than by the plain one."""
    stranger, viewer = public(), public("vera")
    wrong = []
    for line in _LINES:
        if line.path == _ENDLESS or line.method != "GET" or "?" in line.path:
            continue
        path = address(line.path, lead)
        for spelling, (place, client) in product(_SPELLINGS, enumerate((stranger, viewer))):
            allowed = int(line.people.split()[place])
            url = f"http://localhost{spelling.format(path=path)}"
            answer = client.get(url, headers={"Accept": "text/html"})
            is_open = answer.status_code == 200 and allowed != 200
            away = answer.headers.get("location", "/")
            if is_open or not re.match(r"(http://localhost)?/(?![/\\])", away):
                wrong.append((spelling, path, answer.status_code, away))
    assert "\n".join(map(str, wrong)) == ""


@pytest.mark.parametrize("name", [None, "olga"])
def test_there_is_no_websocket(public, lead, name):
    """The page has none; whoever tries is refused."""
    client = public(name)
    for line in _LINES:
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(address(line.path, lead)),
        ):
            raise AssertionError(f"{line.path} took a websocket")


def paths_of(method):
    """The paths that answer a method, without those that never end."""
    return [line.path for line in _LINES if line.method == method and line.path != _ENDLESS]
