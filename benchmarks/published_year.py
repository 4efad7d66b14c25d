"""A published year, made where it is read: 50,000 listings, leads, hours and page views, without a sync."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leadpipe.leads.months import months_followed
from leadpipe.published.tables import publish_tables
from leadpipe.warehouse import Warehouse


@dataclass(frozen=True)
class Size:
    """How much of each there is.

    Args:
        leads: that many, and two of five of them in two runs.
        hours: rows of `listing_analytics` before those of the same hour are one.
        views: page views.
    """

    leads: int
    hours: int
    views: int


BUDGET = Size(leads=100_000, hours=2_000_000, views=5_000_000)
TENTH = Size(leads=20_000, hours=200_000, views=60_000)
# The first listings have most of the hours, as everywhere.
_HOURS = """
    INSERT INTO listing_analytics BY NAME
    SELECT * EXCLUDE (n), 0 AS logged_in_views, total_views AS anonymous_views, 0 AS views_from_home,
           0 AS views_from_explore, total_views AS views_from_search, 0 AS views_from_direct,
           total_impressions AS impression_social_media, 0 AS impression_website_visit,
           0 AS impression_share, 0 AS impression_saved_listing, '{}' AS share_breakdown,
           total_leads AS phone_leads, 0 AS message_leads, 0 AS email_leads, 0 AS appointment_leads,
           0 AS website_leads, json_object('phone', total_leads, 'whatsapp', 0, 'direct_message', 0,
               'email', 0, 'appointment', 0, 'website', 0) AS leads_breakdown,
           total_leads AS unique_leads, total_leads * 100.0 / total_views AS conversion_rate,
           0 AS total_sales, 0 AS sales_value
    FROM (
        SELECT n, concat('listing-', CAST(50000 * pow(n * 0.6180339887 % 1, 3) AS INTEGER)) AS listing_id,
               $today - CAST(n * 0.7548776662 % 1 * 365 AS INTEGER) AS date, n % 24 AS hour,
               1 + n % 3 AS total_views, 1 AS unique_views, CAST(n % 40 = 0 AS INTEGER) AS total_leads,
               CAST(n % 15 = 0 AS INTEGER) AS total_impressions
        FROM range($hours) AS hours(n)
    )
    QUALIFY row_number() OVER (PARTITION BY listing_id, date, hour) = 1;
"""
_LISTINGS = """
    INSERT INTO listing_analytics_builds BY NAME
    SELECT DISTINCT date AS event_date, 1 AS version FROM listing_analytics;
    INSERT INTO listings BY NAME
    SELECT any_value(COLUMNS(* EXCLUDE (listing_id, date, hour, total_views, total_leads, conversion_rate))),
           listing_id, sum(total_leads) * 100.0 / sum(total_views) AS conversion_rate,
           sum(total_views) AS total_views, sum(total_leads) AS total_leads,
           min(date) AS first_activity_at, max(date) AS last_activity_at
    FROM listing_analytics GROUP BY listing_id
"""
_PAGE_VIEWS = """
    INSERT INTO raw_events BY NAME
    SELECT uuid() AS uuid, '$pageview' AS event, moment AS timestamp, CAST(moment AS DATE) AS event_date,
           hour(moment) AS event_hour, moment AS created_at, concat('device-', n % 90000) AS distinct_id,
           concat('person-', n % 80000) AS person_id, 'run-1' AS run_id, 'pageview' AS meaning,
           concat('{"utm_source":"', CASE n % 3 WHEN 0 THEN 'google' WHEN 1 THEN 'facebook' ELSE 'bing' END,
               '","$referring_domain":"$direct"}') AS properties
    FROM (
        SELECT n, $now - to_seconds(CAST(n * 0.5698402909 % 1 * 365 * 86400 AS BIGINT)) AS moment
        FROM range($views) AS views(n)
    );
"""
_DAYS = """
    INSERT INTO event_days BY NAME
    SELECT DISTINCT event_date, 1 AS version FROM raw_events;
    INSERT INTO visitor_metrics BY NAME
    SELECT strftime(week_start, '%G%V') AS id, week_start, week_start + 6 AS week_end,
           count(DISTINCT person_id) AS visitors, count(*) AS pageviews, 40 AS signups,
           4000.0 / count(DISTINCT person_id) AS conversion_rate, 'posthog' AS source,
           now() AS updated_at, now() AS counted_at
    FROM (SELECT CAST(date_trunc('week', event_date) AS DATE) AS week_start, person_id FROM raw_events)
    GROUP BY week_start
"""
# 60 % of the leads have one action, the others two, in a second run.
_LEADS = """
    INSERT INTO leads BY NAME
    SELECT substr(md5(concat('listing|', listing_id, '|', seeker_id)), 1, 12) AS lead_id,
           concat('run-', run) AS run_id, * EXCLUDE (n, run, moment),
           'agent' AS lister_type, 'listing' AS context_type,
           CAST(concat('[{"action_id":"', uuid(), '","action_type":"', last_action_type,
               '","timestamp":"', strftime(moment, '%Y-%m-%dT%H:%M:%S.%fZ'), '","points":', lead_score,
               ',"utm_source":"', CASE n % 3 WHEN 0 THEN 'google' WHEN 1 THEN 'facebook' ELSE 'bing' END,
               '"}]') AS JSON) AS lead_actions,
           1 AS total_actions, 'built-in' AS score_version, moment AS first_action_at,
           moment AS last_action_at,
           CAST(moment AS DATE) AS first_action_date, CAST(moment AS DATE) AS last_action_date,
           'new' AS status, '["new"]' AS status_tracker, '[]' AS notes, moment AS created_at,
           moment AS updated_at
    FROM (
        SELECT n, run, concat('listing-', n % 5000) AS listing_id, concat('seeker-', n) AS seeker_id,
               concat('agent-', n % 300) AS lister_id,
               CASE n % 4 WHEN 0 THEN 'lead_appointment' ELSE 'lead_phone' END AS last_action_type,
               CASE n % 4 WHEN 0 THEN 40 ELSE 30 END AS lead_score,
               $now - to_seconds(CAST((n * 7919 + run * 1301) % (365 * 86400) AS BIGINT)) AS moment
        FROM range($leads) AS leads(n), range(1, 3) AS runs(run) WHERE run = 1 OR n % 5 < 2
    )
"""


def publish_year(data: Path, size: Size, now: datetime) -> None:
    """Fill the warehouse of a data folder, and publish it."""
    with Warehouse(data / "leadpipe.duckdb").connect() as connection:
        with months_followed(connection, ["run-1", "run-2"]):
            connection.execute(_LEADS, {"leads": size.leads, "now": now})
        connection.execute(_HOURS, {"hours": size.hours, "today": now.date()})
        connection.execute(_LISTINGS)
        connection.execute(_PAGE_VIEWS, {"views": size.views, "now": now})
        connection.execute(_DAYS)
        publish_tables(connection, data / "published")
