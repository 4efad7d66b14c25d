"""A month of the sandbox's traffic, loaded, counted and published today."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from leadpipe.connections import connect_posthog
from leadpipe.events.connecting import event_mapping
from leadpipe.events.ledger import Run, finish_run
from leadpipe.events.settings import EventsSettings
from leadpipe.posthog import CallCounts
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings
from leadpipe.visitors.metrics import sync_visitors
from leadpipe.visitors.weeks import weeks_between
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import build_marts, load
from posthog_sandbox.process import SandboxProcess

_DAYS = 30
_EVENTS = 6_000


@pytest.fixture
def published(machine_clock: None, settings: Settings, sandbox: SandboxProcess) -> Path:
    """The folder of the publications; some leads were answered, and one converted."""
    now = datetime.now(UTC)
    sandbox.control.generate(events=_EVENTS, days=_DAYS, end=now)
    warehouse = Warehouse(settings.warehouse_path)
    days = [now.date() - timedelta(days=before) for before in range(_DAYS, -1, -1)]
    load(settings, warehouse, days)
    build_marts(warehouse)
    with connect_posthog(settings) as posthog:
        sync_visitors(
            posthog,
            warehouse,
            weeks_between(days[0], days[-1]),
            run_id="run-1",
            mapping=event_mapping(settings.of(EventsSettings)),
            clock=lambda: now,
            note=lambda _: None,
        )
    with warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO lead_edits SELECT lead_id, 'status', status, 'ama', last_action_at + hours, "
            "'edit-' || lead_id || status, '', NULL "
            "FROM (SELECT DISTINCT ON (lead_id) lead_id, last_action_at FROM leads ORDER BY lead_id LIMIT 9)"
            ", (VALUES ('contacted', INTERVAL 1 HOUR), ('converted', INTERVAL 2 HOUR)) AS x(status, hours)"
        )
        finish_run(connection, Run("run-1", "manual"), calls=CallCounts(1, 0, 0), now=now)
        publish_tables(connection, settings.published_dir)
    return settings.published_dir
