-- Which sources bring leads, and which of them convert?
-- By the utm_source of a lead's first action.
SELECT coalesce(first_utm_source, '(none)') AS source,
       count(*) AS leads,
       sum(total_actions)::BIGINT AS actions,
       round(avg(lead_score), 1) AS mean_score,
       count(*) FILTER (status = 'converted') AS converted,
       round(count(*) FILTER (status = 'converted') * 100.0 / nullif(count(*), 0), 1) AS converted_percent
FROM grouped_leads
GROUP BY source
ORDER BY leads DESC, source
