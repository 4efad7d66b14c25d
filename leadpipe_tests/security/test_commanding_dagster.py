"""Row 3: no web page that somebody visits can command the Dagster UI; its own page can."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import httpx
import pytest

from leadpipe_tests.dagster_ui.processes import answers, environment, free_port, program, wait_for

_LAUNCH = (
    'mutation { launchRun(executionParams: {selector: {repositoryName: "__repository__", '
    'repositoryLocationName: "leadpipe.definitions", jobName: "inbox"}, runConfigData: {}, '
    'mode: "default"}) { __typename } }'
)
_RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
_PAGE = """<!doctype html><title>a nice page</title>
<form method="post" enctype="text/plain" action="%(url)s/graphql" target="frame">
<input name='{"query": %(launch)s, "a": "' value='"}'></form>
<iframe name="frame"></iframe>
<script>
const url = "%(url)s/graphql", body = JSON.stringify({query: %(launch)s});
const post = kind => fetch(url, {method: "POST", mode: "no-cors", body, headers: {"Content-Type": kind}});
const socket = () => new Promise(done => {
  const made = new WebSocket(url.replace("http", "ws"), "graphql-ws");
  made.onopen = () => done("open"); made.onerror = () => done("closed");
});
window.attacks = {
  get: () => fetch(url + "?query=%(quoted)s", {mode: "no-cors"}),
  image: () => new Promise(done => {
    const image = new Image(); image.onload = image.onerror = done; image.src = url + "?query=%(quoted)s";
  }),
  text: () => post("text/plain; x=application/json"),
  query: () => fetch(url + "?query=%(quoted)s", {method: "POST", mode: "no-cors", body: "a"}),
  form: () => { document.forms[0].submit(); return new Promise(done => setTimeout(done, 1000)); },
  json: () => fetch(url, {method: "POST", body, headers: {"Content-Type": "application/json"}})
    .catch(error => String(error)),
  report: () => fetch("%(url)s/report_asset_materialization/leads", {method: "POST", mode: "no-cors"}),
  socket,
};
</script>"""
_ATTACKS = ("get", "image", "text", "query", "form", "json", "report")


@contextmanager
def a_nice_page(dagster):
    """The page of somebody else, on another port of this machine."""
    launch = json.dumps(_LAUNCH)
    html = _PAGE % {"url": dagster, "launch": launch, "quoted": quote(_LAUNCH)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

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


@pytest.fixture(scope="module", params=["guarded", "bare"])
def dagster(request, tmp_path_factory, sandbox_process):
    """`leadpipe dagster` in open mode, and Dagster's own web server as what it was before."""
    home = tmp_path_factory.mktemp("dagster")
    port = free_port()
    env = environment(
        sandbox_process,
        LEADPIPE_DATA_DIR=str(home / "data"),
        DAGSTER_HOME=str(home),
        PYTHONWARNINGS="ignore",
    )
    is_guarded = request.param == "guarded"
    arguments = (
        ["-m", "leadpipe", "dagster", "--port", str(port)]
        if is_guarded
        else ["-m", "dagster_webserver", "-m", "leadpipe.definitions", "-p", str(port)]
    )
    with program(arguments, log=home / "ui.log", cwd=home, env=env):
        url = f"http://127.0.0.1:{port}"
        wait_for("Dagster", lambda: answers(f"{url}/server_info"), seconds=120, every=0.5)
        yield is_guarded, url


def launched(url):
    """How many runs there are."""
    answer = httpx.post(f"{url}/graphql", json={"query": _RUNS}, trust_env=False, timeout=60)
    return len(answer.json()["data"]["runsOrError"]["results"])


@pytest.mark.usefixtures("machine_clock")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_visited_page_commands_nothing(dagster, chromium, host):
    """Of another port or site, by GET, form, fetch, image or websocket; bare Dagster obeys."""
    is_guarded, url = dagster
    before = launched(url)
    with a_nice_page(url) as port:
        page = chromium.new_page()
        page.goto(f"http://{host}:{port}/")
        for attack in _ATTACKS:
            page.evaluate(f"Promise.resolve(attacks.{attack}()).catch(String)")
        assert page.evaluate("attacks.socket()") == ("closed" if is_guarded else "open")
        page.close()
    assert (launched(url) > before) is not is_guarded


def test_what_a_program_may_say_and_to_whom(dagster):
    """JSON by POST, to a local name, from no other page and through no proxy."""
    is_guarded, url = dagster
    before = launched(url)
    body = json.dumps({"query": _LAUNCH})
    right = {"Content-Type": "application/json"}
    for headers in (
        {},
        {"Content-Type": "text/plain; x=application/json"},
        {"Content-Type": "application/json; x=1"},
        {"Content-Type": "application/graphql"},
        right | {"Sec-Fetch-Site": "same-site"},
        right | {"Sec-Fetch-Site": "cross-site"},
        right | {"Origin": "http://evil.example"},
        right | {"Origin": "null"},
        right | {"Host": "evil.example"},
        right | {"X-Forwarded-For": "127.0.0.1"},
    ):
        answer = httpx.post(
            f"{url}/graphql", content=body, headers=headers, trust_env=False, timeout=120
        )
        assert (answer.status_code == 403) is is_guarded, headers
    for path in (f"?query={quote(_LAUNCH)}", f"/?query={quote(_LAUNCH)}"):
        answer = httpx.get(
            f"{url}/graphql{path}", headers={"Accept": "text/html"}, trust_env=False, timeout=120
        )
        assert (answer.status_code == 403) is is_guarded
    assert (launched(url) == before) is is_guarded
    own = right | {"Sec-Fetch-Site": "same-origin", "Origin": url}
    answer = httpx.post(f"{url}/graphql", content=body, headers=own, trust_env=False, timeout=120)
    assert answer.json() == {"data": {"launchRun": {"__typename": "LaunchRunSuccess"}}}
