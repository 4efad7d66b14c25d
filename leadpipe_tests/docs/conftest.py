"""A small published warehouse in the working directory, with the names that the pages use."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadpipe.events.ledger import Run, finish_run
from leadpipe.posthog import CallCounts
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.docs.markdown import ROOT, blocks
from leadpipe_tests.events.builders import build_marts, event, take_in


@pytest.fixture
def working_data(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs on listing-123 and others, built and published; the settings lead to it."""
    john = {"listing_id": "listing-123", "seeker_id": "seeker-456", "agent_id": "agent-7"}
    view = {"listing_id": "listing-123", "viewed_from": "search"}
    take_in(
        warehouse,
        tmp_path,
        [
            event("lead_phone", "10:00:00", utm_source="newsletter", **john),
            event("lead_message", "10:30:00", message_type="whatsapp", **john),
            event("lead_phone", "11:00:00", profile_id="agent-7", seeker_id="seeker-457"),
            event("property_view", datetime(2026, 10, 5, 9, tzinfo=UTC), person_id="p", **view),
            event("property_view", "09:00:00", person_id="p", **view),
            event("impression_share", "09:10:00", listing_id="listing-124", platform="whatsapp"),
            event("lead_phone", "12:00:00"),
        ],
    )
    take_in(warehouse, tmp_path, [event("lead_appointment", "12:30:00", **john)], run_id="run-2")
    build_marts(warehouse)
    with warehouse.connect() as connection:
        for run_id in ("run-1", "run-2"):
            finish_run(connection, Run(run_id, "manual"), calls=CallCounts(2, 0, 0), now=NOW)
        publish_tables(connection, tmp_path / "data" / "published")
    monkeypatch.setenv("LEADPIPE_DATA_DIR", "data")
    [rules] = blocks(ROOT / "docs" / "tables.md", "toml")
    (tmp_path / "scores-2027.toml").write_text(rules.text)
    return tmp_path / "data"
