-- How many seekers ask about more than one listing?
-- Seekers by the number of listings and profiles they have asked about.
WITH seekers AS (
    SELECT seeker_id, count(*) AS listings, sum(total_actions) AS actions,
           bool_or(status = 'converted') AS is_converted
    FROM grouped_leads
    GROUP BY seeker_id
)
SELECT CASE WHEN listings >= 5 THEN '5 and more' ELSE listings::VARCHAR END AS listings_asked_about,
       count(*) AS seekers,
       sum(actions)::BIGINT AS actions,
       count(*) FILTER (is_converted) AS converted
FROM seekers
GROUP BY listings_asked_about
ORDER BY min(listings)
