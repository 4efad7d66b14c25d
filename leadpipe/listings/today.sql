-- What listings had yesterday, and on a day before it.
-- grain: one listing with an hour in the period; key: listing_id
-- inputs: listing_analytics; $first, $begin and $end: moments (UTC); yesterday is from $begin to before $end, the
-- days before it from $first to before $begin; $days: how many those are
WITH hours AS (
    SELECT listing_id, total_views, total_leads, (date + to_hours(hour)) AT TIME ZONE 'UTC' AS began_at
    FROM listing_analytics
    WHERE date BETWEEN CAST($first::TIMESTAMPTZ AT TIME ZONE 'UTC' AS DATE)
                   AND CAST($end::TIMESTAMPTZ AT TIME ZONE 'UTC' AS DATE)
)
SELECT
    listing_id,
    coalesce(sum(total_views) FILTER (began_at >= $begin), 0)::BIGINT AS views,
    coalesce(sum(total_leads) FILTER (began_at >= $begin), 0)::BIGINT AS leads,
    coalesce(sum(total_views) FILTER (began_at < $begin), 0) / $days AS views_before,
    coalesce(sum(total_leads) FILTER (began_at < $begin), 0) / $days AS leads_before
FROM hours
WHERE began_at >= $first AND began_at < $end
GROUP BY listing_id
ORDER BY views - views_before DESC, listing_id
