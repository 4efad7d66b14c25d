"""Accounts: passwords, roles, and sessions that end with them; what an attacker with one of them tries."""

import asyncio
import json
import re
import sqlite3
import stat

import argon2
import httpx
import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from starlette.routing import Route
from starlette.testclient import TestClient

import leadpipe.cli
from leadpipe.errors import ConfigurationError
from leadpipe.web import passwords, people
from leadpipe.web.access import LoginTurns, NamesBrake
from leadpipe.web.answers import Refusal
from leadpipe.web.app import _closed
from leadpipe.web.login_file import opened
from leadpipe.web.roles import Role
from leadpipe_tests.clocks import NOW
from leadpipe_tests.security.accounts import (
    PASSWORD,
    csrf_of,
    log_in,
    logins_of,
    status_of,
    with_people,
)
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import TOKEN, web_settings
from leadpipe_tests.web.page_process import serving

PAGE = "/admin/sync"
DELIVERY = "/admin/delivery"
ACCESS = "/admin/access"


pytestmark = pytest.mark.usefixtures("light_hashes")


@pytest.fixture
def logins(tmp_path):
    """A viewer, a worker and an operator."""
    return with_people(tmp_path)


@pytest.fixture
def public(start, logins):
    """A public application of theirs, whose brakes' time stands still; each call another browser."""
    dagster = FakeDagster()
    app = start(is_public=True, admin_token=SecretStr(TOKEN), dagster=dagster).app
    app.state.web.brake._clock = app.state.web.names_brake._brake._clock = lambda: 0.0

    def browser(name=None, client="203.0.113.7"):
        opened_one = TestClient(app, client=(client, 50_000), base_url="http://localhost")
        if name:
            assert log_in(opened_one, name).status_code == 303
        return opened_one

    browser.dagster = dagster  # type: ignore[attr-defined]
    return browser


def cli(*arguments, typed=""):
    """What `leadpipe access …` prints and ends with."""
    env = {"LEADPIPE_DATA_DIR": "data", "COLUMNS": "200"}
    result = CliRunner().invoke(leadpipe.cli.main, ["access", *arguments], env=env, input=typed)
    return result.output, result.exit_code


def test_each_role_does_what_it_may_and_no_more(public):
    """By reading and by every form there is; the same for pages and for scripts."""
    forms = {
        PAGE: {"job": "visitors"},
        f"{DELIVERY}/retry": {"id": "7"},
        f"{DELIVERY}/settle": {"id": "7", "decision": "give_up", "why": "asked"},
        f"{ACCESS}/end": {"session": "nobody's"},
    }
    seen = {}
    for name in ("vera", "walt", "olga"):
        client = public(name)
        csrf = csrf_of(client.get(PAGE))
        seen[name] = (
            [status_of(client, path) for path in (PAGE, DELIVERY, f"{DELIVERY}?reveal=1", ACCESS)],
            [
                client.post(path, data=data | {"csrf": csrf}, follow_redirects=False).status_code
                for path, data in forms.items()
            ],
        )
    assert seen == {
        "vera": ([200, 200, 403, 403], [403, 403, 403, 403]),
        "walt": ([200, 200, 200, 403], [403, 503, 503, 403]),
        "olga": ([200, 200, 200, 200], [303, 503, 503, 404]),
    }
    assert len(public.dagster.launched) == 1


def test_a_refused_act_does_nothing_whatever_way_it_is_sent(public):
    """By another method, with a header that overrides it, as a script, or with a revealing address."""
    client = public("vera")
    csrf = csrf_of(client.get(PAGE))
    data = {"csrf": csrf, "job": "visitors"}
    for headers in ({}, {"Accept": "application/json"}, {"X-HTTP-Method-Override": "GET"}):
        assert client.post(PAGE, data=data, headers=headers).status_code == 403
    for method in ("PUT", "PATCH", "DELETE", "get", "HEAD"):
        assert client.request(method, f"{DELIVERY}/retry?id=7&csrf={csrf}").status_code == 405
    for path in (f"{DELIVERY}?reveal=0&reveal=1", f"{DELIVERY}/retry?reveal=1"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code in {403, 405}
    script = client.post(PAGE, data=data, headers={"Accept": "application/json"})
    assert script.json() == {
        "error": "this needs the role operator, and your role is viewer. Somebody with the role operator "
        "can give it"
    }
    assert public.dagster.launched == []


def test_the_refusal_names_the_role_and_who_gives_it(public):
    """A person reads which role it is, who may give it, and the command."""
    page = public("vera").get(f"{DELIVERY}?reveal=1")
    text = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert page.status_code == 403
    assert "This needs the role worker" in text
    assert "You are logged in as vera with the role viewer." in text
    assert "The role is given by olga, or by whoever runs leadpipe" in text
    assert "leadpipe access role vera worker" in text


def test_buttons_that_a_role_may_not_press_are_not_shown(public):
    """Nor links that reveal, nor the page of accesses."""
    shown = {}
    for name in ("vera", "walt", "olga"):
        client = public(name)
        text = client.get(PAGE).text
        shown[name] = ('name="job"' in text, f'href="{ACCESS}"' in text, "Log out" in text)
    assert shown == {
        "vera": (False, False, True),
        "walt": (False, False, True),
        "olga": (True, True, True),
    }


def test_a_route_that_says_nothing_of_people_is_the_operators(public):
    """What a domain forgets to guard is closed, not open; programs' paths have secrets of their own."""

    async def forgotten(request):
        raise AssertionError("it was reached")

    programs = Route("/api/new", forgotten)
    assert _closed(programs) is programs
    public().app.router.routes.insert(0, _closed(Route("/admin/new", forgotten)))
    assert status_of(public(), "/admin/new") == 303
    assert status_of(public("walt"), "/admin/new") == 403


def test_every_page_of_people_wants_a_login(public):
    """Each path of the application, asked for by a stranger, is a login, a program's, or files."""
    stranger = public()
    open_paths = {
        route.path
        for route in stranger.app.routes
        if isinstance(route, Route)
        and "GET" in (route.methods or ())
        and stranger.get(re.sub(r"\{[^}]+\}", "x", route.path), follow_redirects=False).status_code
        in {200, 202}
    }
    assert open_paths <= {
        "/healthz",
        "/readyz",
        "/login",
        "/api/webhooks/posthog",
        "/api/webhooks/posthog/",
    }


def test_a_login_takes_no_session_from_before(public):
    """A cookie that somebody planted is worth nothing afterwards, nor is the form's token in it."""
    planted = public()
    before = csrf_of(planted.get("/login"))
    victim = public()
    victim.cookies.jar.set_cookie(next(iter(planted.cookies.jar)))
    assert csrf_of(victim.get("/login")) == before
    assert log_in(victim, "olga").status_code == 303
    assert [one.value for one in victim.cookies.jar] != [one.value for one in planted.cookies.jar]
    assert csrf_of(victim.get(PAGE)) != before
    assert status_of(planted) == 303


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        (("role", "olga", "viewer"), ""),
        (("password", "olga"), "another password of words\n"),
        (("remove", "olga"), ""),
        (("end", "olga"), ""),
        (("end",), ""),
    ],
)
def test_sessions_end_with_what_they_were_begun_with(public, command, typed):
    """Another role, another password, a removed account: the cookie opens nothing, and others' still do."""
    olga, walt = public("olga"), public("walt")
    output, status = cli(*command, typed=typed)
    assert status == 0, output
    assert status_of(olga) == 303
    assert status_of(walt) == (303 if command == ("end",) else 200)


def test_a_removed_account_that_comes_again_has_no_old_sessions(public, logins):
    """Not even if a row of a session was left behind."""
    client = public("walt")
    with opened(logins.path) as connection:
        connection.execute("DELETE FROM people WHERE name = 'walt'")
    assert status_of(client) == 303
    assert [one.person for one in logins.sessions(now=NOW)] == []


def test_a_password_that_changes_during_a_login_begins_no_session(logins):
    """Between the comparison and the session it is looked at once more."""
    verified = logins.people.verify("walt", PASSWORD)
    assert verified is not None
    logins.people.set_password("walt", "another password of words")
    assert logins.begin(None, address="a", now=NOW, person=verified) is None
    assert logins.sessions(now=NOW) == []


def test_the_cookie_of_one_account_opens_nothing_of_another(public):
    """A signed cookie cannot be edited, and its id says whose it is."""
    viewer, operator = public("vera"), public("olga")
    assert status_of(viewer, ACCESS) == 403
    mine, others = viewer.cookies["leadpipe"], operator.cookies["leadpipe"]
    viewer.cookies.clear()
    viewer.cookies.set("leadpipe", f"{others.split('.')[0]}.{mine.split('.', 1)[1]}")
    assert status_of(viewer, ACCESS) == 303


def test_nothing_tells_whether_a_name_has_an_account(public, monkeypatch):
    """The same answer after the same work: each is compared with one hash of the same parameters."""
    compared = []
    verify = argon2.PasswordHasher.verify

    def noted(self, kept, password):
        compared.append(argon2.extract_parameters(kept))
        return verify(self, kept, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", noted)
    answers = []
    for name in ("olga", "nobody", "OLGA ", "x' OR 1=1 --", "é"):
        client = public()
        answer = log_in(client, name, "a wrong password of words")
        answers.append((answer.status_code, re.sub(r'value="[^"]+"', "", answer.text)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401
    assert "That is not the name and its password." in answers[0][1]
    assert len(compared) == 5
    assert len(set(map(str, compared))) == 1


def test_a_viewer_does_not_learn_names_from_the_login(public):
    """Neither does a stranger: the form is the same whatever was typed."""
    text = public().get("/login").text
    assert not {"vera", "walt", "olga"} & set(re.findall(r"\w+", text))


def test_guessing_a_password_is_slow_from_one_address_and_from_many(public):
    """After five guesses an address waits, and a name everywhere but where its owner logged in before."""
    public("walt", client="198.51.100.1")
    one = public(client="198.51.100.2")
    assert [log_in(one, "walt", "guess").status_code for _ in range(8)] == [401] * 5 + [429] * 3
    assert log_in(one, "walt").status_code == 429
    assert log_in(public(client="198.51.100.3"), "walt").status_code == 429
    assert log_in(public(client="198.51.100.3"), "vera").status_code == 303
    assert log_in(public(client="198.51.100.1"), "walt").status_code == 303


def test_a_names_brake_locks_nobody_out_of_where_they_were():
    """Others' guesses slow down others; the count of names is bounded."""
    now = [0.0]
    brake = NamesBrake(clock=lambda: now[0])
    brake.note_wrong("olga")
    brake.note_right("198.51.100.1", "olga")
    for _ in range(40):
        brake.note_wrong("olga")
    assert brake.seconds_left("198.51.100.1", "olga") == 0
    assert brake.seconds_left("203.0.113.9", "olga") == 60
    assert brake.seconds_left("203.0.113.9", "walt") == 0
    assert brake.seconds_left("203.0.113.9", "") == 0
    for number in range(20_000):
        brake.note_right(f"client-{number}", "olga")
    assert len(brake._right) == 10_000


def test_a_right_password_does_not_take_back_the_guesses_at_others(public):
    """Who has an account cannot guess another's with their own logins between."""
    client = public()
    answers = []
    for _ in range(6):
        answers.append(log_in(client, "walt", "guess").status_code)
        client.cookies.clear()
        answers.append(log_in(client, "vera").status_code)
        client.cookies.clear()
    assert answers[-1] == answers[-2] == 429


def test_a_password_is_kept_as_argon2_and_made_anew_when_that_is_outdated(logins, monkeypatch):
    """argon2id, in a file of its owner's; a weaker one is replaced at the next login."""
    assert stat.S_IMODE(logins.path.stat().st_mode) == 0o600

    def kept():
        with sqlite3.connect(logins.path) as connection:
            row = connection.execute("SELECT password FROM people WHERE name = 'walt'").fetchone()
        return row[0]

    before = kept()  # by the tests' light parameters
    monkeypatch.undo()
    assert before.startswith("$argon2id$v=19$m=64,")
    assert logins.people.verify("walt", "wrong") is None
    assert kept() == before
    assert logins.people.verify("walt", PASSWORD) is not None
    assert "m=65536,t=3,p=4" in kept()
    assert logins.people.verify("walt", PASSWORD) is not None
    assert PASSWORD.encode() not in logins.path.read_bytes()


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "A password has 12 characters at least; this one has 0."),
        ("eleven_char", "A password has 12 characters at least; this one has 11."),
        ("x" * 1_001, "A password has 1000 characters at most."),
    ],
)
def test_a_password_of_the_wrong_length_is_refused(logins, password, said):
    """With a line that never has the password."""
    with pytest.raises(ConfigurationError) as caught:
        logins.people.set_password("walt", password)
    assert str(caught.value).startswith(said)
    assert not password or password not in str(caught.value)
    assert passwords.is_right(None, password) is False


@pytest.mark.parametrize(
    "name", ["", " ", "-x", "a b", "a/b", "<b>", "\u212a", "é", "a\x1b[2J", "x" * 101]
)
def test_a_name_is_letters_that_nobody_mistakes(logins, name):
    """No letter that looks like, or is lowered to, another; no blank, sign or control character."""
    with pytest.raises(ConfigurationError, match="is no name for an account"):
        people.checked_name(name)
    with pytest.raises(ConfigurationError):
        logins.people.add(name, Role.VIEWER, PASSWORD, now=NOW)


def test_the_token_still_opens_everything(public):
    """Break glass: whoever has it operates, beside the accounts."""
    client = public()
    data = {"csrf": csrf_of(client.get("/login")), "token": TOKEN}
    assert client.post("/login", data=data, follow_redirects=False).status_code == 303
    assert status_of(client, ACCESS) == 200


def test_an_open_page_is_closed_by_its_first_account(start, tmp_path):
    """From the moment there is one, also for those who have the page open."""
    client = start(dagster=FakeDagster())
    assert status_of(client) == 200
    logins_of(tmp_path).people.add("olga", Role.OPERATOR, PASSWORD, now=NOW)
    assert status_of(client) == 303
    assert client.get("/api/visitors/live").status_code == 401
    assert log_in(client, "olga").status_code == 303
    assert status_of(client) == 200
    data = {"csrf": csrf_of(client.get(PAGE)), "token": ""}
    client.cookies.clear()
    data["csrf"] = csrf_of(client.get("/login"))
    assert client.post("/login", data=data).status_code == 401


def test_who_did_what_is_kept_by_person(public, logins):
    """Logins, launches, reveals, decisions and wrong passwords, by the account's name."""
    log_in(public(), "walt", "a wrong password of words")
    log_in(public(), "my secret password", "oops")
    olga = public("olga")
    olga.post(PAGE, data={"csrf": csrf_of(olga.get(PAGE)), "job": "visitors"})
    walt = public("walt")
    walt.get(f"{DELIVERY}?reveal=1")
    acts = [(act.person, act.what) for act in logins.acts(limit=10)][::-1]
    assert acts == [
        (None, "gave a wrong password for walt"),
        (None, "gave a name that has no account"),
        ("olga", "logged in"),
        ("olga", "started visitors: run-1"),
        ("walt", "logged in"),
        ("walt", "revealed the personal data of failed leads"),
    ]
    [session] = [one for one in logins.sessions(now=NOW) if one.person == "walt"]
    assert logins.acts(limit=1)[0].who == f"walt (session {session.name}) at 203.0.113.7"
    assert public.dagster.launched[0]["executionMetadata"]["tags"][-1] == {
        "key": "leadpipe/person",
        "value": "olga",
    }
    output, _ = cli("acts", "--person", "OLGA", "--json")
    assert [act["what"] for act in json.loads(output)] == ["started visitors: run-1", "logged in"]


def test_operators_see_who_has_access_and_end_sessions(public, logins):
    """People, sessions with whose they are, and acts; one button ends one session."""
    olga, walt = public("olga"), public("walt")
    page = olga.get(ACCESS).text
    for text in ("vera", "viewer", "walt", "worker", "logged in", "203.0.113.7", ">you<"):
        assert text in page
    name = next(one.name for one in logins.sessions(now=NOW) if one.person == "walt")
    data = {"csrf": csrf_of(olga.get(ACCESS)), "session": name}
    assert olga.post(f"{ACCESS}/end", data={"session": name}).status_code == 403
    assert status_of(walt) == 200
    assert olga.post(f"{ACCESS}/end", data=data, follow_redirects=False).status_code == 303
    assert (status_of(walt), status_of(olga)) == (303, 200)
    assert olga.post(f"{ACCESS}/end", data=data).status_code == 404
    assert logins.acts(limit=1)[0].what == f"ended the session {name} of walt"


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add", "walt", "--role", "viewer"), "x", "walt has an account already."),
        (("add", "a b", "--role", "viewer"), "x", "'a b' is no name for an account"),
        (("add", "new", "--role", "viewer"), "short\n", "A password has 12 characters at least"),
        (("add", "new", "--role", "viewer"), "", "A password has 12 characters at least"),
        (
            ("role", "nobody", "viewer"),
            "",
            "Nobody is called 'nobody' here. Accounts: olga, vera, walt.",
        ),
        (("password", "nobody"), "x", "Nobody is called 'nobody' here."),
        (("remove", "nobody"), "", "Nobody is called 'nobody' here."),
        (("end", "nobody"), "", "No session is called 'nobody'"),
    ],
)
@pytest.mark.usefixtures("logins")
def test_bad_input_of_the_commands_is_one_line(arguments, typed, said):
    """It names the thing and the next step, and changes nothing."""
    output, status = cli(*arguments, typed=typed)
    assert status == 1
    assert len(output.splitlines()) == 1
    assert said in output
    rows, _ = cli("list", "--csv")
    assert [line.split(",")[:2] for line in rows.splitlines()[1:]] == [
        ["olga", "operator"],
        ["vera", "viewer"],
        ["walt", "worker"],
    ]


@pytest.mark.usefixtures("tmp_path")
def test_accounts_are_given_and_taken_by_commands(public, logins):
    """The password comes by stdin, and the acts have who ran the command."""
    output, status = cli("add", "New@Example.org", "--role", "viewer", typed=f"{PASSWORD}\n")
    assert (output, status) == ("new@example.org has an account as viewer\n", 0)
    assert status_of(public("new@example.org")) == 200
    assert cli("role", "new@example.org", "worker")[0] == (
        "new@example.org has the role worker; 1 sessions ended\n"
    )
    assert logins.acts(limit=1)[0].who.endswith(" on the command line")
    assert cli("remove", "new@example.org")[1] == 0
    assert log_in(public(), "new@example.org").status_code == 401


def test_an_account_of_a_sign_on_has_no_password(public, logins):
    """Nothing that is typed opens it."""
    logins.people.add("sam", Role.OPERATOR, None, now=NOW)
    for password in ("", PASSWORD, "None"):
        assert log_in(public(), "sam", password).status_code == 401


def test_a_login_file_of_an_earlier_leadpipe_is_taken_over(tmp_path):
    """Its acts stay, its sessions end; the earlier one can write to it again."""
    path = tmp_path / "data" / "logins.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.executescript("""
            CREATE TABLE sessions (id TEXT PRIMARY KEY, name TEXT NOT NULL, address TEXT NOT NULL,
                token TEXT NOT NULL, started_at TEXT NOT NULL, ends_at TEXT NOT NULL);
            CREATE TABLE acts (number INTEGER PRIMARY KEY AUTOINCREMENT, done_at TEXT NOT NULL,
                who TEXT NOT NULL, what TEXT NOT NULL);
            INSERT INTO acts (done_at, who, what) VALUES ('2026-11-01T00:00:00+00:00', 'a', 'logged in');
            INSERT INTO sessions VALUES ('i', 'n', 'a', 't', '2026-11-01', '2099-01-01');
        """)
    logins = with_people(tmp_path)
    assert [act.what for act in logins.acts(limit=9)] == ["logged in"]
    assert logins.sessions(now=NOW) == []
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO acts (done_at, who, what) VALUES ('2026-11-02', 'b', 'c')")
    assert len(logins.acts(limit=9)) == 2


def test_few_passwords_are_compared_at_once():
    """Two at a time, some wait, and more are told to come again; others of the page go on."""

    async def crowd():
        turns, most, now = LoginTurns(), 0, 0

        async def one():
            nonlocal most, now
            async with turns.turn():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1

        results = await asyncio.gather(*(one() for _ in range(40)), return_exceptions=True)
        refused = [result.status for result in results if isinstance(result, Refusal)]
        await one()
        return most, refused

    assert asyncio.run(crowd()) == (2, [503] * 10)


def test_accounts_are_in_a_backup(tmp_path):
    """Without them people would need new ones after a restore."""
    assert logins_of(tmp_path).path in web_settings(tmp_path).kept_files()


def test_an_open_stream_ends_with_the_session(logins, tmp_path):
    """The live count of a real page: it goes on while the session does, and ends within seconds of it."""
    with (
        serving(tmp_path, LEADPIPE_ADMIN_TOKEN=TOKEN) as (_, url),
        httpx.Client(base_url=url, trust_env=False, timeout=120) as client,
    ):
        assert log_in(client, "vera").status_code == 303
        with client.stream("GET", "/api/visitors/stream") as answer:
            parts = answer.iter_text()
            assert "data:" in next(parts)
            assert logins.end_named("vera") == 1
            for _ in range(10):  # what was on its way
                if next(parts, None) is None:
                    break
            else:
                raise AssertionError("the stream goes on")
        assert client.get("/api/visitors/stream").status_code == 401
