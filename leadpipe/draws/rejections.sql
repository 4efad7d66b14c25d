-- Recharge events a draw could not use, by reason: all received before the date, and on the day before.
-- grain: one draw date and reason; key: draw_date, reason
-- inputs: recharges (temporary, of recharges.sql)
-- $draw_date; $begins_at: when it begins; $day_before_begins_at: when the day before does
-- $promotion_begins_at: events received from then on, null for all
WITH known AS (
    SELECT * FROM recharges
    WHERE received_at < $begins_at
      AND received_at >= coalesce($promotion_begins_at, '-infinity'::TIMESTAMPTZ)
),
rejected AS (
    SELECT uuid, received_at, reason FROM known WHERE reason IS NOT NULL
    UNION ALL
    SELECT uuid, received_at, 'refund of a recharge nobody knows' FROM known
    WHERE reason IS NULL AND refund_of IS NOT NULL AND refund_of NOT IN (
        SELECT uuid FROM recharges
        WHERE reason IS NULL AND refund_of IS NULL AND received_at < $begins_at
    )
)
SELECT
    CAST($draw_date AS DATE) AS draw_date,
    reason,
    count(*) AS recharges,
    count(*) FILTER (received_at >= $day_before_begins_at) AS new_recharges,
    max(uuid) AS example_uuid
FROM rejected
GROUP BY reason
ORDER BY recharges DESC, reason
