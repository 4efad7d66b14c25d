-- How many visitors a week had first seen in each of its hours: added up they are the visitors up to an hour.
-- grain: one hour of the week in which somebody had the first pageview of the week; key: hour_at
-- input: raw_events; $first_day (a Monday) and $last_day, both inclusive, in UTC
-- A pageview without a person counts for the person of its distinct_id in the week, else for its distinct_id.
WITH seen AS (
    SELECT timestamp, person_id, distinct_id
    FROM raw_events
    WHERE meaning = 'pageview' AND event_date BETWEEN $first_day AND $last_day
),
known AS (
    SELECT distinct_id, max(person_id) AS person_id
    FROM seen
    WHERE person_id IS NOT NULL AND distinct_id IN (SELECT distinct_id FROM seen WHERE person_id IS NULL)
    GROUP BY distinct_id
),
visitors AS (
    SELECT
        coalesce(seen.person_id, known.person_id, seen.distinct_id) AS visitor,
        min(timestamp) AS first_at
    FROM seen
    LEFT JOIN known USING (distinct_id)
    GROUP BY visitor
)
SELECT
    CAST($first_day AS DATE) AS week_start,
    date_trunc('hour', first_at) AS hour_at,
    count(*) AS visitors
FROM visitors
WHERE visitor IS NOT NULL
GROUP BY ALL
ORDER BY ALL
