-- Who takes part in a draw, and with how many entries: what was true before the date began.
-- grain: one participant of one draw date; key: draw_date, msisdn
-- inputs: recharges (temporary, of recharges.sql), blocked (temporary, of blocked.sql)
-- $draw_date; $begins_at: when it begins; $promotion_begins_at: recharges from then on count, null for all
-- $naira_per_point: each recharge gives its whole multiples as points; a point is an entry
-- A recharge counts if it was made and PostHog had received it before the date began: a later run gives
-- the same rows. One that was refunded before the date began does not count.
WITH refunded AS (
    SELECT refund_of AS uuid FROM recharges
    WHERE refund_of IS NOT NULL AND reason IS NULL AND received_at < $begins_at
),
counted AS (
    SELECT
        msisdn,
        distinct_id,
        amount,
        CAST(floor(amount) AS BIGINT) // $naira_per_point AS points,
        recharged_at,
        uuid
    FROM recharges
    WHERE reason IS NULL
      AND refund_of IS NULL
      AND received_at < $begins_at
      AND recharged_at < $begins_at
      AND recharged_at >= coalesce($promotion_begins_at, '-infinity'::TIMESTAMPTZ)
      AND uuid NOT IN (SELECT uuid FROM refunded)
)
SELECT
    CAST($draw_date AS DATE) AS draw_date,
    msisdn,
    coalesce(nullif(arg_max(trim(distinct_id), row(recharged_at, uuid)), ''), msisdn) AS distinct_id,
    CAST(sum(points) AS BIGINT) AS points,
    CAST(sum(points) AS BIGINT) AS entries,
    CAST(sum(amount) AS DECIMAL(38, 2)) AS recharge_amount,
    count(*) AS recharges,
    max(recharged_at) AS last_recharge_at
FROM counted
WHERE msisdn NOT IN (FROM blocked)
GROUP BY msisdn
HAVING sum(points) >= 1
ORDER BY msisdn
