"""Dagster's rim around the inbox: the asset `webhook_events`."""

from datetime import UTC, datetime

import dagster as dg

from leadpipe.catalog import ARRIVALS, table_of
from leadpipe.events.assets import run_of
from leadpipe.events.connecting import event_mapping
from leadpipe.events.run_days import of_runs
from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.drain import drain
from leadpipe.inbox.settings import InboxSettings
from leadpipe.published.tables import publish_tables
from leadpipe.queues import EDGE, in_queue
from leadpipe.resources import WarehouseResource, failing_clearly, preview, table


@dg.asset(
    deps=["posthog"],
    group_name=ARRIVALS,
    kinds={"posthog", "duckdb"},
    pool="warehouse",
    metadata=table_of("raw_events"),
    tags=in_queue(EDGE),
)
def webhook_events(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[InboxSettings],
) -> dg.MaterializeResult[None]:
    """Events that PostHog's webhook brought, moved from the inbox into `raw_events`; then all is published.

    Source: the inbox file of the web application. An event counts once, whether the webhook, a query or
    both bring it, and however often. What cannot be stored is set aside as unreadable.
    """
    inbox = open_inbox(settings)
    run = run_of(context)
    with failing_clearly():
        report = drain(
            inbox,
            warehouse.warehouse(),
            run_id=run.run_id,
            attempt_id=run.attempt,
            landing=settings.landing_dir,
            publish=lambda connection: publish_tables(connection, settings.published_dir),
            clock=lambda: datetime.now(UTC),
            mapping=event_mapping(settings),
        )
        state = inbox.state()
        with warehouse.get_connection() as connection:
            by_name = preview(
                connection,
                "SELECT event, count(*) AS events, min(timestamp) AS first_at, max(timestamp) AS last_at "
                f"FROM raw_events WHERE {of_runs('event_date')} GROUP BY ALL ORDER BY ALL",
                {"runs": [run.run_id]},
            )
    context.log.info(
        "%s events moved, %s new, %s set aside", report.moved, report.ingested.new, report.buried
    )
    return dg.MaterializeResult(
        metadata={
            "events moved": report.moved,
            "events new": report.ingested.new,
            "events duplicate": report.ingested.duplicate,
            "events left out, as PostHog's queries do not show them": report.withheld,
            "could not be read": report.buried,
            "could not be read in all": state.dead_letters,
            "still waiting": state.waiting,
            "events by name": by_name,
        }
    )


@dg.asset_check(asset=webhook_events)
def no_dead_letters(settings: dg.ResourceParam[InboxSettings]) -> dg.AssetCheckResult:
    """Everything the webhook brought could be read; `leadpipe inbox` shows what could not."""
    letters = open_inbox(settings).dead_letters(limit=10)
    latest = table(
        ("number", "received", "reason"),
        ((letter.number, letter.received_at.isoformat(), letter.reason) for letter in letters),
    )
    return dg.AssetCheckResult(
        passed=not letters,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"latest": latest},
    )
