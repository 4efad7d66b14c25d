-- Who viewed or asked about a listing on a day.
-- grain: one listing, day, person and whether it was a lead; key: all but pair
-- inputs: listing_actions, listing_analytics (of listings that have an hour that day)
-- $first_day, $last_day: the days to compute, both inclusive
-- pair: a number of listing, kind and person that is the same on every day; others may have it too. By it the
-- other days of a person are found without reading any text of them.
SELECT DISTINCT
    event_date AS date,
    listing_id,
    lead_type IS NOT NULL AS is_lead,
    actor,
    md5_number_lower(concat_ws('|', lead_type IS NOT NULL, listing_id, actor)) AS pair
FROM listing_actions
WHERE event_date BETWEEN $first_day AND $last_day
  AND actor IS NOT NULL
  AND (listing_id, event_date) IN (
      SELECT (listing_id, date) FROM listing_analytics WHERE date BETWEEN $first_day AND $last_day
  )
