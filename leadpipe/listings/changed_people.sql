-- How many more distinct people listings have over all time, after days were replaced.
-- grain: one listing whose people changed on one of the days; key: listing_id
-- inputs: people_gone and people_fresh (rows of listing_people that went or came), people_before (all that the
--   days had), people_found (those that are there on any day now: `people.py`)
-- A person counts once they are there on any day, and no more when they are on none.
WITH changed AS (
    SELECT listing_id, is_lead, actor FROM people_gone
    UNION
    SELECT listing_id, is_lead, actor FROM people_fresh
),
found AS (
    SELECT listing_id, is_lead, actor, bool_or(is_elsewhere) AS is_elsewhere
    FROM people_found
    GROUP BY listing_id, is_lead, actor
),
before AS (
    SELECT DISTINCT listing_id, is_lead, actor FROM people_before
),
persons AS (
    SELECT
        changed.listing_id,
        changed.is_lead,
        CAST(found.actor IS NOT NULL AS INTEGER)
            - CAST(before.actor IS NOT NULL OR coalesce(is_elsewhere, false) AS INTEGER) AS more
    FROM changed
    LEFT JOIN found USING (listing_id, is_lead, actor)
    LEFT JOIN before USING (listing_id, is_lead, actor)
)
SELECT
    listing_id,
    coalesce(sum(more) FILTER (NOT is_lead), 0) AS unique_views,
    coalesce(sum(more) FILTER (is_lead), 0) AS unique_leads
FROM persons
GROUP BY listing_id
