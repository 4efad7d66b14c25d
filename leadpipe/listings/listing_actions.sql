-- What counts for a listing: the events that its marts are made of, with who did it.
-- grain: one usable event of a listing; key: uuid
-- inputs: raw_events
-- A viewer is a person as PostHog knows them; a lead's actor is its seeker. A saved listing counts when
-- it is added, not when removed.
SELECT
    listing_id,
    event_date,
    event_hour,
    timestamp,
    meaning,
    lead_type,
    viewed_from,
    is_logged_in,
    platform,
    price,
    CASE
        WHEN lead_type IS NOT NULL THEN seeker_id
        WHEN meaning = 'view' THEN coalesce(person_id, distinct_id)
    END AS actor
FROM raw_events
WHERE listing_id IS NOT NULL
  AND rejected_reason IS NULL
  AND (
      lead_type IS NOT NULL
      OR meaning IN ('view', 'social_media', 'website_visit', 'share', 'sale')
      OR (meaning = 'saved_listing' AND save_action = 'add')
  )
