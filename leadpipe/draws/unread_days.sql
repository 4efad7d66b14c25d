-- Days whose events are not all here that PostHog received before a date began.
-- grain: one day; key: event_date
-- inputs: event_days, changed_days
-- $first_day: the first day that matters; $begins_at: when the draw date begins
-- A day is read up to a moment by itself, or because a later plan of a sync found it unchanged.
WITH days AS (
    SELECT CAST(day AS DATE) AS event_date
    FROM range(CAST($first_day AS TIMESTAMP), CAST($begins_at AS TIMESTAMP), INTERVAL 1 DAY) AS d(day)
),
plans AS (
    SELECT max(until) AS planned_until FROM changed_days
),
pending AS (
    SELECT event_date, min(since) AS since FROM changed_days JOIN event_days USING (event_date)
    WHERE read_until IS NULL OR read_until < until
    GROUP BY event_date
)
SELECT event_date
FROM days
LEFT JOIN event_days USING (event_date)
LEFT JOIN pending USING (event_date)
CROSS JOIN plans
WHERE read_until IS NULL
   OR coalesce(
       pending.since,
       greatest(read_until, planned_until)
   ) < $begins_at
ORDER BY event_date
