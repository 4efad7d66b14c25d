-- How long leads wait for a first response.
-- grain: one week (Monday, UTC) of first actions; key: week
SELECT CAST(date_trunc('week', first_action_at) AS DATE) AS week,
       count(*) AS leads,
       count(first_response_seconds) AS answered,
       median(first_response_seconds) / 3600 AS median_hours
FROM {{ source('leadpipe', 'grouped_leads') }}
GROUP BY ALL
