-- Which listings move?
-- Views and leads of the seven latest days beside the seven before them; most leads first.
WITH latest AS (SELECT max(date) AS day FROM listing_analytics),
weeks AS (
    SELECT listing_id,
           coalesce(sum(total_leads) FILTER (date > day - 7), 0)::BIGINT AS leads,
           coalesce(sum(total_leads) FILTER (date <= day - 7), 0)::BIGINT AS leads_before,
           coalesce(sum(total_views) FILTER (date > day - 7), 0)::BIGINT AS views,
           coalesce(sum(total_views) FILTER (date <= day - 7), 0)::BIGINT AS views_before
    FROM listing_analytics CROSS JOIN latest
    WHERE date > day - 14
    GROUP BY listing_id
)
SELECT listing_id, leads, leads_before, views, views_before,
       round((views - views_before) * 100.0 / nullif(views_before, 0), 1) AS views_change_percent
FROM weeks
ORDER BY leads DESC, views DESC, listing_id
LIMIT 50
