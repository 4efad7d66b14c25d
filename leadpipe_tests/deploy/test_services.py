"""The services of the compose file as processes: its commands, its environment, its mounts, its user."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from leadpipe_tests.dagster_ui.processes import wait_for
from leadpipe_tests.deploy.images import Image
from leadpipe_tests.deploy.services import Compose, composed, seconds
from leadpipe_tests.security.proxies import NAME, needed
from leadpipe_tests.web.fixtures import CRON_SECRET, SECRET, TOKEN

_SERVICES = ("page", "dagster", "daemon")
_SILENT_PORT = 9443
# Where the signal comes within a callback of Python's own, Python prints it, and Dagster ends as it should.
_NOT_RAISED = re.compile(
    r"Exception ignored in: .*?DagsterExecutionInterruptedError: *\n", re.DOTALL
)
_LOCAL = "{\n    admin off\n    local_certs\n    skip_install_trust\n}\n"
_TERMINATE = """
mutation ($id: String!) {
  terminateRun(runId: $id) { __typename ... on Error { message } ... on TerminateRunFailure { message } }
}"""
_STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


@pytest.fixture(scope="module")
def services(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Page, Dagster UI, daemon and proxy over an empty volume, each healthy by its own check."""
    settings = {
        "LEADPIPE_WEB_NAMES": NAME,
        "LEADPIPE_ADMIN_TOKEN": TOKEN,
        "POSTHOG_WEBHOOK_SECRET": SECRET,
        "CRON_SECRET": CRON_SECRET,
        "POSTHOG_API_KEY": "phx_0123456789012345678901234567890123456789012",
        "POSTHOG_PROJECT_ID": "1",
        "POSTHOG_BASE_URL": f"https://172.30.77.1:{_SILENT_PORT}",
    }
    with composed(image, tmp_path_factory.mktemp("services"), settings) as found:
        for name in ("page", "dagster"):
            found.start(name)
        for name in ("dagster", "page"):
            found.wait_until_healthy(name)
        found.start("daemon")
        proxy = found.start_proxy(needed("caddy"), before=_LOCAL)
        wait_for("the proxy", lambda: "serving initial config" in proxy.said or None, seconds=20)
        found.wait_until_healthy("daemon")
        yield found


def ask(services: Compose, method: str, url: str, **options: object) -> httpx.Response:
    """Ask as a program on the engine's host does."""
    with (
        services.network.inside(),
        httpx.Client(verify=False, trust_env=False, timeout=60) as client,
    ):
        return client.request(method, url, **options)  # type: ignore[arg-type]


def ask_dagster(services: Compose, query: str, **variables: object) -> dict[str, object]:
    """Ask the Dagster UI as the page does: by the name and the key that it has."""
    key = (services.volume("data") / "dagster_key").read_text().strip()
    answer = ask(
        services,
        "POST",
        f"http://{services.address('dagster')}:3000/dagster/graphql",
        json={"query": query, "variables": variables},
        headers={"Host": "dagster:3000", "Authorization": f"Bearer {key}"},
    ).json()
    assert "errors" not in answer, answer
    data: dict[str, object] = answer["data"]
    return data


def test_a_check_fails_where_nothing_lives(machine_clock, services):
    """What says healthy of a living service says unhealthy of a port on which nobody answers."""
    done = services.running["page"].exec("healthcheck", "3999")
    assert (done.returncode, "port 3999" in done.stderr) == (1, True)


def test_they_run_without_rights(machine_clock, services):
    """As user 10001, without capabilities, and with no way to get some; the volume is the owner's alone."""
    for name in _SERVICES:
        status = Path(f"/proc/{services.running[name].first}/status").read_text()
        assert re.search(r"^Uid:\t10001\t10001\t10001\t10001$", status, re.MULTILINE), status
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE), status
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE), status
    data = services.volume("data")
    wide = [
        path
        for path in (data, *data.rglob("*"))
        if path.lstat().st_mode & 0o077 and not path.is_symlink()
    ]
    assert wide == []


def test_nothing_is_written_beside_the_volume(machine_clock, services):
    """The root file system is read-only, and no program wanted to write there."""
    for name in _SERVICES:
        running = services.running[name]
        assert running.exec("touch", "/srv/leadpipe/x").returncode == 1
        assert running.exec("touch", "/opt/leadpipe/x").returncode == 1
        assert re.findall(r"Read-only file system|Permission denied", running.said) == []


def test_the_proxy_serves_page_login_and_dagster(machine_clock, services):
    """Over https under its name: the page wants a login, so does the Dagster UI; the webhook its secret."""
    address = services.address("proxy")

    def through(
        method: str, path: str, headers: Mapping[str, str] | None = None, **options: object
    ) -> httpx.Response:
        own = {"Host": NAME, **(headers or {})}
        named = {"sni_hostname": NAME}
        return ask(
            services, method, f"https://{address}{path}", extensions=named, headers=own, **options
        )

    assert through("GET", "/admin/sync").headers["location"].startswith("/login")
    page = {"Accept": "text/html"}
    assert through("GET", "/dagster/runs", headers=page).headers["location"].startswith("/login")
    assert through("POST", "/api/webhooks/posthog", json={}).status_code == 401
    right = {"Authorization": f"Bearer {SECRET}"}
    event = {
        "uuid": "0199f6f0-0000-7000-8000-000000000001", "event": "$pageview", "distinct_id": "p",
        "timestamp": "2026-01-01T00:00:00Z", "properties": {},
    }  # fmt: skip
    answer = through("POST", "/api/webhooks/posthog", json={"event": event}, headers=right)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text


def test_only_the_proxy_is_believed(machine_clock, services):
    """Who comes to the page past the proxy chooses neither address nor scheme."""
    answer = ask(
        services, "GET", f"http://{services.address('page')}:3002/login",
        headers={"Host": NAME, "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"},
    )  # fmt: skip
    assert "secure" not in answer.headers["set-cookie"]


def test_a_run_is_started_by_the_page_and_cancelled_in_the_ui(machine_clock, services):
    """Page, UI and daemon are three containers, and still one: the UI reaches a run of the daemon."""
    with services.network.inside(), socket.create_server(("172.30.77.1", _SILENT_PORT)):
        started = ask(
            services,
            "POST",
            f"http://{services.address('page')}:3002/api/cron/analytics?wait=1",
            headers={"Host": NAME, "Authorization": f"Bearer {CRON_SECRET}"},
        )
        assert started.status_code == 202, started.text
        run_id = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", json.dumps(started.json()))
        assert run_id is not None, started.text

        def status() -> str:
            found = ask_dagster(services, _STATUS, id=run_id[0])["runOrError"]
            return str(found["status"])  # type: ignore[index]

        wait_for("a started run", lambda: status() == "STARTED" or None, seconds=60, every=0.5)
        answer = ask_dagster(services, _TERMINATE, id=run_id[0])["terminateRun"]
        assert answer == {"__typename": "TerminateRunSuccess"}, answer
        # Reached it was; how soon a run ends that waits for PostHog is its own matter.
        assert status() in {"CANCELING", "CANCELED"}


def test_they_end_at_once_when_told_to(machine_clock, services):
    """SIGTERM to the first process ends each before an engine would kill it, with 0 and no traceback."""
    for name in _SERVICES:
        os.kill(services.running[name].first, signal.SIGTERM)
    for name in _SERVICES:
        patience = seconds(services.whole["services"][name]["stop_grace_period"])
        assert services.running[name].process.wait(patience) == 0, services.running[name].said
        said = _NOT_RAISED.sub("", services.running[name].said)
        assert "Traceback" not in said, said
