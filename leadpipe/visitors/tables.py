"""The tables of visitors: weeks, how they changed, and the syncs that changed them."""

import duckdb

TABLES = (
    "visitor_metrics",
    "visitor_metric_changes",
    "visitor_syncs",
)
STATE: dict[str, tuple[str, ...]] = {}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
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


def count_frozen_weeks(connection: duckdb.DuckDBPyConnection) -> None:
    """A sync tells how many weeks PostHog's retention hides."""
    connection.execute("ALTER TABLE visitor_syncs ADD COLUMN frozen INTEGER DEFAULT 0")


def say_when_counted(connection: duckdb.DuckDBPyConnection) -> None:
    """A week tells when it was last counted, also where the count was the same."""
    connection.execute("""
        ALTER TABLE visitor_metrics ADD COLUMN counted_at TIMESTAMPTZ;
        UPDATE visitor_metrics SET counted_at = updated_at;
    """)


MIGRATIONS = (create_tables, count_frozen_weeks, say_when_counted)
