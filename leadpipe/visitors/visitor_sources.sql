-- Where the page views and signups of a day came from: campaign parameters and the site that led here.
-- grain: one day and source; key: all columns before visitors
-- input: raw_events; $first_day and $last_day, both inclusive, in UTC
-- Each event has the source that PostHog's library gave it, which keeps a visit's own. `$direct` is no site. A
-- person of two sources counts for both, so visitors cannot be summed; without a person the distinct_id counts.
WITH said AS (
    SELECT
        event_date,
        meaning,
        coalesce(person_id, distinct_id) AS visitor,
        json_extract_string(
            CASE WHEN json_valid(properties) THEN properties END,
            ['$.utm_source', '$.utm_medium', '$.utm_campaign', '$."$referring_domain"']
        ) AS origin
    FROM raw_events
    WHERE meaning IN ('pageview', 'signup') AND event_date BETWEEN $first_day AND $last_day
),
seen AS (
    SELECT
        event_date,
        meaning,
        visitor,
        nullif(trim(origin[1]), '') AS utm_source,
        nullif(trim(origin[2]), '') AS utm_medium,
        nullif(trim(origin[3]), '') AS utm_campaign,
        nullif(nullif(trim(origin[4]), ''), '$direct') AS referring_domain
    FROM said
)
SELECT
    event_date AS date,
    utm_source,
    utm_medium,
    utm_campaign,
    referring_domain,
    count(DISTINCT visitor) FILTER (meaning = 'pageview') AS visitors,
    count(*) FILTER (meaning = 'pageview') AS pageviews,
    count(*) FILTER (meaning = 'signup') AS signups
FROM seen
GROUP BY ALL
ORDER BY ALL
