"""`/metrics`: who may scrape it, in which formats, what it counts, and that it waits for nobody."""

import logging
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from leadpipe import domains
from leadpipe.errors import ConfigurationError, DomainMisfit
from leadpipe.published import reading
from leadpipe.published.tables import publish_tables
from leadpipe.settings import whole_settings
from leadpipe.warehouse import Warehouse
from leadpipe.web.app import create_app
from leadpipe.web.metrics import make_registry
from leadpipe_tests.clocks import NOW
from leadpipe_tests.web.builders import pageview, publish_some
from leadpipe_tests.web.scraping import OPEN_METRICS, only, scraped

METRICS_SECRET = "s3cret-of-prometheus-alone"
_PROXIED = {
    "Host": "stats.example.org",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
}


@pytest.mark.parametrize(
    ("options", "given", "status"),
    [
        ({}, {}, 200),
        ({}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({"is_public": True}, {}, 403),
        ({"is_public": True, "metrics_secret": SecretStr(METRICS_SECRET)}, {}, 401),
        (
            {"is_public": True, "metrics_secret": SecretStr(METRICS_SECRET)},
            {"Authorization": "Bearer wrong-wrong-wrong-wrong"},
            401,
        ),
        (
            {"is_public": True, "metrics_secret": SecretStr(METRICS_SECRET)},
            {"Authorization": f"Bearer {METRICS_SECRET}"},
            200,
        ),
        ({"metrics_secret": SecretStr(METRICS_SECRET)}, {}, 401),
        (
            {
                "metrics_secret": SecretStr(METRICS_SECRET),
                "cron_secret": SecretStr("s3cret-of-the-external-cron"),
            },
            {"Authorization": "Bearer s3cret-of-the-external-cron"},
            401,
        ),
    ],
)
def test_who_may_scrape(start, options, given, status):
    """Its own secret; without one this machine alone, and nobody where the page has a login."""
    assert start(**options).get("/metrics", headers=given).status_code == status


def test_through_the_proxy_the_secret_opens_it(start):
    """Prometheus on another machine, under the page's name."""
    client = start(
        is_public=True, web_names="stats.example.org", metrics_secret=SecretStr(METRICS_SECRET)
    )
    assert client.get("/metrics", headers=_PROXIED).status_code == 401
    assert scraped(client, secret=METRICS_SECRET, **_PROXIED)["leadpipe_inbox_waiting_events"] == 0


def test_a_short_secret_is_refused_at_the_start(tmp_path):
    """Twenty characters at least."""
    settings = whole_settings()(
        _env_file=None, data_dir=tmp_path, metrics_secret=SecretStr("short")
    )
    with pytest.raises(ConfigurationError, match="LEADPIPE_METRICS_SECRET has fewer than 20"):
        create_app(settings)


def test_both_formats_say_the_same(start, tmp_path):
    """Text and OpenMetrics parse with Prometheus' own parsers, each name once."""
    publish_some(tmp_path)
    client = start()
    client.get("/healthz")
    first, second = scraped(client), scraped(client, accept=OPEN_METRICS)
    changing = ("process_", "leadpipe_http_")
    assert {k: v for k, v in first.items() if not k.startswith(changing)} == {
        k: v for k, v in second.items() if not k.startswith(changing)
    }
    assert first["process_resident_memory_bytes"] > 1_000_000
    built = only(first, "leadpipe_build_info")
    assert list(built.values()) == [1]
    assert f'version="{version("leadpipe")}"' in next(iter(built))


def test_names_follow_the_conventions(start, tmp_path):
    """Each metric has a help text, base units, and `_total` where it only grows."""
    publish_some(tmp_path)
    text = start().get("/metrics").text
    kinds = dict(
        line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE leadpipe_")
    )
    helped = {
        line.split()[2]: line.split(maxsplit=3)[3]
        for line in text.splitlines()
        if line.startswith("# HELP leadpipe_")
    }
    assert helped.keys() == kinds.keys()
    assert all(words.endswith(".") for words in helped.values())
    assert {name for name, kind in kinds.items() if kind == "counter"} == {
        name for name in kinds if name.endswith("_total")
    }
    for word in ("_ms", "_milliseconds", "_minutes", "_hours", "_count"):
        assert [name for name in kinds if name.endswith(word)] == []


def test_requests_count_by_the_routes_template(start, tmp_path):
    """Never by the address that somebody typed: what is nowhere is one label, so are odd methods."""
    client = start(
        admin_token=SecretStr("token-of-the-page-of-leadpipe"),
        metrics_secret=SecretStr(METRICS_SECRET),
    )
    for number in range(3):
        client.get(f"/admin/sync/runs/run-{number}", follow_redirects=False)
        client.get(f"/nowhere/ama@example.org/{number}")
        client.get(f"/static/nothing-{number}.css")
    client.get("/healthz")
    client.post("/healthz")
    client.request("BREW", "/healthz")
    client.get("/healthz", headers={"Host": "evil.example"})
    counts = only(scraped(client, secret=METRICS_SECRET), "leadpipe_http_requests_total")
    label = 'leadpipe_http_requests_total{{method="{}",route="{}",status="{}"}}'
    assert counts == {
        label.format("GET", "/admin/sync/runs/{run_id}", 303): 3,
        label.format("GET", "unmatched", 404): 3,
        label.format("GET", "/static", 404): 3,
        label.format("GET", "/healthz", 200): 1,
        label.format("POST", "/healthz", 405): 1,
        label.format("other", "/healthz", 405): 1,
        label.format("GET", "/healthz", 403): 1,
    }
    seconds = only(
        scraped(client, secret=METRICS_SECRET), "leadpipe_http_request_duration_seconds_count"
    )
    assert (
        seconds['leadpipe_http_request_duration_seconds_count{method="GET",route="/healthz"}'] == 2
    )
    assert not any("ama" in name for name in scraped(client, secret=METRICS_SECRET))


def test_what_breaks_counts_as_an_error(start, monkeypatch):
    """An exception that no route caught is a 500."""
    client = start()

    def broken(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr("leadpipe.web.status.is_logged_in", broken)
    monkeypatch.setattr("leadpipe.web.status._state", broken)
    with pytest.raises(RuntimeError):
        client.get("/api/sync")
    name = 'leadpipe_http_requests_total{method="GET",route="/api/sync",status="500"}'
    assert scraped(client)[name] == 1


def test_two_applications_share_nothing(start, tmp_path):
    """Each has a registry of its own."""
    first, second = start(), start()
    first.get("/healthz")
    assert only(scraped(second), "leadpipe_http_requests_total") == {}


def test_a_scrape_never_waits_for_the_warehouse(start, tmp_path):
    """While a sync holds it, everything is there."""
    publish_some(tmp_path)
    client = start(lock_timeout_seconds=0)
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").writing("door"):
        assert 'leadpipe_event_dates{verdict="proved"}' in scraped(client)


def test_published_tables_are_read_once_a_publication(start, tmp_path, monkeypatch):
    """A second scrape asks nothing of them; the next publication is seen at once."""
    publish_some(tmp_path)
    client = start()
    first = scraped(client)
    reads: list[object] = []
    real = reading.read_together

    def counted(*given):
        reads.append(given)
        return real(*given)

    monkeypatch.setattr(reading, "read_together", counted)
    changing = ("process_", "leadpipe_http_")
    assert {k: v for k, v in scraped(client).items() if not k.startswith(changing)} == {
        k: v for k, v in first.items() if not k.startswith(changing)
    }
    assert reads == []
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").connect() as connection:
        connection.execute("DELETE FROM unconfirmed_events")
        connection.execute(
            "INSERT INTO unconfirmed_events BY NAME SELECT gen_random_uuid() AS uuid, 'x' AS event, "
            "DATE '2026-11-20' AS event_date, 'run-1' AS run_id, $now AS arrived_at, $now AS set_aside_at",
            {"now": NOW},
        )
        publish_tables(connection, tmp_path / "data" / "published", now=NOW)
    assert scraped(client)["leadpipe_unconfirmed_events"] == 1
    assert len(reads) == 1  # all questions together


def test_a_domain_that_cannot_be_read_hides_no_other(start, tmp_path, caplog):
    """It is told by name, the reason is logged, and what it measures is absent, not zero."""
    publish_some(tmp_path)
    client = start()
    client.post(
        "/api/webhooks/posthog", content=pageview(1), headers={"Content-Type": "application/json"}
    )
    damaged = next((tmp_path / "data" / "published" / "current").rglob("event_days.parquet"))
    damaged.write_bytes(b"PAR1")
    with caplog.at_level(logging.WARNING, "leadpipe.metrics"):
        samples = scraped(client)
    assert samples['leadpipe_metrics_readable{domain="events"}'] == 0
    assert samples['leadpipe_metrics_readable{domain="inbox"}'] == 1
    assert only(samples, "leadpipe_event_dates", "leadpipe_sync") == {}
    assert samples["leadpipe_inbox_waiting_events"] == 1
    assert caplog.messages == ["metrics of events: InvalidInputException"]


def test_before_the_first_publication_there_is_what_there_is(start):
    """Nothing is invented: no age, no day; the inbox and the program are there."""
    samples = scraped(start())
    assert (
        only(
            samples,
            "leadpipe_sync",
            "leadpipe_event_dates",
            "leadpipe_events",
            "leadpipe_deliveries",
        )
        == {}
    )
    assert samples["leadpipe_inbox_dead_letters"] == 0
    assert only(samples, "leadpipe_publication") == {}


def test_two_domains_with_one_metric_are_named(monkeypatch, tmp_path):
    """As with tables and settings, at the start."""
    twice = SimpleNamespace(METRICS={"leadpipe_event_dates": "Twice."}, metrics=lambda _: iter(()))
    real = domains.part_of

    def part_of(domain, kind):
        return twice if domain == "draws" and kind is domains.HasMetrics else real(domain, kind)

    monkeypatch.setattr(domains, "part_of", part_of)
    with pytest.raises(
        DomainMisfit, match="events and draws both bring a metric named 'leadpipe_event_dates'"
    ):
        make_registry(whole_settings()(_env_file=None, data_dir=tmp_path), clock=lambda: NOW)
