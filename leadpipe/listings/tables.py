"""The tables of listings: hours, totals, what totals are made of, and from which state each day was built."""

import duckdb

from leadpipe.warehouse import is_of_a_lake

TABLES = (
    "listing_analytics",
    "listing_analytics_builds",
    "listings",
    "listing_days",
    "listing_people",
    "listing_day_builds",
    "listing_month_versions",
)
STATE: dict[str, tuple[str, ...]] = {}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
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


def sum_up_builds(connection: duckdb.DuckDBPyConnection) -> None:
    """What was built of each day has a checksum: months that have the same rows are not written again."""
    connection.execute("ALTER TABLE listing_analytics_builds ADD COLUMN checksum VARCHAR")


def remember_days(connection: duckdb.DuckDBPyConnection) -> None:
    """What each day adds to the totals, and who was there: totals follow the days that change.

    The tables are filled by the next build, which has no day in them yet.
    """
    connection.execute("""
        CREATE TABLE listing_days (
            listing_id VARCHAR NOT NULL,
            date DATE NOT NULL,
            total_views BIGINT NOT NULL,
            logged_in_views BIGINT NOT NULL,
            views_from_home BIGINT NOT NULL,
            views_from_explore BIGINT NOT NULL,
            views_from_search BIGINT NOT NULL,
            views_from_direct BIGINT NOT NULL,
            impression_social_media BIGINT NOT NULL,
            impression_website_visit BIGINT NOT NULL,
            impression_share BIGINT NOT NULL,
            impression_saved_listing BIGINT NOT NULL,
            total_leads BIGINT NOT NULL,
            phone_leads BIGINT NOT NULL,
            message_leads BIGINT NOT NULL,
            whatsapp_leads BIGINT NOT NULL,
            email_leads BIGINT NOT NULL,
            appointment_leads BIGINT NOT NULL,
            website_leads BIGINT NOT NULL,
            total_sales BIGINT NOT NULL,
            sales_value DECIMAL(38, 2) NOT NULL,
            share_breakdown JSON NOT NULL,
            first_activity_at TIMESTAMPTZ NOT NULL,
            last_activity_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE listing_people (
            date DATE NOT NULL,
            listing_id VARCHAR NOT NULL,
            is_lead BOOLEAN NOT NULL,
            actor VARCHAR NOT NULL,
            pair UBIGINT NOT NULL
        );
        CREATE TABLE listing_day_builds (
            event_date DATE NOT NULL, version INTEGER NOT NULL, checksum VARCHAR
        );
    """)


def divide_by_months(connection: duckdb.DuckDBPyConnection) -> None:
    """On a lake the hours of a month are files of their own: a day built again touches no other month's."""
    if is_of_a_lake(connection):
        connection.execute(
            "ALTER TABLE listing_analytics SET PARTITIONED BY (year(date), month(date))"
        )


def version_months(connection: duckdb.DuckDBPyConnection) -> None:
    """Months of first activity have versions: of `listings` only those that changed are written."""
    connection.execute("""
        CREATE TABLE listing_month_versions (month DATE NOT NULL, version BIGINT NOT NULL);
        INSERT INTO listing_month_versions
        SELECT DISTINCT CAST(date_trunc('month', first_activity_at) AS DATE), 1 FROM listings
        WHERE first_activity_at IS NOT NULL;
    """)


MIGRATIONS = (create_tables, sum_up_builds, remember_days, divide_by_months, version_months)
