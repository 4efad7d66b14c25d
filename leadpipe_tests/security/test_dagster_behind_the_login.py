"""Row 3, public mode: the Dagster UI has the page's login, and what people do in it works through a proxy."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

import leadpipe.cli
from leadpipe.web.logins import Logins
from leadpipe.web.roles import Role
from leadpipe_tests.clocks import wait_for_a_day_that_lasts
from leadpipe_tests.security.accounts import PASSWORD
from leadpipe_tests.security.guarded import guarded
from leadpipe_tests.security.proxies import documented_caddy, documented_nginx
from leadpipe_tests.web.fixtures import TOKEN

_RUN_MS = 120_000
_JOBS = "dagster/locations/__repository__@leadpipe.definitions/jobs"


@pytest.fixture(scope="module")
def programs(tmp_path_factory, sandbox_process):
    """Page, Dagster UI and daemon in public mode, over two days and an empty sandbox."""
    wait_for_a_day_that_lasts()
    sandbox_process.control.reset()
    folder = tmp_path_factory.mktemp("public")
    first = datetime.now(UTC).date() - timedelta(days=2)
    with guarded(
        folder,
        sandbox_process,
        LEADPIPE_WEB_NAMES="127.0.0.1",
        LEADPIPE_ADMIN_TOKEN=TOKEN,
        LEADPIPE_START_DATE=first.isoformat(),
    ) as started:
        yield folder, started


def acts(folder):
    """What people did, the latest first."""
    env = {"LEADPIPE_DATA_DIR": str(folder / "data")}
    result = CliRunner().invoke(leadpipe.cli.main, ["access", "--json"], env=env)
    return [act["what"] for act in json.loads(result.output)]


def launched(response):
    """Whether it answers a command that launches something."""
    asked = response.request.post_data or ""
    return "/graphql" in response.url and "mutation Launch" in asked and response.ok


@pytest.mark.long
@pytest.mark.usefixtures("machine_clock")
def test_launch_logs_reload_and_backfill_work(programs, tmp_path, chromium):
    """One login; a run with its logs over a websocket; the code reloaded; a backfill; then logged out."""
    folder, started = programs
    sockets = []
    with documented_nginx(tmp_path, page=started.page, dagster=started.dagster) as front:
        home = f"https://127.0.0.1:{front.port}"
        context = chromium.new_context(ignore_https_errors=True)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(f"{home}/dagster/deployment/locations")
        page.get_by_label("Access token").fill(TOKEN)
        page.keyboard.press("Enter")

        page.get_by_text("Reload", exact=True).click()
        expect(page.get_by_text("Code location reloaded!")).to_be_visible(timeout=_RUN_MS)

        page.goto(f"{home}/{_JOBS}/inbox")
        expect(page.get_by_text("webhook_events").first).to_be_visible()
        with page.expect_response(launched):
            page.get_by_text(re.compile("^Materialize(?!d)")).first.click()
        page.goto(f"{home}/dagster/runs")
        page.locator("a[href*='/dagster/runs/']").first.click(timeout=_RUN_MS)
        expect(page.get_by_text('Finished execution of run for "inbox".')).to_be_visible(
            timeout=_RUN_MS
        )
        assert {*sockets} == {f"wss://127.0.0.1:{front.port}/dagster/graphql"}

        page.goto(f"{home}/{_JOBS}/sync")
        expect(page.get_by_text(re.compile("View . assets"))).to_be_visible()
        page.get_by_text(re.compile("^Materialize(?!d)")).first.click()
        page.get_by_text("All", exact=True).click()
        with page.expect_response(launched):
            page.get_by_text("Launch backfill", exact=True).click()
        page.goto(f"{home}/dagster/runs?view=backfills")
        expect(page.get_by_text(re.compile("Completed|Success")).first).to_be_visible(
            timeout=_RUN_MS
        )

        page.goto(f"{home}/admin/sync")
        assert page.locator("a[href='/dagster/']").count() >= 1
        page.get_by_role("button", name="Only visitors").click()
        expect(page.locator("#progress .state").first).to_have_text("succeeded", timeout=_RUN_MS)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Access token")).to_be_visible()
        page.goto(f"{home}/dagster/runs")
        expect(page.get_by_label("Access token")).to_be_visible()
        context.close()
    found = acts(folder)
    for what in (
        "logged out",
        "logged in",
        "gave Dagster the command ReloadRepositoryLocationMutation",
    ):
        assert what in found
    assert [what for what in found if what.startswith("started visitors")]
    assert [what for what in found if "LaunchPartitionBackfill" in what]


_LAUNCH = """mutation { launchRun(executionParams: {selector: {repositoryName: "__repository__",
  repositoryLocationName: "leadpipe.definitions", jobName: "inbox"}, runConfigData: {}, mode: "default"}) {
  __typename ... on LaunchRunSuccess { run { runId } } } }"""
_RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "leadpipe.definitions") {
  __typename ... on WorkspaceLocationEntry { permissions { permission value } } } }"""


@pytest.mark.usefixtures("machine_clock")
def test_people_read_and_command_dagster_by_their_roles(programs):
    """For a viewer Dagster's own page offers nothing, and takes nothing; an operator's runs have the name."""
    folder, started = programs
    logins = Logins(folder / "data" / "logins.sqlite")

    def person(name, role):
        logins.people.add(name, role, PASSWORD, now=datetime.now(UTC))
        client = httpx.Client(trust_env=False, timeout=60)
        page = f"http://127.0.0.1:{started.page}/login"
        form = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)
        assert form is not None
        data = {"csrf": form[1], "name": name, "password": PASSWORD}
        assert client.post(page, data=data).status_code == 303
        return client

    def ask(client, query):
        answer = client.post(f"{started.url}/dagster/graphql", json={"query": query})
        return answer.json()["data"] if answer.is_success else answer.status_code

    may = "{ permissions { permission value } }"
    with (
        closing(person("vera", Role.VIEWER)) as vera,
        closing(person("olga", Role.OPERATOR)) as olga,
    ):
        assert [one for one in ask(vera, may)["permissions"] if one["value"]] == []
        assert [one for one in ask(olga, may)["permissions"] if one["value"]] != []
        assert ask(vera, _LAUNCH) == 403
        run = ask(olga, _LAUNCH)["launchRun"]["run"]["runId"]
        tags = ask(
            vera, f'{{ runOrError(runId: "{run}") {{ ... on Run {{ tags {{ key value }} }} }} }}'
        )
        assert {"key": "leadpipe/person", "value": "olga"} in tags["runOrError"]["tags"]
        entry = ask(olga, _RELOAD)["reloadRepositoryLocation"]
        assert [one for one in entry["permissions"] if one["value"]] != []
    names = [(act.person, act.what) for act in logins.acts(limit=20) if act.person]
    assert names[:2] == [("olga", "gave Dagster the command without a name")] * 2
    assert ("vera", "was refused: gave Dagster the command without a name") in names


@pytest.mark.parametrize("proxy", [documented_nginx, documented_caddy])
def test_without_the_login_nothing_of_dagster_is_seen(programs, tmp_path, proxy):
    """Neither pages nor questions nor logs nor files, with no cookie, a forged one, or a guessed key."""
    _, started = programs
    ask = {"query": "{ version }"}
    with proxy(tmp_path, page=started.page, dagster=started.dagster) as front:
        here = {"Host": "127.0.0.1"}
        html = front.ask("GET", "/dagster/runs", headers=here | {"Accept": "text/html"})
        assert (html.status_code, html.headers["location"]) == (303, "/login?next=/dagster/runs")
        for headers in (
            {},
            {"Cookie": "__Host-leadpipe=eyJzZXNzaW9uIjogIjEifQ==.aSBhbQ.forged"},
            {"Authorization": f"Bearer {TOKEN}"},
            {"Authorization": "Bearer x"},
        ):
            answer = front.ask("POST", "/dagster/graphql", json=ask, headers=here | headers)
            assert answer.status_code == 401
        for path in ("/dagster/server_info", "/dagster/logs/a/b.out", "/dagster/download_debug/a"):
            assert front.ask("GET", path, headers=here).status_code == 401
    direct = httpx.post(f"{started.url}/dagster/graphql", json=ask, trust_env=False, timeout=120)
    assert direct.status_code == 401
    assert httpx.get(f"{started.url}/healthz", trust_env=False, timeout=120).json() == {
        "status": "ok"
    }
    for path in ("/readyz", "/dagster/readyz"):
        assert httpx.get(f"{started.url}{path}", trust_env=False, timeout=120).json() == {
            "status": "ready"
        }
