-- Rows are days that do not hold PostHog's events; a warning, as leadpipe mends them.
{{ config(severity='warn') }}
SELECT event_date, verdict, detail
FROM {{ source('leadpipe', 'event_days') }}
WHERE verdict = 'differs'
