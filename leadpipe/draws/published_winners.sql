-- Winners and runner-ups as anyone may read them: MSISDNs masked as `msisdn.masked` does it.
-- grain: one place of a draw; key: draw_id, prize_tier_id, is_runner_up, rank
-- input: draw_winners
SELECT
    * EXCLUDE (msisdn, distinct_id),
    left(msisdn, 6) || repeat('*', greatest(length(msisdn) - 9, 1))
        || substr(msisdn, greatest(length(msisdn) - 2, 8)) AS msisdn
FROM draw_winners
ORDER BY draw_date, draw_id, is_runner_up, prize_tier_id, rank
