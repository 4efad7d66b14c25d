-- When are listings looked at, and when do people ask?
-- Views and leads by the hour of the day (UTC) over the 28 latest days.
WITH latest AS (SELECT max(date) AS day FROM listing_analytics)
SELECT hour, sum(total_views)::BIGINT AS views, sum(total_leads)::BIGINT AS leads,
       round(sum(total_leads) * 100.0 / nullif(sum(total_views), 0), 2) AS conversion_rate
FROM listing_analytics CROSS JOIN latest
WHERE date > day - 28
GROUP BY hour
ORDER BY hour
