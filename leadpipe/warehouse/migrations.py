"""The warehouse's tables, as ordered functions; each is applied with its record in one transaction.

Forward only: to change a table, append a function. No keys and no indexes (they cost four times the
load time and memory): uniqueness is the duty of `events/ingest.py` and is proved by an asset check.
"""

from collections.abc import Callable
from datetime import datetime

import duckdb

from leadpipe.errors import WarehouseTooNew

Migration = Callable[[duckdb.DuckDBPyConnection], None]


def _0001_events(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE raw_events (
            uuid UUID NOT NULL,
            event VARCHAR NOT NULL,
            timestamp TIMESTAMPTZ NOT NULL,
            event_date DATE NOT NULL,
            event_hour UTINYINT NOT NULL,
            created_at TIMESTAMPTZ,
            distinct_id VARCHAR,
            person_id VARCHAR,
            listing_id VARCHAR,
            seeker_id VARCHAR,
            lister_id VARCHAR,
            lister_type VARCHAR,
            context_type VARCHAR,
            lead_type VARCHAR,
            is_logged_in BOOLEAN,
            viewed_from VARCHAR,
            platform VARCHAR,
            save_action VARCHAR,
            price DECIMAL(18, 2),
            properties VARCHAR,
            rejected_reason VARCHAR,
            run_id VARCHAR NOT NULL
        );
        CREATE TABLE rejected_events (
            run_id VARCHAR NOT NULL,
            reason VARCHAR NOT NULL,
            content_hash VARCHAR NOT NULL,
            content VARCHAR NOT NULL,
            rejected_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE event_copies (uuid UUID NOT NULL, event_date DATE NOT NULL);
        CREATE TABLE event_days (
            event_date DATE NOT NULL,
            version INTEGER NOT NULL,
            read_until TIMESTAMPTZ,
            posthog_events BIGINT,
            warehouse_events BIGINT,
            checked_at TIMESTAMPTZ
        );
        CREATE TABLE changed_days (
            event_date DATE NOT NULL,
            events BIGINT NOT NULL,
            since TIMESTAMPTZ NOT NULL,
            until TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE runs (
            run_id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            status VARCHAR NOT NULL,
            window_start DATE,
            window_end DATE,
            events_fetched BIGINT NOT NULL,
            events_new BIGINT NOT NULL,
            events_duplicate BIGINT NOT NULL,
            events_rejected BIGINT NOT NULL,
            rejected_reasons JSON NOT NULL,
            api_calls BIGINT NOT NULL,
            retries BIGINT NOT NULL,
            rate_limits BIGINT NOT NULL,
            version INTEGER NOT NULL,
            error VARCHAR,
            host VARCHAR NOT NULL,
            pid INTEGER NOT NULL,
            started_at TIMESTAMPTZ NOT NULL,
            finished_at TIMESTAMPTZ
        );
        CREATE TABLE sources (host VARCHAR NOT NULL, project_id VARCHAR NOT NULL);
    """)


def _0002_leads(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE leads (
            lead_id VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL,
            listing_id VARCHAR,
            seeker_id VARCHAR NOT NULL,
            lister_id VARCHAR,
            lister_type VARCHAR,
            context_type VARCHAR NOT NULL,
            lead_actions JSON NOT NULL,
            total_actions INTEGER NOT NULL,
            lead_score INTEGER NOT NULL,
            score_version VARCHAR NOT NULL,
            first_action_at TIMESTAMPTZ NOT NULL,
            last_action_at TIMESTAMPTZ NOT NULL,
            first_action_date DATE NOT NULL,
            last_action_date DATE NOT NULL,
            last_action_type VARCHAR NOT NULL,
            status VARCHAR NOT NULL,
            status_tracker JSON NOT NULL,
            notes JSON NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE lead_builds (
            run_id VARCHAR NOT NULL,
            version INTEGER NOT NULL,
            score_version VARCHAR NOT NULL
        );
        CREATE TABLE lead_edits (
            lead_id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            value VARCHAR NOT NULL,
            author VARCHAR NOT NULL,
            edited_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE score_rules (
            version VARCHAR NOT NULL,
            lead_type VARCHAR NOT NULL,
            points INTEGER NOT NULL
        );
    """)


def _0003_listings(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE listing_analytics (
            listing_id VARCHAR NOT NULL,
            date DATE NOT NULL,
            hour UTINYINT NOT NULL,
            total_views BIGINT NOT NULL,
            unique_views BIGINT NOT NULL,
            logged_in_views BIGINT NOT NULL,
            anonymous_views BIGINT NOT NULL,
            views_from_home BIGINT NOT NULL,
            views_from_explore BIGINT NOT NULL,
            views_from_search BIGINT NOT NULL,
            views_from_direct BIGINT NOT NULL,
            total_impressions BIGINT NOT NULL,
            impression_social_media BIGINT NOT NULL,
            impression_website_visit BIGINT NOT NULL,
            impression_share BIGINT NOT NULL,
            impression_saved_listing BIGINT NOT NULL,
            share_breakdown JSON NOT NULL,
            total_leads BIGINT NOT NULL,
            phone_leads BIGINT NOT NULL,
            message_leads BIGINT NOT NULL,
            email_leads BIGINT NOT NULL,
            appointment_leads BIGINT NOT NULL,
            website_leads BIGINT NOT NULL,
            leads_breakdown JSON NOT NULL,
            unique_leads BIGINT NOT NULL,
            conversion_rate DOUBLE,
            total_sales BIGINT NOT NULL,
            sales_value DECIMAL(38, 2) NOT NULL
        );
        CREATE TABLE listing_analytics_builds (event_date DATE NOT NULL, version INTEGER NOT NULL);
        CREATE TABLE listings AS
            SELECT * EXCLUDE (date, hour),
                   NULL::TIMESTAMPTZ AS first_activity_at, NULL::TIMESTAMPTZ AS last_activity_at
            FROM listing_analytics WHERE false;
    """)


def _0004_visitors(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE visitor_metrics (
            id VARCHAR NOT NULL,
            week_start DATE NOT NULL,
            week_end DATE NOT NULL,
            visitors BIGINT NOT NULL,
            pageviews BIGINT,
            signups BIGINT NOT NULL,
            conversion_rate DOUBLE,
            source VARCHAR NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE visitor_metric_changes (
            week_start DATE NOT NULL,
            visitors_before BIGINT,
            visitors BIGINT NOT NULL,
            pageviews_before BIGINT,
            pageviews BIGINT,
            signups_before BIGINT,
            signups BIGINT NOT NULL,
            source VARCHAR NOT NULL,
            run_id VARCHAR,
            changed_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE visitor_syncs (
            run_id VARCHAR NOT NULL,
            status VARCHAR NOT NULL,
            updated INTEGER NOT NULL,
            skipped INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            total INTEGER NOT NULL,
            error VARCHAR,
            started_at TIMESTAMPTZ NOT NULL,
            finished_at TIMESTAMPTZ NOT NULL
        );
    """)


def _0005_interactions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE interaction_syncs (
            sync_id VARCHAR NOT NULL,
            synced_at TIMESTAMPTZ NOT NULL,
            run_id VARCHAR,
            tenant VARCHAR NOT NULL,
            program_id VARCHAR NOT NULL,
            source VARCHAR NOT NULL,
            window_start TIMESTAMPTZ NOT NULL,
            read_until TIMESTAMPTZ NOT NULL,
            events BIGINT NOT NULL,
            added BIGINT NOT NULL,
            already_there BIGINT NOT NULL,
            unmatched BIGINT NOT NULL,
            rejected BIGINT NOT NULL,
            problems JSON NOT NULL,
            content_hash VARCHAR NOT NULL
        );
    """)


def _0006_delivery(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE lead_deliveries (
            id BIGINT NOT NULL,
            idempotency_key VARCHAR NOT NULL,
            state VARCHAR NOT NULL,
            channel VARCHAR,
            session_id VARCHAR,
            lead_data JSON NOT NULL,
            source VARCHAR NOT NULL,
            event_uuid UUID,
            captured_at TIMESTAMPTZ NOT NULL,
            taken_in_at TIMESTAMPTZ NOT NULL,
            attempts INTEGER NOT NULL,
            first_sent_at TIMESTAMPTZ,
            last_sent_at TIMESTAMPTZ,
            next_attempt_at TIMESTAMPTZ,
            finished_at TIMESTAMPTZ,
            npa_lead_id VARCHAR,
            partner_status VARCHAR,
            partner_status_at TIMESTAMPTZ
        );
        CREATE TABLE delivery_attempts (
            id BIGINT NOT NULL,
            attempt INTEGER NOT NULL,
            outcome VARCHAR NOT NULL,
            http_status INTEGER,
            message VARCHAR,
            happened_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE succeeded_leads (
            id BIGINT NOT NULL,
            lead_data JSON NOT NULL,
            channel VARCHAR,
            session_id VARCHAR,
            submitted_at TIMESTAMPTZ NOT NULL,
            npa_response JSON,
            npa_lead_id VARCHAR,
            idempotency_key VARCHAR NOT NULL
        );
        CREATE TABLE failed_leads (
            id BIGINT NOT NULL,
            lead_data JSON NOT NULL,
            error_message VARCHAR NOT NULL,
            channel VARCHAR,
            session_id VARCHAR,
            retry_count INTEGER NOT NULL,
            last_retry_at TIMESTAMPTZ,
            created_at TIMESTAMPTZ NOT NULL,
            resolved BOOLEAN NOT NULL,
            next_retry_at TIMESTAMPTZ,
            idempotency_key VARCHAR NOT NULL
        );
        CREATE TABLE breaker_changes (
            state VARCHAR NOT NULL,
            reason VARCHAR NOT NULL,
            rest_seconds DOUBLE NOT NULL,
            until TIMESTAMPTZ,
            changed_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE partner_events (
            event_id VARCHAR NOT NULL,
            id BIGINT,
            npa_lead_id VARCHAR,
            status VARCHAR NOT NULL,
            occurred_at TIMESTAMPTZ NOT NULL,
            received_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE reconciliations (
            report_id VARCHAR NOT NULL,
            source VARCHAR NOT NULL,
            since TIMESTAMPTZ NOT NULL,
            until TIMESTAMPTZ NOT NULL,
            channel VARCHAR,
            ours BIGINT NOT NULL,
            theirs BIGINT NOT NULL,
            matched BIGINT NOT NULL,
            missing BIGINT NOT NULL,
            unknown BIGINT NOT NULL,
            different BIGINT NOT NULL,
            duplicated BIGINT NOT NULL,
            resubmitted BIGINT NOT NULL,
            made_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE reconciliation_findings (
            report_id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            id BIGINT,
            npa_lead_id VARCHAR,
            fields VARCHAR,
            made_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE delivery_alerts (
            rule VARCHAR NOT NULL,
            is_firing BOOLEAN NOT NULL,
            message VARCHAR NOT NULL,
            told_at TIMESTAMPTZ NOT NULL
        );
    """)


def _0007_draws(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE draw_participants (
            draw_date DATE NOT NULL,
            msisdn VARCHAR NOT NULL,
            distinct_id VARCHAR NOT NULL,
            points BIGINT NOT NULL,
            entries BIGINT NOT NULL,
            recharge_amount DECIMAL(38, 2) NOT NULL,
            recharges BIGINT NOT NULL,
            last_recharge_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE draw_participant_builds (
            draw_date DATE NOT NULL,
            participants BIGINT NOT NULL,
            total_entries BIGINT NOT NULL,
            recharges BIGINT NOT NULL,
            blacklisted BIGINT NOT NULL,
            unread_days BIGINT NOT NULL,
            promotion_start DATE,
            max_recharge_naira BIGINT NOT NULL,
            phone_region VARCHAR NOT NULL,
            built_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE draw_rejections (
            draw_date DATE NOT NULL,
            reason VARCHAR NOT NULL,
            recharges BIGINT NOT NULL,
            new_recharges BIGINT NOT NULL,
            example_uuid UUID NOT NULL
        );
        CREATE TABLE blacklist (
            msisdn VARCHAR NOT NULL,
            blocked_from DATE NOT NULL,
            blocked_until DATE,
            reason VARCHAR NOT NULL,
            author VARCHAR NOT NULL,
            edited_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE draws (
            draw_id VARCHAR NOT NULL,
            draw_date DATE NOT NULL,
            attempt INTEGER NOT NULL,
            status VARCHAR NOT NULL,
            participants BIGINT NOT NULL,
            total_entries BIGINT NOT NULL,
            commitment VARCHAR NOT NULL,
            announcement JSON NOT NULL,
            beacon_value VARCHAR,
            supersedes VARCHAR,
            reason VARCHAR,
            withdrawn_reason VARCHAR,
            frozen_at TIMESTAMPTZ NOT NULL,
            drawn_at TIMESTAMPTZ,
            evidence VARCHAR
        );
        CREATE TABLE draw_secrets (
            draw_id VARCHAR NOT NULL,
            list_key VARCHAR NOT NULL,
            seed VARCHAR NOT NULL
        );
        CREATE TABLE draw_winners (
            draw_id VARCHAR NOT NULL,
            draw_date DATE NOT NULL,
            prize_tier_id INTEGER NOT NULL,
            prize_tier_name VARCHAR NOT NULL,
            prize_value BIGINT NOT NULL,
            is_runner_up BOOLEAN NOT NULL,
            rank INTEGER NOT NULL,
            msisdn VARCHAR NOT NULL,
            distinct_id VARCHAR NOT NULL,
            entries BIGINT NOT NULL,
            event_uuid UUID NOT NULL,
            recorded_at TIMESTAMPTZ
        );
    """)


MIGRATIONS: tuple[Migration, ...] = (
    _0001_events,
    _0002_leads,
    _0003_listings,
    _0004_visitors,
    _0005_interactions,
    _0006_delivery,
    _0007_draws,
)


def migrate(
    connection: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    migrations: tuple[Migration, ...] = MIGRATIONS,
) -> int:
    """Apply what is missing, in order; return how many were applied.

    Raises:
        WarehouseTooNew: the file has migrations this version does not know.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name VARCHAR NOT NULL, applied_at TIMESTAMPTZ)"
    )
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations").fetchall()}
    known = [migration.__name__.lstrip("_") for migration in migrations]
    if unknown := applied.difference(known):
        raise WarehouseTooNew(
            f"This warehouse was written by a newer leadpipe (it has {max(unknown)!r}). "
            "Upgrade leadpipe, or point LEADPIPE_WAREHOUSE at another file."
        )
    missing = [m for m, name in zip(migrations, known, strict=True) if name not in applied]
    for migration in missing:
        connection.execute("BEGIN TRANSACTION")
        try:
            migration(connection)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?)", [migration.__name__.lstrip("_"), now]
            )
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return len(missing)
