"""A sync by leadpipe's own functions, without Dagster, against a sandbox."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leadpipe.connections import connect_posthog, open_warehouse
from leadpipe.events.connecting import sync_config
from leadpipe.events.ledger import Run
from leadpipe.events.loading import LoadReport, load_days
from leadpipe.events.planning import plan_sync
from leadpipe.events.settings import EventsSettings
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import BUILT_IN
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.published.tables import publish_tables
from leadpipe.ranges import contiguous
from leadpipe.settings import Settings, load_settings
from leadpipe.warehouse import transaction


def settings_of(folder: Path, url: str, *, days: int) -> Settings:
    """Settings of the sandbox, with everything in the folder; before the partitions are imported."""
    first_day = datetime.now(UTC).date() - timedelta(days=days - 1)
    os.environ |= {
        "LEADPIPE_START_DATE": first_day.isoformat(),
        "LEADPIPE_DATA_DIR": str(folder / "data"),
    }
    return load_settings(
        posthog_api_key="phx_sandbox",
        posthog_project_id="1",
        posthog_base_url=url,
        dagster_home=folder,
    )


def sync(settings: Settings) -> LoadReport:
    """Plan, load, build and publish."""
    now = datetime.now(UTC)
    events = settings.of(EventsSettings)
    warehouse = open_warehouse(settings)
    with connect_posthog(settings) as posthog:
        config, first_day = sync_config(events), events.first_day(now)
        days = plan_sync(posthog, warehouse, config=config, first_day=first_day, now=now).days
        report = load_days(
            posthog,
            warehouse,
            days,
            run=Run(str(uuid.uuid4()), "manual"),
            config=config,
            clock=lambda: datetime.now(UTC),
        )
    with warehouse.connect() as connection:
        with transaction(connection):
            build_leads(connection, stale_runs(connection), rules=BUILT_IN)
            build_listing_analytics(connection, contiguous([*days, *stale_days(connection)]))
            build_listings(connection)
        publish_tables(connection, settings.published_dir)
    return report
