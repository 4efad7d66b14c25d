"""The Dagster UI by role: operators command, others read; streams end with sessions."""

import asyncio
import json

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from leadpipe.web import lasting
from leadpipe.web.caller import CALLER, Gate
from leadpipe.web.own_page import OnlyItsOwnPage, WithLogin, may_command
from leadpipe.web.roles import Role
from leadpipe.web.sessions import SignedSessions
from leadpipe_tests.clocks import NOW
from leadpipe_tests.security.accounts import PASSWORD, with_people

pytestmark = pytest.mark.usefixtures("light_hashes")

KEY = SecretStr("key-of-the-page-for-the-tests")
MUTATION = "mutation Launch { launchRun { __typename } }"
QUESTION = "query Runs { runsOrError { __typename } }"


@pytest.fixture
def logins(tmp_path):
    """A viewer, a worker and an operator."""
    return with_people(tmp_path)


@pytest.fixture
def reached():
    """What came through to Dagster: paths with the role that it saw."""
    return []


@pytest.fixture
def guarded(logins, reached):
    """The guard before an application with Dagster's paths, below `/dagster`."""

    async def take(request: Request):
        body = await request.body() if request.method == "POST" else b""
        reached.append((request.url.path, str(request.scope[CALLER].role), body.decode()))
        return JSONResponse({})

    async def talk(websocket):
        await websocket.accept(subprotocol="graphql-ws")
        try:
            while True:
                reached.append(("websocket", await websocket.receive_text()))
                await websocket.send_text("taken")
        except WebSocketDisconnect:
            reached.append(("websocket", "closed"))

    async def log_in(request: Request):
        verified = logins.people.verify(request.query_params["name"], PASSWORD)
        session = logins.begin(None, address="testclient", now=NOW, person=verified)
        request.session["session"] = session
        return JSONResponse({})

    paths = [
        Route("/graphql", take, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", talk),
        Route("/report_asset_materialization/{key:path}", take, methods=["POST"]),
        Route("/{path:path}", take),
    ]
    gate = Gate(logins, None, None, lambda: NOW)
    inside = WithLogin(
        OnlyItsOwnPage(Starlette(routes=[Mount("/dagster", routes=paths)])), gate, KEY, "/dagster"
    )

    async def app(scope, receive, send):
        is_login = scope["type"] == "http" and scope["path"] == "/login-of-the-test"
        await (log_in_app if is_login else inside)(scope, receive, send)

    log_in_app = Starlette(routes=[Route("/login-of-the-test", log_in)])
    signed = SignedSessions(app, key=SecretStr("key-of-the-sessions-of-the-tests"))

    def browser(name=None):
        client = TestClient(signed, base_url="http://localhost")
        if name:
            client.get(f"/login-of-the-test?name={name}")
        return client

    return browser


def ask(client, query, path="/dagster/graphql", **content):
    """Send a GraphQL request; the answer's status."""
    return client.post(path, json={"query": query, **content}).status_code


@pytest.mark.parametrize(
    ("query", "is_command"),
    [
        (QUESTION, False),
        ("{ version }", False),
        ("subscription { a }", False),
        ("fragment mutation on Query { a } query { ...mutation }", False),
        ('{ a(b: "mutation { c }") }', False),
        (MUTATION, True),
        ("# nothing\nmutation{a}", True),
        ("\ufeffmutation { a }", True),
        (f"{QUESTION} {MUTATION}", True),
        ("query { a", True),
        ("{ a " * 5_000, True),
        ("{" + " a" * 60_000 + "}", True),
        ("", True),
        (None, True),
        ([QUESTION], True),
    ],
)
def test_a_command_is_known_by_the_grammar(query, is_command):
    """Not by its words; what is no GraphQL, or endless, counts as one."""
    assert may_command(query) is is_command


@pytest.mark.parametrize("name", ["vera", "walt"])
def test_only_operators_command_dagster(guarded, reached, logins, name):
    """By POST, in a batch, beside a question, with a name that hides it, by GET, and by other paths."""
    client = guarded(name)
    both = f"{QUESTION} {MUTATION}"
    assert ask(client, QUESTION) == 200
    assert ask(client, MUTATION) == 403
    assert ask(client, both, operationName="Runs") == 403
    assert client.post("/dagster/graphql", json=[{"query": MUTATION}]).status_code == 403
    twice = f'{{"query": {json.dumps(QUESTION)}, "query": {json.dumps(MUTATION)}}}'
    json_type = {"Content-Type": "application/json"}
    for body in (twice, b"\xff\xfe", "null", "", '{"query": 1}', '"mutation"'):
        answer = client.post("/dagster/graphql", content=body, headers=json_type)
        assert answer.status_code == 403
    assert client.get(f"/dagster/graphql?query={MUTATION}").status_code == 403
    for path in (
        "report_asset_materialization/a",
        "report_asset_materialization/a/graphql",
        "x/graphql",
    ):
        assert ask(client, QUESTION, f"/dagster/{path}") == 403
    assert [path for path, *_ in reached] == ["/dagster/graphql"]
    assert reached[0][1] == {"vera": "viewer", "walt": "worker"}[name]
    refused = [act.what for act in logins.acts(limit=50) if act.person == name]
    assert "was refused: gave Dagster the command without a name" in refused
    assert "was refused: sent /dagster/report_asset_materialization/a/graphql" in refused


def test_operators_and_the_page_command_dagster(guarded, reached, logins):
    """And it is kept who did; what the page asks for is kept by the page."""
    assert ask(guarded("olga"), MUTATION, operationName="Launch") == 200
    key = {"Authorization": f"Bearer {KEY.get_secret_value()}"}
    stranger = guarded()
    body = {"query": MUTATION}
    assert stranger.post("/dagster/graphql", json=body, headers=key).status_code == 200
    assert stranger.post("/dagster/graphql", json=body).status_code == 401
    assert [role for _, role, _ in reached] == ["operator", "operator"]
    assert [(act.person, act.what) for act in logins.acts(limit=9)] == [
        ("olga", "gave Dagster the command Launch")
    ]


@pytest.mark.parametrize(
    "payload", [{"query": MUTATION}, {"query": "{"}, {"query": None}, "x query"]
)
def test_no_command_comes_by_websocket(guarded, reached, payload):
    """A viewer's websocket ends at a command; questions go through."""
    with guarded("vera").websocket_connect("ws://localhost/dagster/graphql") as socket:
        socket.send_text(json.dumps({"type": "connection_init"}))
        assert socket.receive_text() == "taken"
        socket.send_text(json.dumps({"type": "start", "payload": {"query": "subscription { a }"}}))
        assert socket.receive_text() == "taken"
        socket.send_text(json.dumps({"type": "start", "payload": payload}))
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    assert reached[-1] == ("websocket", "closed")
    assert len(reached) == 3


@pytest.mark.parametrize("how", ["end", "remove", "role", "password"])
def test_an_open_websocket_ends_with_the_session(guarded, logins, monkeypatch, how):
    """Within seconds, whoever holds it; until then it stays open."""
    monkeypatch.setattr(lasting, "LOOK_SECONDS", 0.05)
    ends = {
        "end": lambda: logins.end_named("vera"),
        "remove": lambda: logins.people.remove("vera"),
        "role": lambda: logins.people.set_role("vera", Role.WORKER),
        "password": lambda: logins.people.set_password("vera", "another password"),
    }
    with guarded("vera").websocket_connect("ws://localhost/dagster/graphql") as socket:
        for _ in range(3):
            socket.send_text(json.dumps({"type": "connection_init"}))
            assert socket.receive_text() == "taken"
        ends[how]()
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_text()
    assert caught.value.code == 1008


def test_what_is_served_is_stopped_with_its_session(monkeypatch):
    """The application is cancelled and waited for, and a begun answer is ended."""
    monkeypatch.setattr(lasting, "LOOK_SECONDS", 0.01)
    sent, ended = [], []

    async def app(scope, receive, send):
        del scope, receive
        await send({"type": "http.response.start", "status": 200})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    answers = iter([True, True, False])
    asyncio.run(
        lasting.while_allowed(
            app, {"type": "http"}, receive, send, is_allowed=lambda: next(answers)
        )
    )
    assert ended == [True]
    assert sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]
