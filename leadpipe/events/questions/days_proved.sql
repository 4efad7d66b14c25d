-- How many days are proved to hold PostHog's events?
-- Every day there is has one verdict; `leadpipe days` lists them.
SELECT verdict, count(*) AS days, min(event_date) AS first_day, max(event_date) AS last_day,
       sum(warehouse_events)::BIGINT AS events
FROM event_days
GROUP BY verdict
ORDER BY days DESC, verdict
