-- A listing over all time.
-- grain: one listing; key: listing_id
-- inputs: listing_analytics (sums), listing_actions (people over all time, platforms, first and last activity)
-- Distinct people cannot be summed over hours: they are counted anew, per actor first, then per listing.
WITH per_actor AS (
    SELECT
        listing_id,
        lead_type IS NOT NULL AS is_lead,
        meaning = 'view' AS is_view,
        actor,
        min(timestamp) AS first_at,
        max(timestamp) AS last_at
    FROM listing_actions
    GROUP BY ALL
),
people AS (
    SELECT
        listing_id,
        count(*) FILTER (is_view) AS unique_views,
        count(*) FILTER (is_lead) AS unique_leads,
        min(first_at) AS first_activity_at,
        max(last_at) AS last_activity_at
    FROM per_actor
    GROUP BY listing_id
),
per_platform AS (
    SELECT listing_id, coalesce(platform, 'unknown') AS platform, count(*) AS shares
    FROM listing_actions
    WHERE meaning = 'share'
    GROUP BY ALL
),
shares AS (
    SELECT listing_id, to_json(map_from_entries(list((platform, shares) ORDER BY platform))) AS share_breakdown
    FROM per_platform
    GROUP BY listing_id
),
totals AS (
    SELECT
        listing_id,
        sum(total_views) AS total_views,
        sum(logged_in_views) AS logged_in_views,
        sum(anonymous_views) AS anonymous_views,
        sum(views_from_home) AS views_from_home,
        sum(views_from_explore) AS views_from_explore,
        sum(views_from_search) AS views_from_search,
        sum(views_from_direct) AS views_from_direct,
        sum(total_impressions) AS total_impressions,
        sum(impression_social_media) AS impression_social_media,
        sum(impression_website_visit) AS impression_website_visit,
        sum(impression_share) AS impression_share,
        sum(impression_saved_listing) AS impression_saved_listing,
        sum(total_leads) AS total_leads,
        sum(phone_leads) AS phone_leads,
        sum(message_leads) AS message_leads,
        sum(email_leads) AS email_leads,
        sum(appointment_leads) AS appointment_leads,
        sum(website_leads) AS website_leads,
        sum(CAST(leads_breakdown ->> '$.whatsapp' AS BIGINT)) FILTER (message_leads > 0) AS whatsapp,
        sum(total_sales) AS total_sales,
        sum(sales_value) AS sales_value
    FROM listing_analytics
    GROUP BY listing_id
)
SELECT
    listing_id,
    total_views,
    unique_views,
    logged_in_views,
    anonymous_views,
    views_from_home,
    views_from_explore,
    views_from_search,
    views_from_direct,
    total_impressions,
    impression_social_media,
    impression_website_visit,
    impression_share,
    impression_saved_listing,
    coalesce(share_breakdown, '{}') AS share_breakdown,
    total_leads,
    phone_leads,
    message_leads,
    email_leads,
    appointment_leads,
    website_leads,
    json_object(
        'phone', CAST(phone_leads AS BIGINT),
        'whatsapp', CAST(coalesce(whatsapp, 0) AS BIGINT),
        'direct_message', CAST(message_leads - coalesce(whatsapp, 0) AS BIGINT),
        'email', CAST(email_leads AS BIGINT),
        'appointment', CAST(appointment_leads AS BIGINT),
        'website', CAST(website_leads AS BIGINT)
    ) AS leads_breakdown,
    unique_leads,
    total_leads * 100.0 / nullif(total_views, 0) AS conversion_rate,
    total_sales,
    sales_value,
    first_activity_at,
    last_activity_at
FROM totals
JOIN people USING (listing_id)
LEFT JOIN shares USING (listing_id)
ORDER BY listing_id
