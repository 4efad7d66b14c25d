-- What happened to a listing in an hour.
-- grain: one listing and one UTC hour with at least one usable event; key: listing_id, date, hour
-- inputs: listing_actions
-- $first_day, $last_day: the days to compute, both inclusive
-- Unique counts are exact, in two steps: actors first, then hours.
WITH actions AS (
    FROM listing_actions WHERE event_date BETWEEN $first_day AND $last_day
),
counts AS (
    SELECT
        listing_id,
        event_date,
        event_hour,
        count(*) FILTER (meaning = 'view') AS total_views,
        count(*) FILTER (meaning = 'view' AND is_logged_in) AS logged_in_views,
        count(*) FILTER (meaning = 'view' AND viewed_from = 'home') AS views_from_home,
        count(*) FILTER (meaning = 'view' AND viewed_from = 'explore') AS views_from_explore,
        count(*) FILTER (meaning = 'view' AND viewed_from = 'search') AS views_from_search,
        count(*) FILTER (meaning = 'view' AND viewed_from = 'direct') AS views_from_direct,
        count(*) FILTER (meaning = 'social_media') AS impression_social_media,
        count(*) FILTER (meaning = 'website_visit') AS impression_website_visit,
        count(*) FILTER (meaning = 'share') AS impression_share,
        count(*) FILTER (meaning = 'saved_listing') AS impression_saved_listing,
        count(*) FILTER (lead_type = 'phone') AS phone,
        count(*) FILTER (lead_type = 'whatsapp') AS whatsapp,
        count(*) FILTER (lead_type = 'direct_message') AS direct_message,
        count(*) FILTER (lead_type = 'email') AS email,
        count(*) FILTER (lead_type = 'appointment') AS appointment,
        count(*) FILTER (lead_type = 'website') AS website,
        count(*) FILTER (meaning = 'sale') AS total_sales,
        sum(price) AS sales_value
    FROM actions
    GROUP BY listing_id, event_date, event_hour
),
actors AS (
    SELECT DISTINCT listing_id, event_date, event_hour, lead_type IS NOT NULL AS is_lead, actor
    FROM actions
    WHERE actor IS NOT NULL
),
people AS (
    SELECT
        listing_id,
        event_date,
        event_hour,
        count(*) FILTER (NOT is_lead) AS unique_views,
        count(*) FILTER (is_lead) AS unique_leads
    FROM actors
    GROUP BY listing_id, event_date, event_hour
),
per_platform AS (
    SELECT listing_id, event_date, event_hour, coalesce(platform, 'unknown') AS platform, count(*) AS shares
    FROM actions
    WHERE meaning = 'share'
    GROUP BY ALL
),
shares AS (
    SELECT
        listing_id,
        event_date,
        event_hour,
        to_json(map_from_entries(list((platform, shares) ORDER BY platform))) AS share_breakdown
    FROM per_platform
    GROUP BY ALL
)
SELECT
    listing_id,
    event_date AS date,
    event_hour AS hour,
    total_views,
    coalesce(unique_views, 0) AS unique_views,
    logged_in_views,
    total_views - logged_in_views AS anonymous_views,
    views_from_home,
    views_from_explore,
    views_from_search,
    views_from_direct,
    impression_social_media + impression_website_visit + impression_share + impression_saved_listing
        AS total_impressions,
    impression_social_media,
    impression_website_visit,
    impression_share,
    impression_saved_listing,
    coalesce(share_breakdown, '{}') AS share_breakdown,
    phone + whatsapp + direct_message + email + appointment + website AS total_leads,
    phone AS phone_leads,
    whatsapp + direct_message AS message_leads,
    email AS email_leads,
    appointment AS appointment_leads,
    website AS website_leads,
    json_object(
        'phone', CAST(phone AS BIGINT),
        'whatsapp', CAST(whatsapp AS BIGINT),
        'direct_message', CAST(direct_message AS BIGINT),
        'email', CAST(email AS BIGINT),
        'appointment', CAST(appointment AS BIGINT),
        'website', CAST(website AS BIGINT)
    ) AS leads_breakdown,
    coalesce(unique_leads, 0) AS unique_leads,
    total_leads * 100.0 / nullif(total_views, 0) AS conversion_rate,
    total_sales,
    coalesce(sales_value, 0) AS sales_value
FROM counts
LEFT JOIN people USING (listing_id, event_date, event_hour)
LEFT JOIN shares USING (listing_id, event_date, event_hour)
