-- Which events came more or less often than the week before?
-- The seven latest days with events beside the seven before them, by event name. An event that stopped coming is
-- mostly a release that broke it.
WITH latest AS (SELECT max(event_date) AS day FROM events_by_day),
weeks AS (
    SELECT event,
           coalesce(sum(events) FILTER (event_date > day - 7), 0)::BIGINT AS last_7_days,
           coalesce(sum(events) FILTER (event_date <= day - 7), 0)::BIGINT AS the_7_before
    FROM events_by_day CROSS JOIN latest
    WHERE event_date > day - 14
    GROUP BY event
)
SELECT event, last_7_days, the_7_before,
       round((last_7_days - the_7_before) * 100.0 / nullif(the_7_before, 0), 1) AS change_percent
FROM weeks
ORDER BY last_7_days + the_7_before DESC, event
