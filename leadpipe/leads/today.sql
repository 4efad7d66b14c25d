-- How many leads are new, and how many wait for an answer.
-- grain: one row
-- inputs: leads_now; $since: from when on a lead is new; $added: of syncs after it; $hot: points; $now
SELECT
    count(*) AS leads,
    count(*) FILTER (first_action_at >= $since) AS fresh,
    count(*) FILTER (first_action_at >= $since AND lead_score >= $hot) AS fresh_hot,
    count(*) FILTER (first_action_at >= $since AND status = 'new') AS fresh_waiting,
    median(first_response_seconds) FILTER (first_action_at >= $since) AS response_seconds,
    count(*) FILTER (added_at > $added) AS added,
    count(*) FILTER (status = 'new') AS waiting,
    count(*) FILTER (status = 'new' AND first_action_at > $now - INTERVAL 1 DAY) AS waiting_day,
    count(*) FILTER (
        status = 'new' AND first_action_at <= $now - INTERVAL 1 DAY AND first_action_at > $now - INTERVAL 7 DAY
    ) AS waiting_week,
    count(*) FILTER (
        status = 'new' AND first_action_at <= $now - INTERVAL 7 DAY AND first_action_at > $now - INTERVAL 30 DAY
    ) AS waiting_month,
    count(*) FILTER (status = 'new' AND first_action_at <= $now - INTERVAL 30 DAY) AS waiting_older
FROM leads_now
