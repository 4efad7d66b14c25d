-- Rows are wrong: the funnel has as many lead actions as the listings have, so no week is lost or counted twice.
SELECT *
FROM (SELECT coalesce(sum(lead_actions), 0) AS in_the_funnel FROM {{ ref('lead_funnel') }})
CROSS JOIN (SELECT coalesce(sum(total_leads), 0) AS of_the_listings FROM {{ source('leadpipe', 'listings') }})
WHERE in_the_funnel <> of_the_listings
