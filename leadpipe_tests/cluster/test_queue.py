"""Which queue a run goes to, how many are handed out at once, and how days are cut into ranges."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.run_coordinator import SubmitRunContext

from leadpipe.cluster.queue import ClusterQueue, _queue_of
from leadpipe.queues import ANYWHERE, BACKFILL_TAG, BULK, EDGE, QUEUE_TAG
from leadpipe.ranges import contiguous

_FIRST = date(2026, 1, 1)


@dataclass
class Graph:
    """Assets by name, with the queue that each names."""

    queues: dict[str, str | None]

    @property
    def asset_graph(self):
        return self

    def has(self, key):
        return key.to_user_string() in self.queues

    def get(self, key):
        queue = self.queues[key.to_user_string()]
        return Node({QUEUE_TAG: queue} if queue else {})


@dataclass
class Node:
    """An asset."""

    tags: dict[str, str]


@dataclass
class Run:
    """A run."""

    asset_selection: set[dg.AssetKey] | None = None
    tags: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("assets", "tags", "queue"),
    [
        (None, {}, ANYWHERE),
        (("raw_events", "leads"), {}, ANYWHERE),
        (("webhook_events",), {}, EDGE),
        (("raw_events", "webhook_events"), {BACKFILL_TAG: "abc"}, EDGE),
        (("exported_files", "leads"), {}, BULK),
        (("raw_events",), {BACKFILL_TAG: "abc"}, BULK),
        (("unknown",), {}, ANYWHERE),
    ],
)
def test_the_queue_of_a_run(assets, tags, queue):
    """What needs the page's machine goes there whatever else it does; what takes long waits."""
    graph = Graph(
        {"raw_events": None, "leads": None, "webhook_events": EDGE, "exported_files": BULK}
    )
    chosen = {dg.AssetKey(name) for name in assets} if assets else None
    assert _queue_of(SubmitRunContext(cast("Any", Run(chosen, tags)), cast("Any", graph))) == queue


def test_as_many_runs_as_there_are_places(monkeypatch):
    """All workers' together, two for the page's machine beside; what takes long leaves one place free."""
    monkeypatch.setenv("LEADPIPE_BROKER", "redis://localhost/0")
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql+psycopg2://leadpipe@localhost/dagster")
    for workers, bulk in ((1, 1), (4, 3)):
        monkeypatch.setenv("LEADPIPE_WORKERS", str(workers))
        config = ClusterQueue.from_config_value(None, {}).get_run_queue_config()
        assert config.max_concurrent_runs == workers + 2
        limits = {limit["value"]: limit["limit"] for limit in config.tag_concurrency_limits}
        assert limits == {EDGE: 2, ANYWHERE: workers, BULK: bulk}


def test_days_are_cut_where_a_range_is_too_long():
    """Each range is unbroken and no longer than said; a gap begins a new one, and nothing is lost."""
    days = [_FIRST + timedelta(days=n) for n in range(65)] + [
        _FIRST + timedelta(days=n) for n in (70, 71)
    ]
    ranges = contiguous(days, longest=30)
    assert [(last - first).days + 1 for first, last in ranges] == [30, 30, 5, 2]
    covered = [
        first + timedelta(days=n) for first, last in ranges for n in range((last - first).days + 1)
    ]
    assert covered == days
    assert contiguous(days) == [(days[0], days[64]), (days[65], days[66])]
