"""`/metrics` in Prometheus' format: what the domains bring, the program itself, and the requests it answers.

Belongs here: gathering, naming, who may scrape. Does not belong here: what a domain measures (its
`monitoring.py`), how requests are counted (`requests.py`). A scrape reads published tables, once a
publication, and never the warehouse, so it waits for nobody. Nothing is global: each application has its own
registry.
"""

import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from leadpipe.domains import HasMetrics, owners, parts
from leadpipe.errors import LeadpipeError, NotPublished
from leadpipe.published import reading
from leadpipe.settings import Settings
from leadpipe.terminal import visible
from leadpipe.web.guards import check_secret
from leadpipe.web.settings import WebSettings
from leadpipe.web.state import state_of

_SECRET = "LEADPIPE_METRICS_SECRET"  # noqa: S105 - the setting's name
_OWN = {
    "leadpipe_publication_timestamp_seconds": "When the published tables were written.",
    "leadpipe_metrics_readable": "Whether what a domain measures could be read, by domain.",
}
_log = logging.getLogger("leadpipe.metrics")


@dataclass(frozen=True)
class Scrape:
    """One scrape: what a domain's metrics are made of.

    Args:
        settings: where everything is; all sections.
        ask: rows of a SELECT over the published tables as dicts, none where a table is not published. They
            are read once a publication and kept, so ask for moments, never for ages.
        now: when (UTC).
    """

    settings: Settings
    ask: Callable[[str], list[dict[str, Any]]]
    now: datetime

    def seconds_since(self, moment: datetime) -> float:
        """The age of a moment; none of what a clock that is ahead has written."""
        return max((self.now - moment).total_seconds(), 0.0)


@dataclass(frozen=True)
class Sample:
    """A value of a metric; labels have few values, and no personal data."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def make_registry(settings: Settings, *, clock: Callable[[], datetime]) -> CollectorRegistry:
    """The metrics of an application.

    Raises:
        DomainMisfit: two domains bring a metric of one name.
    """
    brought = [(domain, name) for domain, part in parts(HasMetrics) for name in part.METRICS]
    owners([("leadpipe", name) for name in _OWN] + brought, "metric")
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Domains(settings, clock))
    return registry


async def show_metrics(request: Request) -> Response:
    """`GET /metrics`: with LEADPIPE_METRICS_SECRET; as text or OpenMetrics, whichever is accepted."""
    web = state_of(request)
    check_secret(web, request, web.settings.of(WebSettings).metrics_secret, _SECRET)
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    body = await run_in_threadpool(encode, web.registry)
    return Response(body, headers={"Content-Type": kind, "Cache-Control": "no-store"})


class _Domains(Collector):
    """What the domains bring; one that cannot be read is told, and hides no other."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._published = _PublishedAnswers(settings.published_dir)

    def describe(self) -> list[Metric]:
        """Nothing: names are compared when the registry is made, and files read at a scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        build = InfoMetricFamily("leadpipe_build", "The version that runs.")
        build.add_metric([], {"version": version("leadpipe"), "python": platform.python_version()})
        yield build
        scrape = Scrape(self._settings, self._published.ask, self._clock())
        is_readable: list[Sample] = []
        for domain, part in parts(HasMetrics):
            try:
                samples = list(part.metrics(scrape))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others can be read
                words = str(error) if isinstance(error, LeadpipeError) else type(error).__name__
                _log.warning("metrics of %s: %s", domain, visible(words))
                samples = []
                is_readable.append(Sample("leadpipe_metrics_readable", 0, {"domain": domain}))
            else:
                is_readable.append(Sample("leadpipe_metrics_readable", 1, {"domain": domain}))
            yield from _families(part.METRICS, samples)
        made = self._published.made_at()
        moment = [Sample("leadpipe_publication_timestamp_seconds", made)] if made else []
        yield from _families(_OWN, [*moment, *is_readable])


def _families(names: Mapping[str, str], samples: list[Sample]) -> Iterator[Metric]:
    """Samples by name; a `_total` counts, anything else may fall."""
    for name, help_text in names.items():
        own = [sample for sample in samples if sample.name == name]
        if not own:
            continue
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        labels = list(own[0].labels)
        family = kind(name, help_text, labels=labels)
        for sample in own:
            family.add_metric([sample.labels[label] for label in labels], sample.value)
        yield family


class _PublishedAnswers:
    """Answers of the current publication; it does not change, so each question is asked of it once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._publication: tuple[str, int, int] | None = None
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._lock = Lock()

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a question; those of the last publication are asked again together."""
        with self._lock:
            there = self._there()
            if there != self._publication:
                self._answers = self._read({*self._answers, sql})
                # Replaced meanwhile: then these answers are for this scrape only.
                self._publication = there if there == self._there() else None
            elif sql not in self._answers:
                self._answers |= self._read({sql})
            return self._answers[sql]

    def made_at(self) -> float | None:
        """When the current publication was written, in seconds since 1970; None before the first."""
        there = self._there()
        return None if there is None else there[2] / 1e9

    def _there(self) -> tuple[str, int, int] | None:
        current = self._folder / "current"
        try:
            found = current.stat()
        except OSError:
            return None
        return current.resolve().name, found.st_ino, found.st_mtime_ns

    def _read(self, questions: set[str]) -> dict[str, list[dict[str, Any]]]:
        def read(ask: reading.Ask) -> dict[str, list[dict[str, Any]]]:
            return {sql: _rows(ask, sql) for sql in sorted(questions)}

        try:
            return reading.read_together(self._folder, read)
        except NotPublished:
            return {sql: [] for sql in questions}


def _rows(ask: reading.Ask, sql: str) -> list[dict[str, Any]]:
    try:
        return ask(sql).as_dicts()
    except NotPublished:  # not by this version yet
        return []


def timestamp(moment: datetime) -> float:
    """Seconds since 1970, as Prometheus has moments."""
    return moment.astimezone(UTC).timestamp()
