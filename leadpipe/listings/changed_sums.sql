-- What the totals of listings are made of after days were replaced: what they were, less what the days had,
-- and what the days have now.
-- grain: one listing that any of the days changed and that has a day still; key: listing_id
-- inputs: listings (as they were), day_changes (rows of listing_days that went or came, is_fresh), listing_days
--   (as it is now), people_changes (changed_people.sql)
-- First and last activity are looked for in all days only where the first or the last of them went.
WITH changed AS (
    SELECT listing_id FROM day_changes
    UNION
    SELECT listing_id FROM people_changes
),
were AS (
    SELECT * FROM listings WHERE listing_id IN (SELECT listing_id FROM changed)
),
parts AS (
    SELECT
        listing_id,
        1 AS sign,
        total_views,
        logged_in_views,
        views_from_home,
        views_from_explore,
        views_from_search,
        views_from_direct,
        impression_social_media,
        impression_website_visit,
        impression_share,
        impression_saved_listing,
        total_leads,
        phone_leads,
        message_leads,
        CAST(leads_breakdown ->> '$.whatsapp' AS BIGINT) AS whatsapp_leads,
        email_leads,
        appointment_leads,
        website_leads,
        total_sales,
        sales_value,
        share_breakdown
    FROM were
    UNION ALL
    SELECT
        listing_id,
        if(is_fresh, 1, -1) AS sign,
        total_views,
        logged_in_views,
        views_from_home,
        views_from_explore,
        views_from_search,
        views_from_direct,
        impression_social_media,
        impression_website_visit,
        impression_share,
        impression_saved_listing,
        total_leads,
        phone_leads,
        message_leads,
        whatsapp_leads,
        email_leads,
        appointment_leads,
        website_leads,
        total_sales,
        sales_value,
        share_breakdown
    FROM day_changes
),
sums AS (
    SELECT
        listing_id,
        sum(sign * total_views) AS total_views,
        sum(sign * logged_in_views) AS logged_in_views,
        sum(sign * views_from_home) AS views_from_home,
        sum(sign * views_from_explore) AS views_from_explore,
        sum(sign * views_from_search) AS views_from_search,
        sum(sign * views_from_direct) AS views_from_direct,
        sum(sign * impression_social_media) AS impression_social_media,
        sum(sign * impression_website_visit) AS impression_website_visit,
        sum(sign * impression_share) AS impression_share,
        sum(sign * impression_saved_listing) AS impression_saved_listing,
        sum(sign * total_leads) AS total_leads,
        sum(sign * phone_leads) AS phone_leads,
        sum(sign * message_leads) AS message_leads,
        sum(sign * whatsapp_leads) AS whatsapp_leads,
        sum(sign * email_leads) AS email_leads,
        sum(sign * appointment_leads) AS appointment_leads,
        sum(sign * website_leads) AS website_leads,
        sum(sign * total_sales) AS total_sales,
        sum(sign * sales_value) AS sales_value
    FROM parts
    GROUP BY listing_id
),
per_platform AS (
    SELECT listing_id, share.key AS platform, sum(sign * share.value) AS shares
    FROM (
        SELECT
            listing_id,
            sign,
            unnest(map_entries(CAST(share_breakdown AS MAP(VARCHAR, BIGINT)))) AS share
        FROM parts
        WHERE impression_share > 0
    )
    GROUP BY ALL
    HAVING shares > 0
),
shares AS (
    SELECT
        listing_id,
        to_json(map_from_entries(list((platform, CAST(shares AS BIGINT)) ORDER BY platform)))
            AS share_breakdown
    FROM per_platform
    GROUP BY listing_id
),
edges AS (
    SELECT
        listing_id,
        min(first_activity_at) FILTER (is_fresh) AS fresh_first_at,
        max(last_activity_at) FILTER (is_fresh) AS fresh_last_at,
        min(first_activity_at) FILTER (NOT is_fresh) AS gone_first_at,
        max(last_activity_at) FILTER (NOT is_fresh) AS gone_last_at
    FROM day_changes
    GROUP BY listing_id
),
moments AS (
    SELECT
        listing_id,
        coalesce(gone_first_at = first_activity_at AND coalesce(fresh_first_at > first_activity_at, true), false)
            OR coalesce(gone_last_at = last_activity_at AND coalesce(fresh_last_at < last_activity_at, true), false)
            AS is_lost,
        least(first_activity_at, fresh_first_at) AS first_at,
        greatest(last_activity_at, fresh_last_at) AS last_at
    FROM changed
    LEFT JOIN were USING (listing_id)
    LEFT JOIN edges USING (listing_id)
),
searched AS (
    SELECT listing_id, min(first_activity_at) AS first_at, max(last_activity_at) AS last_at
    FROM listing_days
    WHERE listing_id IN (SELECT listing_id FROM moments WHERE is_lost)
    GROUP BY listing_id
)
SELECT
    sums.*,
    coalesce(shares.share_breakdown, '{}') AS share_breakdown,
    coalesce(were.unique_views, 0) + coalesce(people_changes.unique_views, 0) AS unique_views,
    coalesce(were.unique_leads, 0) + coalesce(people_changes.unique_leads, 0) AS unique_leads,
    if(is_lost, searched.first_at, moments.first_at) AS first_activity_at,
    if(is_lost, searched.last_at, moments.last_at) AS last_activity_at
FROM moments
JOIN sums USING (listing_id)
LEFT JOIN were USING (listing_id)
LEFT JOIN shares USING (listing_id)
LEFT JOIN people_changes USING (listing_id)
LEFT JOIN searched USING (listing_id)
WHERE if(is_lost, searched.first_at, moments.first_at) IS NOT NULL
