-- Each listing in a period of days, and in as many days before it, for the list that people look at.
-- grain: one listing; key: listing_id
-- inputs: listings, listing_analytics, grouped_leads (published); the days, all inclusive: $first to $last, of them
-- over until $over, compared with $before_first to $before_last
-- people: distinct viewers over all time, as viewers of hours and days cannot be summed.
WITH hours AS (
    SELECT
        listing_id,
        sum(total_views) FILTER (date >= $first) AS views,
        sum(total_leads) FILTER (date >= $first) AS leads,
        sum(total_views) FILTER (date BETWEEN $first AND $over) AS views_over,
        sum(total_leads) FILTER (date BETWEEN $first AND $over) AS leads_over,
        sum(total_views) FILTER (date <= $before_last) AS views_before,
        sum(total_leads) FILTER (date <= $before_last) AS leads_before
    FROM listing_analytics
    WHERE date BETWEEN $before_first AND $last
    GROUP BY listing_id
),
listers AS (
    SELECT listing_id, arg_max(lister_id, last_action_at) AS lister_id
    FROM grouped_leads
    WHERE listing_id IS NOT NULL AND lister_id IS NOT NULL
    GROUP BY listing_id
)
SELECT
    listing_id,
    lister_id,
    CAST(coalesce(views, 0) AS BIGINT) AS views,
    CAST(coalesce(views_over, 0) AS BIGINT) AS views_over,
    CAST(coalesce(views_before, 0) AS BIGINT) AS views_before,
    CAST(coalesce(hours.leads, 0) AS BIGINT) AS leads,
    CAST(coalesce(leads_over, 0) AS BIGINT) AS leads_over,
    CAST(coalesce(leads_before, 0) AS BIGINT) AS leads_before,
    coalesce(hours.leads, 0) * 100.0 / nullif(views, 0) AS conversion,
    unique_views AS people,
    last_activity_at,
    lower(concat_ws(' ', listing_id, lister_id)) AS words
FROM listings
LEFT JOIN hours USING (listing_id)
LEFT JOIN listers USING (listing_id)
