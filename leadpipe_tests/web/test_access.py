"""Who sees what: logging in, forms, names, headers, and files with secrets."""

import re
import stat

import pytest
from pydantic import SecretStr

from leadpipe.errors import ConfigurationError
from leadpipe.web.access import WrongSecrets
from leadpipe.web.kept import kept_secret
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import TOKEN

PAGE = "/admin/sync"


def csrf_of(answer):
    """The token in a page's form."""
    found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


def log_in(client, token=TOKEN, path="/login"):
    """Fill in the form."""
    form = client.get(path)
    return client.post(path, data={"csrf": csrf_of(form), "token": token}, follow_redirects=False)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PAGE, 303),
        ("/", 303),
        (f"{PAGE}/runs/run-1", 303),
        ("/api/sync", 200),
        ("/healthz", 200),
        ("/api/webhooks/posthog", 200),
    ],
)
def test_pages_want_a_login_and_health_checks_do_not(client, path, status):
    """Pages send people to the login, their APIs refuse; health and status are for monitors."""
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code == status
    if status == 303:
        assert answer.headers["location"] == f"/login?next={path}"


def test_a_button_pressed_after_the_session_ended_leads_to_the_login(client):
    """A person's browser goes to the login page, a script reads that it must."""
    pressed = client.post(PAGE, follow_redirects=False)
    assert (pressed.status_code, pressed.headers["location"]) == (303, f"/login?next={PAGE}")
    asked = client.post(PAGE, headers={"Accept": "application/json"}, follow_redirects=False)
    assert (asked.status_code, asked.json()) == (401, {"error": "log in at /login first"})


def test_logging_in_opens_the_pages_and_logging_out_closes_them(client):
    """The token opens the page that was asked for; the session ends when one says so."""
    answer = log_in(client, path="/login?next=/admin/sync")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    page = client.get(PAGE)
    assert page.status_code == 200
    client.post("/logout", data={"csrf": csrf_of(page)})
    assert client.get(PAGE, follow_redirects=False).status_code == 303


def test_a_wrong_token_is_told_and_then_slowed_down(client):
    """401, after five of them 429; the page never shows what was typed."""
    answers = [log_in(client, "guess-17") for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3
    assert "guess-17" not in answers[0].text
    assert client.get(PAGE, follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", ""]
)
def test_a_login_leads_nowhere_else(client, target):
    """After the login one is on a page of leadpipe, whatever the address said."""
    assert log_in(client, path=f"/login?next={target}").headers["location"] == "/"


def test_a_form_without_its_token_does_nothing(start):
    """Without the session's token, or with another's, the button is not pressed."""
    dagster = FakeDagster(tick=[{}], job="sync")
    client = start(dagster=dagster)
    page = client.get(PAGE)
    form = {"job": "sync", "csrf": csrf_of(page)}
    for data in ({"job": "sync"}, form | {"csrf": ""}, form | {"csrf": "guess"}):
        assert client.post(PAGE, data=data).status_code == 403
    other = start(dagster=dagster)
    assert other.post(PAGE, data=form).status_code == 403
    assert dagster.launched == []
    answer = client.post(PAGE, data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?run=run-1")


def test_the_session_cookie_is_for_this_site_and_not_for_scripts(client):
    """Strict, HttpOnly, over https only where there is https, and signed: a changed one is worth nothing."""
    cookie = log_in(client).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    client.cookies.clear()
    client.base_url = "https://localhost"
    cookie = log_in(client).headers["set-cookie"]
    assert cookie.startswith("__Host-leadpipe=")
    assert cookie.endswith("; path=/; Max-Age=43200; httponly; samesite=strict; secure")
    client.base_url = "http://localhost"
    client.cookies.clear()
    client.cookies.set("leadpipe", "eyJpc19sb2dnZWRfaW4iOiB0cnVlfQ==.aSBhbQ.forged")
    assert client.get(PAGE, follow_redirects=False).status_code == 303


def test_every_answer_has_secure_headers(client):
    """Pages, errors and JSON alike."""
    for path in ("/login", "/healthz", "/nothing", "/static/nothing.js"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in policy


def test_on_loopback_only_local_names_are_answered(start):
    """A name of another site that points to this machine gets nothing."""
    client = start()
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 403
    assert client.get("/healthz", headers={"Host": "testserver"}).status_code == 403
    assert client.get("/healthz", headers={"Host": "127.0.0.1:3002"}).status_code == 200
    public = start(is_public=True)
    assert public.get("/healthz", headers={"Host": "leads.example"}).status_code == 200


def test_outside_loopback_there_is_always_a_login(start, tmp_path):
    """Without a configured token one is made, kept for its owner alone, and used again."""
    client = start(is_public=True, client="203.0.113.7")
    file = tmp_path / "data" / "admin_token"
    assert client.get(PAGE, follow_redirects=False).status_code == 303
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    assert len(token) >= 32
    assert log_in(client, token).headers["location"] == "/"
    assert kept_secret(file) == token


def test_wrong_secrets_are_counted_for_a_minute_and_a_client():
    """Twenty a minute and client; then it waits; memory is bounded."""
    now = [0.0]
    wrong = WrongSecrets(clock=lambda: now[0])
    assert [wrong.note("a") for _ in range(21)] == [None] * 20 + [60.0]
    assert wrong.note("b") is None
    now[0] = 61.0
    assert wrong.note("a") is None
    for number in range(20_000):
        wrong.note(f"client-{number}")
    assert len(wrong._wrong) == 10_000


def test_no_secret_shows_in_a_repr(start, tmp_path):
    """Settings hold secrets as SecretStr."""
    client = start(
        posthog_webhook_secret=SecretStr("very-secret-of-the-webhook"), admin_token=SecretStr(TOKEN)
    )
    shown = repr(client.app.state.web)
    assert "very-secret" not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("field", "setting"),
    [
        ("posthog_webhook_secret", "POSTHOG_WEBHOOK_SECRET"),
        ("npa_webhook_secret", "NPA_WEBHOOK_SECRET"),
        ("leads_secret", "LEADPIPE_LEADS_SECRET"),
    ],
)
@pytest.mark.parametrize("secret", ["whsec_", "whsec_nonsense!", "whsec_abc", "whsec_===="])
def test_a_signing_secret_without_a_key_is_told_at_the_start(start, field, setting, secret):
    """Not at the first webhook; the message has the setting, not the secret."""
    with pytest.raises(ConfigurationError) as caught:
        start(**{field: SecretStr(secret)})
    assert str(caught.value) == (
        f"{setting} begins with whsec_ but no key in base64 follows. Copy the whole secret from where "
        "webhooks are configured, or choose one that begins with something else."
    )
