-- Who may not take part in a draw.
-- grain: one number; key: msisdn
-- inputs: blacklist
-- $draw_date
SELECT DISTINCT msisdn
FROM blacklist
WHERE blocked_from <= CAST($draw_date AS DATE)
  AND coalesce(blocked_until, 'infinity'::DATE) >= CAST($draw_date AS DATE)
