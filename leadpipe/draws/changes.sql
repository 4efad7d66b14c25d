-- What was reported too late for a draw: recharges and refunds from before the date, received after it began.
-- grain: one recharge event; key: uuid
-- inputs: recharges (temporary, of recharges.sql)
-- $begins_at: when the date begins; $promotion_begins_at, null for no limit; $naira_per_point
-- The list of the draw stays as it is. Late recharges count in the next draw.
WITH before AS (
    SELECT * FROM recharges
    WHERE recharged_at < $begins_at
      AND recharged_at >= coalesce($promotion_begins_at, '-infinity'::TIMESTAMPTZ)
)
SELECT
    'recharge arrived late' AS change,
    uuid,
    msisdn,
    amount,
    CAST(floor(amount) AS BIGINT) // $naira_per_point AS points,
    recharged_at,
    received_at
FROM before
WHERE reason IS NULL AND refund_of IS NULL AND received_at >= $begins_at
UNION ALL
SELECT
    'refunded later',
    refund.uuid,
    before.msisdn,
    -before.amount,
    -CAST(floor(before.amount) AS BIGINT) // $naira_per_point,
    before.recharged_at,
    refund.received_at
FROM recharges AS refund
JOIN before ON before.uuid = refund.refund_of
WHERE refund.reason IS NULL
  AND before.reason IS NULL
  AND before.received_at < $begins_at
  AND refund.received_at >= $begins_at
ORDER BY received_at, uuid
