"""Dagster's rim around the listings domain: `listing_analytics`, `listings` and their checks."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import duckdb

from leadpipe.automation import SYNC_TAG
from leadpipe.catalog import MARTS, SYNCED, same_columns
from leadpipe.charts import bar_chart, markdown_image
from leadpipe.inspecting import inspect_all, inspect_changed
from leadpipe.listings.inspections import IMPOSSIBLE, POSSIBLE_HOURS, SUMS_OF_DAYS
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.partitions import BY_RANGE, DAILY, days_of
from leadpipe.ranges import contiguous
from leadpipe.resources import WarehouseResource, about, failing_clearly, is_after, preview
from leadpipe.settings import Settings
from leadpipe.warehouse import date_literals, transaction

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
def no_hour_is_impossible(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """No count is negative, no part exceeds its whole, every rate follows from its counts.

    After hours were built it looks at the days that changed, run by itself at all, and every night at those
    that were looked at longest ago (`inspected_tables`).
    """
    inspect = inspect_changed if is_after(context, listing_analytics) else inspect_all
    with warehouse.get_connection() as connection:
        inspected = inspect(connection, POSSIBLE_HOURS, settings, now=datetime.now(UTC))
        days = date_literals(inspected.faults)
        rows = preview(
            connection,
            f"SELECT * FROM listing_analytics WHERE date IN ({days}) AND ({IMPOSSIBLE}) ORDER BY date, hour",
        )
    count = sum(inspected.faults.values())
    return dg.AssetCheckResult(
        passed=not count,
        metadata={"impossible hours": count, "days looked at": inspected.looked, "rows": rows},
    )


@dg.asset_check(asset=listings, pool="warehouse")
def totals_equal_their_hours(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    settings: dg.ResourceParam[Settings],
) -> dg.AssetCheckResult:
    """A listing's totals are the sums of its hours, and every listing with an hour has totals.

    After totals were built it compares what the days that changed add to them, and that no total is less;
    run by itself all listings with all hours. Every night totals and distinct people are counted anew
    (`inspected_tables`).
    """
    with warehouse.get_connection() as connection:
        if is_after(context, listings):
            inspected = inspect_changed(connection, SUMS_OF_DAYS, settings, now=datetime.now(UTC))
            wrong = sum(inspected.faults.values())
            metadata = {"days compared": inspected.looked, "listings that differ": wrong}
        else:
            wrong, count = connection.execute(TOTALS).fetchone() or (0, 0)
            metadata = {"listings compared": count, "listings that differ": wrong}
    return dg.AssetCheckResult(passed=not wrong, metadata=metadata)
