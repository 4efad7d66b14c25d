"""Rows 9 and 10: guessing is slow, secrets are long, sessions end, and it is known who did what."""

import re

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

import leadpipe.cli
from leadpipe.errors import ConfigurationError
from leadpipe.web.access import LoginBrake
from leadpipe_tests.web.fake_dagster import FakeDagster
from leadpipe_tests.web.fixtures import CRON_SECRET, TOKEN

PAGE = "/admin/sync"


def csrf(client, path="/login"):
    """The token of a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def log_in(client, token=TOKEN):
    """Give a token; the answer's status."""
    data = {"csrf": csrf(client), "token": token}
    return client.post("/login", data=data, follow_redirects=False).status_code


def seen(client):
    """Whether the page is shown."""
    return client.get(PAGE, follow_redirects=False).status_code == 200


def acts():
    """What `leadpipe access` says was done, the latest first."""
    result = CliRunner().invoke(
        leadpipe.cli.main, ["access", "--csv"], env={"LEADPIPE_DATA_DIR": "data"}
    )
    return [line.split(",", 1)[1] for line in result.output.splitlines()[1:]]


@pytest.fixture
def public(start):
    """A public application with all that a person can do."""
    return start(
        is_public=True, client="203.0.113.7", admin_token=SecretStr(TOKEN), dagster=FakeDagster()
    )


def test_after_wrong_tokens_the_right_one_has_to_wait(public):
    """Sixty wrong ones and then the right one: nothing that is typed meanwhile is looked at."""
    assert {log_in(public, "guess") for _ in range(60)} == {401, 429}
    assert log_in(public) == 429
    assert not seen(public)


def test_the_wait_doubles_up_to_a_minute():
    """A minute has one guess then, whoever asks how often; another address has its own count."""
    now = [0.0]
    brake = LoginBrake(clock=lambda: now[0])
    waits = []
    for _ in range(14):
        now[0] += brake.seconds_left("203.0.113.7")
        brake.note_wrong("203.0.113.7")
        waits.append(brake.seconds_left("203.0.113.7"))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert brake.seconds_left("203.0.113.8") == 0
    now[0] += 3_600
    brake.note_wrong("203.0.113.7")
    assert brake.seconds_left("203.0.113.7") == 0


def test_a_household_of_ipv6_is_one_client():
    """Its 2^64 addresses share a count."""
    brake = LoginBrake(clock=lambda: 0.0)
    for number in range(8):
        brake.note_wrong(f"2001:db8::{number:x}")
    assert brake.seconds_left("2001:db8::ffff") > 0
    assert brake.seconds_left("2001:db8:0:1::1") == 0
    for number in range(20_000):
        brake.note_wrong(f"client-{number}")
    assert len(brake._wrong) == 10_000


@pytest.mark.parametrize(
    ("field", "setting"),
    [
        ("admin_token", "LEADPIPE_ADMIN_TOKEN"),
        ("cron_secret", "CRON_SECRET"),
        ("posthog_webhook_secret", "POSTHOG_WEBHOOK_SECRET"),
        ("leads_secret", "LEADPIPE_LEADS_SECRET"),
        ("npa_webhook_secret", "NPA_WEBHOOK_SECRET"),
    ],
)
@pytest.mark.parametrize("secret", ["x", "a" * 19, f"{'a' * 19} "])
def test_a_short_secret_is_refused_at_the_start(start, field, setting, secret):
    """With the setting and the next step, never with the secret."""
    with pytest.raises(ConfigurationError, match=f"^{setting} ") as caught:
        start(**{field: SecretStr(secret)})
    assert "`leadpipe webhook secret`" in str(caught.value)
    assert "a" * 19 not in str(caught.value)


def test_a_copied_cookie_ends_with_the_logout(public):
    """Who has copied it is out as well."""
    log_in(public)
    copied = dict(public.cookies)
    assert seen(public)
    public.post("/logout", data={"csrf": csrf(public, PAGE)})
    public.cookies.clear()
    public.cookies.update(copied)
    assert not seen(public)


def test_a_cookie_ends_with_another_token(start, tmp_path):
    """Also where the key it was signed with is the same."""
    first = start(is_public=True, admin_token=SecretStr(TOKEN), dagster=FakeDagster())
    log_in(first)
    assert seen(first)
    second = start(is_public=True, admin_token=SecretStr(TOKEN[::-1]), dagster=FakeDagster())
    second.cookies.update(dict(first.cookies))
    assert not seen(second)
    third = start(is_public=True, admin_token=SecretStr(TOKEN), dagster=FakeDagster())
    third.cookies.update(dict(first.cookies))
    assert seen(third)


def test_all_sessions_can_be_ended(public):
    """`leadpipe access end` has everybody log in again."""
    log_in(public)
    env = {"LEADPIPE_DATA_DIR": "data", "COLUMNS": "200"}
    ended = CliRunner().invoke(leadpipe.cli.main, ["access", "end"], env=env)
    assert ended.output == "1 sessions ended\n"
    assert not seen(public)


def test_it_is_known_who_did_what(public):
    """Wrong tokens, logins, launches, reveals, retries and logouts, each with session and address."""
    log_in(public, "guess")
    log_in(public)
    public.post(PAGE, data={"csrf": csrf(public, PAGE), "job": "visitors"})
    public.get("/admin/delivery?reveal=1")
    public.post("/admin/delivery/retry", data={"csrf": csrf(public, PAGE), "id": "7"})
    public.post("/logout", data={"csrf": csrf(public, PAGE)})
    [out, retried, revealed, launched, in_, wrong] = acts()
    name = out.split(" ")[1]
    who = f"session {name} at 203.0.113.7"
    assert [out, retried, revealed, launched, in_] == [
        f"{who},logged out",
        f"{who},retried lead 7",
        f"{who},revealed the personal data of failed leads",
        f"{who},started visitors: run-1",
        f"{who},logged in",
    ]
    assert wrong == "203.0.113.7 without a login,gave a wrong token"


def test_status_is_for_who_may_see_it(start):
    """In public mode /api/sync wants the login or CRON_SECRET; without either it is closed."""
    closed = start(is_public=True)
    assert closed.get("/api/sync").status_code == 403
    open_to_cron = start(is_public=True, cron_secret=SecretStr(CRON_SECRET))
    assert open_to_cron.get("/api/sync").status_code == 401
    right = {"Authorization": f"Bearer {CRON_SECRET}"}
    assert open_to_cron.get("/api/sync", headers=right).status_code == 200
