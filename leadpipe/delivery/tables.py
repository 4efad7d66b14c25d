"""The tables of delivery: the outbox, its attempts and ends, and what was compared with the partner."""

import duckdb

from leadpipe.domains import InState

TABLES = (
    "lead_deliveries",
    "delivery_attempts",
    "succeeded_leads",
    "failed_leads",
    "breaker_changes",
    "partner_events",
    "reconciliations",
    "reconciliation_findings",
    "delivery_alerts",
    "lead_settlements",
    "captured_days",
)
STATE = {
    "lead_deliveries": ("id",),
    "delivery_attempts": (),
    "succeeded_leads": ("id",),
    "failed_leads": ("id",),
    "breaker_changes": (),
    "partner_events": ("event_id",),
    "reconciliations": ("report_id",),
    "reconciliation_findings": (),
    "delivery_alerts": (),
    "lead_settlements": (),
    "captured_days": (),
}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
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


def keep_decisions(connection: duckdb.DuckDBPyConnection) -> None:
    """What persons decided about leads, and what a comparison could not decide."""
    connection.execute("""
        CREATE TABLE lead_settlements (
            id BIGINT NOT NULL,
            decision VARCHAR NOT NULL,
            npa_lead_id VARCHAR,
            who VARCHAR NOT NULL,
            why VARCHAR NOT NULL,
            decided_at TIMESTAMPTZ NOT NULL
        );
        ALTER TABLE reconciliations ADD COLUMN undecided BIGINT;
        ALTER TABLE reconciliation_findings ADD COLUMN reason VARCHAR;
    """)


def keep_seekers(connection: duckdb.DuckDBPyConnection) -> None:
    """Whose lead it is, where an event brought it: the seeker in the table of leads."""
    connection.execute("ALTER TABLE lead_deliveries ADD COLUMN seeker_id VARCHAR")


def remember_captured_days(connection: duckdb.DuckDBPyConnection) -> None:
    """From which version of each day captured leads are in the outbox: the next delivery looks at all."""
    connection.execute(
        "CREATE TABLE captured_days (event_date DATE NOT NULL, version INTEGER NOT NULL)"
    )


MIGRATIONS = (
    InState(create_tables),
    InState(keep_decisions),
    InState(keep_seekers),
    InState(remember_captured_days),
)
