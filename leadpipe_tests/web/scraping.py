"""Scrape `/metrics` as Prometheus does, and read it with its own parsers."""

from collections.abc import Mapping
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text
from starlette.testclient import TestClient

OPEN_METRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"


def scraped(
    client: TestClient, *, secret: str | None = None, accept: str = "", **headers: str
) -> dict[str, float]:
    """Every sample by its name and labels, as one writes it: `leadpipe_event_dates{verdict="proved"}`."""
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    answer = client.get("/metrics", headers={"Accept": accept, **headers})
    assert answer.status_code == 200, answer.text
    is_open = answer.headers["content-type"].startswith("application/openmetrics-text")
    assert is_open is ("openmetrics" in accept)
    families = (open_metrics if is_open else plain_text)(answer.text)
    return {
        written(sample.name, sample.labels): sample.value
        for family in families
        for sample in family.samples
    }


def written(name: str, labels: Mapping[str, Any]) -> str:
    """A sample's name with its labels in order."""
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name


def only(samples: Mapping[str, float], *starts: str) -> dict[str, float]:
    """The samples whose names begin so."""
    return {name: value for name, value in samples.items() if name.startswith(starts)}
