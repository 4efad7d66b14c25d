"""Traces: what a collector gets where they are on, and that nothing is there where they are off."""

import json
import logging
import subprocess
import sys

import dagster as dg
import pytest

from leadpipe import tracing
from leadpipe.errors import ConfigurationError
from leadpipe.execution import dagster_instance
from leadpipe.launcher import in_process_executor
from leadpipe.resources import failing_clearly
from leadpipe.settings import load_settings, whole_settings
from leadpipe_tests.collector import collecting
from leadpipe_tests.dagster_ui.processes import environment
from leadpipe_tests.events.builders import event

_SERVER, _CLIENT = 2, 3


@pytest.fixture
def collector():
    """A collector that spans go to until the test ends."""
    with collecting() as one:
        tracing.begin(one.url)
        try:
            yield one
        finally:
            tracing.end()


def sync_by_command(sandbox, tmp_path, script: str, **extra: str) -> str:
    """Run `leadpipe sync` in a process of its own, then a script; what that printed."""
    code = (
        "import sys\nfrom leadpipe.cli import main\n"
        "try: main(['sync', '--from', '2026-11-20', '--to', '2026-11-20', '--json'])\n"
        "except SystemExit as end: assert not end.code, end.code\n" + script
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(
            sandbox, LEADPIPE_DATA_DIR=str(tmp_path / "data"), DAGSTER_HOME="", **extra
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_off_means_that_nothing_is_loaded(sandbox, tmp_path):
    """A sync, the page and a request to it import nothing of OpenTelemetry."""
    sandbox.control.insert([event("$pageview", "09:00:00")])
    script = (
        "from starlette.testclient import TestClient\n"
        "from leadpipe.settings import load_settings\n"
        "from leadpipe.web.app import create_app\n"
        "with TestClient(create_app(load_settings()), client=('127.0.0.1', 1), base_url='http://localhost')"
        " as page: assert page.get('/metrics').status_code == 200\n"
        "print('LOADED', [name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    assert sync_by_command(sandbox, tmp_path, script).splitlines()[-1] == "LOADED []"


def test_off_costs_nothing():
    """Every span is the same one, a function for a thread is itself, and there is no trace to name."""
    assert tracing.span("a", b=1) is tracing.span("c")
    assert tracing.carried(len) is len
    assert tracing.trace_id() is None
    with tracing.span("a") as span:
        span.note(b=2)


def test_a_sync_is_one_trace(sandbox, tmp_path):
    """The run, its steps, folds and requests to PostHog, from whatever thread, each where it belongs."""
    sandbox.control.insert([event("$pageview", "09:00:00"), event("$pageview", "10:00:00")])
    with collecting() as collector:
        sync_by_command(
            sandbox,
            tmp_path,
            "",
            LEADPIPE_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS="api-key=of-the-collector",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test",
        )
    [run] = collector.named("run ")
    assert (run.name, run.is_error) == ("run sync", False)
    inside = [span for span in collector.spans if span.trace == run.trace]
    steps = {span.name for span in inside if span.name.startswith("step ")}
    assert {"step raw_events", "step published_tables"} <= steps
    [fold] = [span for span in inside if span.name == "fold"]
    assert collector.ancestors(fold)[-2:] == ["step raw_events", "run sync"]
    assert fold.attributes["leadpipe.events_new"] == 2
    asked = [span for span in inside if span.name == "PostHog"]
    reading = [s for s in asked if s.attributes["leadpipe.request"].startswith("leadpipe: events")]
    assert reading
    for span in asked:
        assert span.kind == _CLIENT
        assert collector.ancestors(span)[-1] == "run sync"
        assert span.attributes["http.request.method"] == "POST"
        assert span.attributes["http.response.status_code"] == 200
        assert span.attributes["server.address"] == "127.0.0.1"
    assert [span for span in inside if span.name == "warehouse"]
    assert run.resource["service.name"] == "leadpipe"
    assert run.resource["deployment.environment"] == "test"
    assert {headers["api-key"] for headers in collector.headers} == {"of-the-collector"}
    assert [body for body in collector.bodies if sandbox.api_key.encode() in body] == []


def test_a_run_leads_to_its_trace(sandbox, tmp_path):
    """Its tag in the Dagster UI is the id that the collector knows."""
    sandbox.control.insert([event("$pageview", "09:00:00")])
    with collecting() as collector:
        sync_by_command(sandbox, tmp_path, "", LEADPIPE_OTLP_ENDPOINT=collector.url)
    [run] = collector.named("run ")
    settings = whole_settings()(_env_file=None, data_dir=tmp_path / "data", dagster_home=tmp_path)
    with dagster_instance(settings) as instance:
        [kept] = instance.get_runs()
    assert kept.tags["leadpipe/trace"] == run.trace
    assert run.attributes["leadpipe.run_id"] == kept.run_id


def traced_job() -> dg.JobDefinition:
    """A job as Dagster's daemon runs leadpipe's: by the executor that takes the lock."""

    @dg.op
    def work() -> None:
        with failing_clearly():
            pass

    @dg.job(executor_def=in_process_executor)
    def traced() -> None:
        work()

    return traced


def test_a_run_that_dagster_starts_is_a_trace_too(collector, tmp_path):
    """Sent when the run is over, with its step inside, and named by the run's tag."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        done = dg.execute_job(dg.reconstructable(traced_job), instance)
        assert done.success
        kept = instance.get_run_by_id(done.run_id)
    [run] = collector.named("run ")
    [step] = collector.named("step ")
    assert (run.name, step.name, step.parent) == ("run traced", "step work", run.id)
    assert kept is not None
    assert kept.tags["leadpipe/trace"] == run.trace


def test_a_collector_that_is_away_stops_nothing(sandbox, tmp_path):
    """The sync succeeds; its spans are lost."""
    sandbox.control.insert([event("$pageview", "09:00:00")])
    printed = sync_by_command(
        sandbox,
        tmp_path,
        "",
        LEADPIPE_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert json.loads(printed)["problems"] == []


def test_requests_to_the_page_are_spans_by_route(collector, start, tmp_path, caplog):
    """The template is the name; an address that somebody typed is in none."""
    client = start()
    client.get("/healthz")
    client.get("/admin/sync/runs/ama@example.org")
    client.get("/nowhere?phone=%2B12015550001")
    tracing.flush()
    spans = [(span.name, span.kind, span.attributes) for span in collector.spans]
    assert [(name, kind) for name, kind, _ in spans if kind == _SERVER] == [
        ("GET /healthz", _SERVER),
        ("GET /admin/sync/runs/{run_id}", _SERVER),
        ("GET unmatched", _SERVER),
    ]
    assert spans[0][2] == {
        "http.request.method": "GET",
        "http.route": "/healthz",
        "http.response.status_code": 200,
    }
    assert [body for body in collector.bodies if b"ama@" in body or b"2015550001" in body] == []


def test_an_error_is_told_by_its_name_alone(collector):
    """Its text may be about somebody."""
    with pytest.raises(ValueError, match="ama@"), tracing.span("work"):
        raise ValueError("ama@example.org")
    tracing.flush()
    [span] = collector.spans
    assert (span.is_error, span.attributes) == (True, {"error.type": "ValueError"})
    assert b"ama@" not in collector.bodies[0]


def test_log_lines_name_their_trace(collector):
    """Inside of a span with its id, outside as they were."""
    record = logging.LogRecord("leadpipe", logging.INFO, "", 0, "said", None, None)
    lines = tracing.TracedLines("%(message)s")
    assert lines.format(record) == "said"
    with tracing.span("work"):
        line = lines.format(record)
    tracing.flush()
    assert line == f"said trace_id={collector.spans[0].trace}"


def test_where_it_is_not_installed_it_says_so(monkeypatch):
    """Switched on without the packages: one line with what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError, match=r"install `leadpipe\[tracing\]`"):
        tracing.begin("http://127.0.0.1:9")
    assert not tracing.is_on()


@pytest.mark.parametrize(
    "address", ["collector:4318", "http://ama:geheim@collector:4318", "https://c/?key=geheim", "x"]
)
def test_an_address_that_cannot_be_used_is_named(address):
    """No web address, or one with a key in it: refused at the start, without its value."""
    with pytest.raises(ConfigurationError, match="LEADPIPE_OTLP_ENDPOINT") as raised:
        load_settings(LEADPIPE_OTLP_ENDPOINT=address)
    assert "geheim" not in str(raised.value)
