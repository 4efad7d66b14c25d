"""Dagster's rim around the listings domain: `listing_analytics`, `listings` and their checks."""

from datetime import date, timedelta

import dagster as dg
import duckdb

from leadpipe.automation import SYNC_TAG
from leadpipe.catalog import MARTS, SYNCED, same_columns
from leadpipe.charts import bar_chart, markdown_image
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.partitions import BY_RANGE, DAILY, days_of
from leadpipe.ranges import contiguous
from leadpipe.resources import WarehouseResource, about, failing_clearly, preview
from leadpipe.warehouse import transaction

_CHART_DAYS = 30
_CHART_LISTINGS = 10
# Distinct people and times of activity are found in the events, all else is summed.
_SUMMED = (
    "listing_id",
    "total_views",
    "logged_in_views",
    "anonymous_views",
    "views_from_home",
    "views_from_explore",
    "views_from_search",
    "views_from_direct",
    "total_impressions",
    "impression_social_media",
    "impression_website_visit",
    "impression_share",
    "impression_saved_listing",
    "share_breakdown",
    "total_leads",
    "phone_leads",
    "message_leads",
    "email_leads",
    "appointment_leads",
    "website_leads",
    "leads_breakdown",
    "total_sales",
    "sales_value",
)

# A count that is negative, a part that is larger than its whole, a rate that does not follow.
IMPOSSIBLE = """
    least(total_views, unique_views, logged_in_views, anonymous_views, total_impressions, total_leads,
          phone_leads, message_leads, email_leads, appointment_leads, website_leads, unique_leads,
          total_sales) < 0
    OR unique_views > total_views OR unique_leads > total_leads
    OR logged_in_views + anonymous_views <> total_views
    OR views_from_home + views_from_explore + views_from_search + views_from_direct > total_views
    OR phone_leads + message_leads + email_leads + appointment_leads + website_leads <> total_leads
    OR (conversion_rate IS NULL) <> (total_views = 0)
    OR isnan(conversion_rate) OR isinf(conversion_rate)
    OR abs(conversion_rate - total_leads * 100 / nullif(total_views, 0)) > 1e-6
"""
# Listings whose totals are not the sums of their hours, and how many were compared.
TOTALS = """
    WITH hours AS (
        SELECT listing_id, sum(total_views) AS views, sum(total_leads) AS leads,
               sum(total_impressions) AS impressions, sum(total_sales) AS sales,
               sum(sales_value) AS value
        FROM listing_analytics GROUP BY listing_id
    )
    SELECT count(*) FILTER (
               row(total_views, total_leads, total_impressions, total_sales, sales_value)
               IS DISTINCT FROM row(views, leads, impressions, sales, value)
           ), count(*)
    FROM hours FULL JOIN listings USING (listing_id)
"""


@dg.asset(
    deps=["raw_events"],
    partitions_def=DAILY,
    backfill_policy=BY_RANGE,
    group_name=MARTS,
    kinds={"duckdb"},
    pool="warehouse",
    tags=dict([SYNC_TAG]),
    freshness_policy=SYNCED,
)
def listing_analytics(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> dg.MaterializeResult[None]:
    """What happened to each listing in each UTC hour: views, engagement, leads, sales.

    Source: `raw_events`. The days are computed anew and replaced in one transaction, so running it
    again gives the same rows. Days that other runs have changed meanwhile are brought along.
    """
    first, last = days_of(context)
    with failing_clearly(), warehouse.get_connection() as connection:
        with transaction(connection, "listings"):
            others = [day for day in stale_days(connection) if not first <= day <= last]
            report = build_listing_analytics(connection, [(first, last), *contiguous(others)])
        span = f"WHERE date BETWEEN DATE '{first}' AND DATE '{last}'"
        for day, hours, views, leads in connection.execute(
            "SELECT date, count(*), sum(total_views)::BIGINT, sum(total_leads)::BIGINT "
            f"FROM listing_analytics {span} GROUP BY date"
        ).fetchall():
            context.add_asset_metadata(
                {"listing hours": hours, "views": views, "leads": leads},
                partition_key=day.isoformat(),
            )
        context.add_asset_metadata(
            {
                "window": f"{first} to {last} (UTC)",
                "days built": report.days,
                "rows built": report.rows,
                "views per day": dg.MetadataValue.md(_views_plot(connection, last)),
                "preview": preview(
                    connection,
                    "SELECT date, hour, listing_id, total_views, unique_views, total_impressions, "
                    f"total_leads, unique_leads, conversion_rate FROM listing_analytics {span} "
                    "ORDER BY total_leads DESC, total_views DESC, listing_id",
                ),
                **about(connection, "listing_analytics"),
            },
            partition_key=last.isoformat(),
        )
    return dg.MaterializeResult()


@dg.asset(
    deps=[listing_analytics],
    group_name=MARTS,
    kinds={"duckdb"},
    pool="warehouse",
    tags=dict([SYNC_TAG]),
    freshness_policy=SYNCED,
)
def listings(warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Each listing over all time: totals, distinct viewers and seekers, conversion, first and last activity.

    Source: `listing_analytics` and `raw_events`, of the days whose hours were built since. Only the listings
    that these days changed are written; running it again gives the same.
    """
    with failing_clearly(), warehouse.get_connection() as connection:
        with transaction(connection, "listings"):
            build_listings(connection)
        return dg.MaterializeResult(
            metadata={
                "leads of the first ten": dg.MetadataValue.md(_leads_plot(connection)),
                "preview": preview(
                    connection,
                    "SELECT listing_id, total_views, unique_views, total_leads, unique_leads, "
                    "conversion_rate, last_activity_at FROM listings "
                    "ORDER BY total_leads DESC, total_views DESC, listing_id",
                ),
                **about(connection, "listings"),
                "dagster/column_lineage": same_columns("listing_analytics", _SUMMED),
            }
        )


def _views_plot(connection: duckdb.DuckDBPyConnection, last: date) -> str:
    """Views on each of the days before and on the last one of a run."""
    days = [last - timedelta(days=before) for before in range(_CHART_DAYS - 1, -1, -1)]
    views = dict(
        connection.execute(
            "SELECT date, sum(total_views)::BIGINT FROM listing_analytics "
            "WHERE date BETWEEN $first AND $last GROUP BY date",
            {"first": days[0], "last": last},
        ).fetchall()
    )
    chart = bar_chart(
        [f"{day:%m-%d}" for day in days],
        {"views": [views.get(day, 0) for day in days]},
        title="views per day",
    )
    return markdown_image(chart, title="views per day")


def _leads_plot(connection: duckdb.DuckDBPyConnection) -> str:
    """Leads of the listings in the preview, in its order: their ids are too long for labels."""
    rows = connection.execute(
        "SELECT total_leads FROM listings ORDER BY total_leads DESC, total_views DESC, listing_id "
        f"LIMIT {_CHART_LISTINGS}"
    ).fetchall()
    chart = bar_chart(
        [f"{place}." for place in range(1, len(rows) + 1)],
        {"leads": [leads for (leads,) in rows]},
        title="leads of the listings below",
    )
    return markdown_image(chart, title="leads of the listings below")


@dg.asset_check(asset=listing_analytics, pool="warehouse")
def no_hour_is_impossible(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No count is negative, no part exceeds its whole, every rate follows from its counts."""
    with warehouse.get_connection() as connection:
        wrong = connection.execute(
            f"SELECT count(*) FROM listing_analytics WHERE {IMPOSSIBLE}"
        ).fetchone()
        rows = preview(
            connection, f"SELECT * FROM listing_analytics WHERE {IMPOSSIBLE} ORDER BY date, hour"
        )
    count = int(wrong[0]) if wrong else 0
    return dg.AssetCheckResult(passed=not count, metadata={"impossible hours": count, "rows": rows})


@dg.asset_check(asset=listings, pool="warehouse")
def totals_equal_their_hours(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """A listing's totals are the sums of its hours, and every listing with an hour has totals."""
    with warehouse.get_connection() as connection:
        wrong, count = connection.execute(TOTALS).fetchone() or (0, 0)
    return dg.AssetCheckResult(
        passed=not wrong, metadata={"listings compared": count, "listings that differ": wrong}
    )
