-- Who viewed a page in a week: the pairs of person and device id seen.
-- grain: week, person_id and distinct_id; key: all three
-- input: raw_events; $first_day (a Monday) and $last_day, both inclusive, in UTC
SELECT DISTINCT
    CAST(date_trunc('week', event_date) AS DATE) AS week_start,
    person_id,
    distinct_id
FROM raw_events
WHERE meaning = 'pageview' AND event_date BETWEEN $first_day AND $last_day
ORDER BY ALL
