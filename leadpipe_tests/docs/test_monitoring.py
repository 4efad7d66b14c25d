"""deploy/prometheus and deploy/grafana: every name and label is one that `/metrics` really gives."""

import json
import re
import shlex
import shutil
import subprocess
from datetime import timedelta
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from leadpipe.delivery.outbox import State
from leadpipe.events.verdicts import Word
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.docs.markdown import ROOT, sections, table_rows
from leadpipe_tests.web.builders import pageview, publish_some

_RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
_CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
_DASHBOARD = ROOT / "deploy" / "grafana" / "leadpipe.json"
_OF_PROMETHEUS = {"up"}
_OF_THE_SCRAPE = {"job", "instance"}
_SELECTOR = re.compile(r"\b((?:leadpipe|process)_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')
_GROUPED = re.compile(r"\b(?:by|without|on)\s*\(([^)]*)\)")
_MOMENT = f"TIMESTAMPTZ '{(NOW - timedelta(hours=1)).isoformat()}'"
_STATES = f"""
    INSERT INTO exported_files BY NAME SELECT 'a' AS key, 'e' AS e_tag, 1 AS size, 'taken' AS state,
        {_MOMENT} AS interval_end, {_MOMENT} AS first_seen_at;
    INSERT INTO runs BY NAME SELECT 'over' AS run_id, 'scheduled' AS kind, 'succeeded' AS status,
        1 AS events_fetched, 1 AS events_new, 0 AS events_duplicate, 0 AS events_rejected,
        '{{}}' AS rejected_reasons, 1 AS api_calls, 0 AS retries, 0 AS rate_limits, 0 AS version,
        'host' AS host, 1 AS pid, {_MOMENT} AS started_at, {_MOMENT} AS finished_at;
    INSERT INTO event_days BY NAME SELECT DATE '2026-11-01' AS event_date, 1 AS version,
        {_MOMENT} AS read_until;
    INSERT INTO delivery_attempts VALUES (1, 1, 'accepted', 200, NULL, {_MOMENT});
"""


def alerts() -> list[dict[str, Any]]:
    """Every alert."""
    content = yaml.safe_load(_RULES.read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Every panel that shows something."""
    content = json.loads(_DASHBOARD.read_text())
    return [panel for panel in content["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """Those of all alerts and panels, as Prometheus gets them."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in alerts()] + [
        text.replace("$job", "leadpipe") for text in asked
    ]


def promtool(*words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Ask Prometheus' own tool."""
    return subprocess.run(
        ["promtool", *words], input=given, capture_output=True, text=True, check=False
    )


def needs_promtool() -> None:
    """Say aloud where what Prometheus itself thinks is not known."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not there: what Prometheus says of deploy/prometheus is not known")


@pytest.fixture
def output(start, tmp_path) -> str:
    """What `/metrics` gives when there is something of everything."""
    publish_some(tmp_path)
    with Warehouse(tmp_path / "data" / "leadpipe.duckdb").connect() as connection:
        connection.execute(_STATES)
        publish_tables(connection, tmp_path / "data" / "published", now=NOW)
    client = start()
    client.post(
        "/api/webhooks/posthog", content=pageview(1), headers={"Content-Type": "application/json"}
    )
    text: str = client.get("/metrics").text
    return text


@pytest.fixture
def known(output) -> dict[str, list[dict[str, str]]]:
    """The labels of every sample, by name."""
    found: dict[str, list[dict[str, str]]] = {name: [{}] for name in _OF_PROMETHEUS}
    for family in text_string_to_metric_families(output):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def names_of(known: dict[str, list[dict[str, str]]]) -> set[str]:
    """Our own metrics; a histogram is one, and when a counter began is part of it."""
    ours = {name for name in known if name.startswith("leadpipe_")}
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) for name in ours if "_created" not in name}
    assert plain
    return plain


def test_every_expression_asks_for_what_there_is(known):
    """Each metric exists, with each label it is asked for by, and each value that is named."""
    wrong = []
    for text in expressions():
        selectors = _SELECTOR.findall(text)
        assert selectors, text
        labels_here: set[str] = set()
        for name, inside in selectors:
            if name not in known:
                wrong.append(f"{name}: no such metric")
                continue
            labels = set[str]().union(*known[name])
            labels_here |= labels
            for label, operator, value in _MATCHER.findall(inside):
                if label in _OF_THE_SCRAPE:
                    continue
                if label not in labels:
                    wrong.append(f"{name}: no label {label}")
                values = {sample.get(label, "") for sample in known[name]}
                named = value.split("|") if operator in {"=", "=~"} and label != "status" else []
                wrong += [f"{name}: no {label} {each}" for each in named if each not in values]
        for grouped in _GROUPED.findall(text):
            given = {each.strip() for each in grouped.split(",") if each.strip()}
            wrong += [f"{text}: no label {each}" for each in given - labels_here - {"le"}]
    assert wrong == []


def test_legends_and_messages_name_labels_that_are_there(known):
    """`{{state}}` in a legend, `$labels.domain` in an alert."""
    wrong = []
    for panel in panels():
        for target in panel["targets"]:
            names = {name for name, _ in _SELECTOR.findall(target["expr"])}
            labels = set[str]().union(*(each for name in names for each in known[name]))
            wanted = {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])}
            wrong += [f"{panel['title']}: {each}" for each in wanted - labels]
    for rule in alerts():
        names = {name for name, _ in _SELECTOR.findall(rule["expr"])}
        labels = set[str]().union(*(each for name in names for each in known[name]))
        wanted = {*re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))}
        wrong += [f"{rule['alert']}: {each}" for each in wanted - labels]
    assert wrong == []


def test_the_dashboard_can_be_imported():
    """Ids are unique, panels do not overlap, and each asks the chosen Prometheus."""
    content = json.loads(_DASHBOARD.read_text())
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len({*ids})
    places: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        at = panel["gridPos"]
        own = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not own & places, panel["title"]
        assert max(x for x, _ in own) < 24
        places |= own
    for panel in panels():
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}


def test_every_metric_is_shown_or_told(known):
    """Nothing is measured for nobody: each is on the dashboard or in an alert."""
    asked = {name for text in expressions() for name, _ in _SELECTOR.findall(text)}
    asked = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in asked}
    assert names_of(known) - asked == {
        "leadpipe_sync_last_success_timestamp_seconds"
    }  # for rules of one's own


def test_values_of_labels_are_few(known):
    """Whatever happens: verdicts and states are those of the code."""
    verdicts = {labels["verdict"] for labels in known["leadpipe_event_dates"]}
    assert verdicts == {word.replace(" ", "_") for word in get_args(Word)}
    assert {labels["state"] for labels in known["leadpipe_deliveries"]} == {*get_args(State)}


def test_the_page_lists_every_metric(known):
    """docs/operations.md has each metric of leadpipe's own, and no other."""
    rows = table_rows(sections(ROOT / "docs" / "operations.md", level=2)["Monitoring"])
    listed = {re.sub(r"\{.*", "", row[0]) for row in rows if row[0].startswith("leadpipe_")}
    assert listed == names_of(known)


def test_the_commands_on_the_page_get_an_answer(start):
    """Each curl of the section, with the secret that it names."""
    secret = "s3cret-of-prometheus-alone"
    client = start(metrics_secret=SecretStr(secret))
    section = sections(ROOT / "docs" / "operations.md", level=2)["Monitoring"]
    asked = [shlex.split(line) for line in section.splitlines() if line.startswith("curl ")]
    assert len(asked) == 3
    for words in asked:
        given = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
        headers = dict(one.replace("$LEADPIPE_METRICS_SECRET", secret).split(": ") for one in given)
        path = words[-1].removeprefix("http://localhost:3002")
        assert client.get(path, headers=headers).status_code == 200, words


def test_prometheus_reads_the_rules_and_the_config(tmp_path):
    """Its own tool finds nothing wrong."""
    needs_promtool()
    secret = tmp_path / "secret"
    secret.write_text("x")
    shutil.copy(_RULES, tmp_path)
    config = tmp_path / "prometheus.yml"
    config.write_text(
        _CONFIG.read_text().replace("/etc/prometheus/leadpipe-metrics-secret", str(secret))
    )
    checked = promtool("check", "config", str(config))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(alerts())} rules found" in checked.stdout


def test_prometheus_reads_every_expression(tmp_path):
    """Those of the dashboard as well."""
    needs_promtool()
    rules = [
        {"record": f"leadpipe:expression:{number}", "expr": text}
        for number, text in enumerate(expressions())
    ]
    file = tmp_path / "all.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_finds_the_metrics_well_named(output):
    """Its linter has no word on names, units and help texts of ours."""
    needs_promtool()
    own = "".join(
        f"{line}\n" for line in output.splitlines() if re.match(r"(# (HELP|TYPE) )?leadpipe_", line)
    )
    checked = promtool("check", "metrics", given=own)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("series", "values", "after", "firing"),
    [
        ("leadpipe_sync_age_seconds", "50000x60", "30m", "LeadpipeSyncOld"),
        ("leadpipe_sync_age_seconds", "25000x60", "30m", None),
        ('leadpipe_sync_last_result{result="succeeded"}', "0x90", "80m", "LeadpipeSyncFailed"),
        ("leadpipe_event_dates_differing_age_seconds", "90000x60", "30m", "LeadpipeDaysDiffer"),
        ("leadpipe_inbox_oldest_age_seconds", "4000x60", "30m", "LeadpipeInboxStuck"),
        ("leadpipe_inbox_dead_letters", "1x60", "30m", "LeadpipeDeadLetters"),
        ("leadpipe_delivery_queue_age_seconds", "20000x60", "30m", "LeadpipeLeadsWait"),
        ("leadpipe_delivery_breaker_open", "1x60", "45m", "LeadpipeBreakerOpen"),
        ('leadpipe_deliveries{state="unknown"}', "12x90", "80m", "LeadpipeLeadsFailed"),
        ("leadpipe_hand_overs_oldest_age_seconds", "4000x60", "30m", "LeadpipeHandOversStuck"),
        ('leadpipe_metrics_readable{domain="inbox"}', "0x60", "30m", "LeadpipeUnreadable"),
        ('up{job="leadpipe"}', "0x60", "30m", "LeadpipeDown"),
        (
            'leadpipe_http_requests_total{route="/x",method="GET",status="500"}',
            "0+60x60",
            "30m",
            "LeadpipeErrors",
        ),
        ("leadpipe_events_newest_day_timestamp_seconds", "-300000x90", "80m", "LeadpipeNoEvents"),
    ],
)
def test_alerts_fire_when_they_should(tmp_path, series, values, after, firing):
    """Prometheus itself, over a made up past: this one fires, and nothing else does."""
    needs_promtool()
    healthy = [
        {"series": "leadpipe_sync_age_seconds", "values": "60x2000"},
        {"series": 'up{job="leadpipe"}', "values": "1x2000"},
    ]
    repeated = values if "+" in values else f"{values.split('x')[0]}+0x{values.split('x')[1]}"
    given = [one for one in healthy if one["series"] != series]
    content = {
        "rule_files": [str(_RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [*given, {"series": series, "values": repeated}],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": after,
                        "exp_samples": [
                            {"labels": f'{{alertname="{firing}"}}', "value": 1}
                            for _ in range(firing is not None)
                        ],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(content))
    tested = promtool("test", "rules", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr
