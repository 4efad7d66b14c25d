-- How many events of which name a day has, and how many of them no table can use.
-- grain: one day, name and reason; key: event_date, event, rejected_reason
-- inputs: raw_events
-- $days: the days to count, a list
SELECT
    event_date,
    event,
    rejected_reason,
    count(*) AS events,
    min(timestamp) AS first_at,
    max(timestamp) AS last_at
FROM raw_events
WHERE event_date IN (SELECT unnest($days::DATE[]))
GROUP BY event_date, event, rejected_reason
