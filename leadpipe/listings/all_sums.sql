-- What the totals of every listing are made of, from all days.
-- grain: one listing; key: listing_id
-- inputs: listing_days, listing_people
-- Distinct people cannot be summed over days: they are counted anew, per person first, then per listing.
WITH persons AS (
    SELECT listing_id, is_lead, actor FROM listing_people GROUP BY ALL
),
people AS (
    SELECT
        listing_id,
        count(*) FILTER (NOT is_lead) AS unique_views,
        count(*) FILTER (is_lead) AS unique_leads
    FROM persons
    GROUP BY listing_id
),
per_platform AS (
    SELECT listing_id, share.key AS platform, sum(share.value) AS shares
    FROM (
        SELECT listing_id, unnest(map_entries(CAST(share_breakdown AS MAP(VARCHAR, BIGINT)))) AS share
        FROM listing_days
        WHERE impression_share > 0
    )
    GROUP BY ALL
),
shares AS (
    SELECT
        listing_id,
        to_json(map_from_entries(list((platform, CAST(shares AS BIGINT)) ORDER BY platform)))
            AS share_breakdown
    FROM per_platform
    GROUP BY listing_id
),
sums AS (
    SELECT
        listing_id,
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
        sum(whatsapp_leads) AS whatsapp_leads,
        sum(email_leads) AS email_leads,
        sum(appointment_leads) AS appointment_leads,
        sum(website_leads) AS website_leads,
        sum(total_sales) AS total_sales,
        sum(sales_value) AS sales_value,
        min(first_activity_at) AS first_activity_at,
        max(last_activity_at) AS last_activity_at
    FROM listing_days
    GROUP BY listing_id
)
SELECT
    sums.*,
    coalesce(share_breakdown, '{}') AS share_breakdown,
    coalesce(unique_views, 0) AS unique_views,
    coalesce(unique_leads, 0) AS unique_leads
FROM sums
LEFT JOIN people USING (listing_id)
LEFT JOIN shares USING (listing_id)
