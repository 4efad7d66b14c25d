-- What happened to a listing on a day: what its totals are added up from.
-- grain: one listing and one day with at least one hour; key: listing_id, date
-- inputs: listing_analytics, listing_actions (first and last activity)
-- $first_day, $last_day: the days to compute, both inclusive
-- Hours may be older than the events, until the next sync builds them: what they lack is the hour's begin.
WITH hours AS (
    SELECT * FROM listing_analytics WHERE date BETWEEN $first_day AND $last_day
),
sums AS (
    SELECT
        listing_id,
        date,
        sum(total_views) AS total_views,
        sum(logged_in_views) AS logged_in_views,
        sum(views_from_home) AS views_from_home,
        sum(views_from_explore) AS views_from_explore,
        sum(views_from_search) AS views_from_search,
        sum(views_from_direct) AS views_from_direct,
        sum(impression_social_media) AS impression_social_media,
        sum(impression_website_visit) AS impression_website_visit,
        sum(impression_share) AS impression_share,
        sum(impression_saved_listing) AS impression_saved_listing,
        sum(total_leads) AS total_leads,
        sum(phone_leads) AS phone_leads,
        sum(message_leads) AS message_leads,
        coalesce(sum(CAST(leads_breakdown ->> '$.whatsapp' AS BIGINT)) FILTER (message_leads > 0), 0)
            AS whatsapp_leads,
        sum(email_leads) AS email_leads,
        sum(appointment_leads) AS appointment_leads,
        sum(website_leads) AS website_leads,
        sum(total_sales) AS total_sales,
        sum(sales_value) AS sales_value,
        min(CAST(date AS TIMESTAMPTZ) + to_hours(hour)) AS first_hour
    FROM hours
    GROUP BY listing_id, date
),
per_platform AS (
    SELECT listing_id, date, share.key AS platform, sum(share.value) AS shares
    FROM (
        SELECT listing_id, date, unnest(map_entries(CAST(share_breakdown AS MAP(VARCHAR, BIGINT)))) AS share
        FROM hours
        WHERE impression_share > 0
    )
    GROUP BY ALL
),
shares AS (
    SELECT
        listing_id,
        date,
        to_json(map_from_entries(list((platform, CAST(shares AS BIGINT)) ORDER BY platform)))
            AS share_breakdown
    FROM per_platform
    GROUP BY ALL
),
moments AS (
    SELECT
        listing_id,
        event_date AS date,
        min(timestamp) AS first_at,
        max(timestamp) AS last_at
    FROM listing_actions
    WHERE event_date BETWEEN $first_day AND $last_day
    GROUP BY ALL
)
SELECT
    sums.* EXCLUDE (first_hour),
    coalesce(share_breakdown, '{}') AS share_breakdown,
    coalesce(first_at, first_hour) AS first_activity_at,
    coalesce(last_at, first_hour) AS last_activity_at
FROM sums
LEFT JOIN shares USING (listing_id, date)
LEFT JOIN moments USING (listing_id, date)
