-- Visitors, page views and signups of a day, from the events that are here.
-- grain: one day with at least one of them; key: date
-- input: raw_events; $first_day and $last_day, both inclusive, in UTC
-- A person counts once a day. An event without a person counts for the person that its distinct_id has in
-- another page view of the day, else for its distinct_id: as visitors_by_week.sql counts a week.
WITH seen AS (
    SELECT event_date, meaning, person_id, distinct_id
    FROM raw_events
    WHERE meaning IN ('pageview', 'signup') AND event_date BETWEEN $first_day AND $last_day
),
known AS (
    SELECT event_date, distinct_id, max(person_id) AS person_id
    FROM seen
    WHERE meaning = 'pageview' AND person_id IS NOT NULL AND (event_date, distinct_id) IN (
        SELECT (event_date, distinct_id) FROM seen WHERE meaning = 'pageview' AND person_id IS NULL
    )
    GROUP BY event_date, distinct_id
)
SELECT
    event_date AS date,
    count(DISTINCT coalesce(seen.person_id, known.person_id, seen.distinct_id))
        FILTER (meaning = 'pageview') AS visitors,
    count(*) FILTER (meaning = 'pageview') AS pageviews,
    count(*) FILTER (meaning = 'signup') AS signups
FROM seen
LEFT JOIN known USING (event_date, distinct_id)
GROUP BY event_date
ORDER BY event_date
