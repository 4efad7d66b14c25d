-- How long does a lead wait for the first response?
-- By the week of the first action: how many were answered, and the median and 90th percentile of those. A response is
-- the first status other than `new`.
SELECT CAST(date_trunc('week', first_action_at) AS DATE) AS week,
       count(*) AS leads,
       count(first_response_seconds) AS answered,
       round(median(first_response_seconds) / 3600, 1) AS median_hours,
       round(quantile_cont(first_response_seconds, 0.9) / 3600, 1) AS hours_of_90_percent
FROM grouped_leads
GROUP BY week
ORDER BY week DESC
