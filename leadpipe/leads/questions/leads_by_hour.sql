-- At what hour do leads come?
-- Lead actions by the hour of the day (UTC), over all time.
WITH actions AS (
    SELECT action ->> 'action_type' AS action_type,
           CAST(action ->> 'timestamp' AS TIMESTAMPTZ) AS happened_at
    FROM (SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM grouped_leads)
)
SELECT hour(happened_at) AS hour, count(*) AS actions,
       count(*) FILTER (action_type = 'lead_phone') AS phone,
       count(*) FILTER (action_type = 'lead_message') AS messages,
       count(*) FILTER (action_type = 'lead_appointment') AS appointments,
       count(*) FILTER (action_type = 'lead_website') AS website
FROM actions
GROUP BY hour
ORDER BY hour
