"""docs/deploy.md on a fresh machine: only its lines are typed, and there is a server; upgraded, and back."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import httpx
import pytest

from leadpipe_tests.dagster_ui.processes import wait_for
from leadpipe_tests.deploy.containers import why_not
from leadpipe_tests.deploy.machines import Machine, machine, typed_lines
from leadpipe_tests.installed import copy_sources
from leadpipe_tests.release.make import build
from leadpipe_tests.security.accounts import log_in as account_log_in
from leadpipe_tests.security.proxies import NAME
from leadpipe_tests.warehouse.old_warehouse import all_rows, make_old_warehouse
from leadpipe_tests.web.fixtures import CRON_SECRET, SECRET, TOKEN
from posthog_sandbox.process import SandboxProcess

METRICS_SECRET = "s3cret-of-prometheus-alone"
_SETTINGS = {
    "LEADPIPE_WEB_NAMES": NAME,
    "LEADPIPE_ADMIN_TOKEN": TOKEN,
    "POSTHOG_WEBHOOK_SECRET": SECRET,
    "CRON_SECRET": CRON_SECRET,
    "LEADPIPE_METRICS_SECRET": METRICS_SECRET,
}
_SERVICES = ("leadpipe-web", "leadpipe-ui", "leadpipe-daemon")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine after the first section of the page."""
    reason = why_not()
    if reason:
        pytest.skip(f"THE DOCUMENTED LINES ARE NOT TRIED: {reason}")
    folder = tmp_path_factory.mktemp("walk")
    build(copy_sources(folder), folder / "dist")
    (folder / "machine").mkdir()
    with machine(folder / "machine", with_downloads=False) as made, _posthog(made) as posthog:
        made.will_edit(
            _SETTINGS
            | {
                "POSTHOG_API_KEY": posthog.api_key,
                "POSTHOG_PROJECT_ID": posthog.project_id,
                "POSTHOG_BASE_URL": posthog.url,
            }
        )
        for file in (folder / "dist").iterdir():
            shutil.copy(file, made.path("/home"))
        for line in typed_lines("On Debian, as services"):
            made.type(line)
        made.start_nginx()
        with client(made) as web:
            wait_for("the page", lambda: answers(web, "/login"), seconds=60)
            wait_for("the Dagster UI", lambda: answers(web, "/dagster/healthz"), seconds=60)
        yield made


@contextmanager
def _posthog(server: Machine) -> Iterator[SandboxProcess]:
    """A PostHog that the machine reaches."""
    with server.network.inside():
        running = SandboxProcess.start()
        started = running.__enter__()
    try:
        yield started
    finally:
        with server.network.inside():
            running.__exit__(None, None, None)


class client:  # noqa: N801 - used as a function
    """A browser on another machine, which goes to the page's name."""

    def __init__(self, server: Machine) -> None:
        self._inside = server.network.inside()
        self._client = httpx.Client(
            base_url="https://172.30.78.1", headers={"Host": NAME}, verify=False, trust_env=False,
            timeout=60,
        )  # fmt: skip

    def __enter__(self) -> httpx.Client:
        self._inside.__enter__()
        return self._client.__enter__()

    def __exit__(self, *error: object) -> None:
        self._client.close()
        self._inside.__exit__(None, None, None)


def answers(web: httpx.Client, path: str) -> bool | None:
    """Whether there is an answer that the page gave."""
    try:
        return True if web.get(path).status_code in {200, 303, 401} else None
    except httpx.TransportError:
        return None


def log_in(web: httpx.Client) -> None:
    """Log in with the token."""
    form = re.search(r'name="csrf" value="([^"]+)"', web.get("/login").text)
    assert form is not None
    assert web.post("/login", data={"csrf": form[1], "token": TOKEN}).status_code == 303


def test_the_lines_make_a_server(machine_clock, server):
    """Page and Dagster UI behind one login over https, a webhook's event on disk, and a daemon that lives."""
    with client(server) as web:
        assert web.get("/admin/sync").headers["location"].startswith("/login")
        html = {"Accept": "text/html"}
        assert web.get("/dagster/runs", headers=html).headers["location"].startswith("/login")
        log_in(web)
        assert web.get("/admin/sync").status_code == 200
        question = {"query": "{ version }"}
        assert web.post("/dagster/graphql", json=question).json()["data"]["version"]
        event = {
            "uuid": "0199f6f0-0000-7000-8000-000000000001", "event": "$pageview", "distinct_id": "p",
            "timestamp": "2026-01-01T00:00:00Z", "properties": {},
        }  # fmt: skip
        secret = {"Authorization": f"Bearer {SECRET}"}
        answer = web.post("/api/webhooks/posthog", json={"event": event}, headers=secret)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
        assert web.get("/metrics").status_code == 401
        secret = {"Authorization": f"Bearer {METRICS_SECRET}"}
        assert "leadpipe_inbox_waiting_events 1.0" in web.get("/metrics", headers=secret).text
    with client(server) as web:
        assert account_log_in(web, "olga").status_code == 303
        assert web.get("/admin/access").status_code == 200
        assert web.post("/dagster/graphql", json=question).json()["data"]["version"]
    assert server.path("/srv/leadpipe/data/inbox.sqlite").exists()
    assert {name for name in server.running if server.running[name].process.poll() is None} == {
        *_SERVICES,
        "nginx",
    }


def test_packages_and_units_are_asked_for_by_their_names(machine_clock, server):
    """What the page installs besides leadpipe, and what it switches on."""
    assert server.asked[0] == "apt-get install --yes python3-venv nginx certbot"
    assert f"systemctl enable --now {' '.join(_SERVICES)}" in server.asked
    assert any(each.startswith("certbot certonly --webroot") for each in server.asked)


def test_services_run_as_their_units_say(machine_clock, server):
    """Of a user of their own, without capabilities, and with memory that is never written and executed."""
    for name in _SERVICES:
        status = Path(f"/proc/{server.running[name].first}/status").read_text()
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE), status
        assert not re.search(r"^Uid:\t0", status, re.MULTILINE), status
        tried = server.running[name].exec("touch", "/srv/leadpipe/x")
        assert tried.returncode == 1
        assert "Read-only file system" in tried.stderr
        assert (
            re.findall(r"Read-only|Permission denied|MemoryError", server.running[name].said) == []
        )


def test_the_documented_upgrade_loses_nothing_and_goes_back(machine_clock, server):
    """A data folder of 0.2.0: copied, rebuilt, served; then copy and old program are back."""
    for name in _SERVICES:
        server.stop(name)
    data = server.path("/srv/leadpipe/data")
    owner = data.stat()
    shutil.rmtree(data)
    data.mkdir(mode=0o755)
    before = make_old_warehouse(data / "leadpipe.duckdb")
    for path in (data, data / "leadpipe.duckdb"):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    old = (data / "leadpipe.duckdb").read_bytes()
    server.path("/opt/leadpipe/made-by").write_text("0.2.0")
    server.workdir = "/home/leadpipe-0.3.0"
    for line in typed_lines("Upgrade"):
        server.type(line)
    assert not server.path("/opt/leadpipe/made-by").exists()
    with client(server) as web:
        wait_for("the page", lambda: answers(web, "/login"), seconds=60)
        log_in(web)
        assert web.get("/admin/sync").status_code == 200
    assert data.stat().st_mode & 0o777 == 0o700
    copy = server.folder / "looked-at.duckdb"
    shutil.copy(data / "leadpipe.duckdb", copy)
    with duckdb.connect(str(copy)) as connection:
        after = all_rows(connection)
    for table in ("raw_events", "leads", "lead_edits", "listings", "lead_deliveries", "blacklist"):
        assert len(after[table]) == len(before[table]), table

    for line in typed_lines("Rollback"):
        server.type(line)
    assert server.path("/opt/leadpipe/made-by").read_text() == "0.2.0"
    assert (data / "leadpipe.duckdb").read_bytes() == old
