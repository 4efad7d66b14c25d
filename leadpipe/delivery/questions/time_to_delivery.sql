-- How long does a lead take from the conversation to the partner?
-- By channel, with where the leads are now; minutes are of those that the partner has.
SELECT channel, count(*) AS leads,
       count(*) FILTER (state = 'succeeded') AS delivered,
       count(*) FILTER (state IN ('pending', 'sent', 'retrying', 'unknown')) AS under_way,
       count(*) FILTER (state IN ('failed', 'given_up')) AS not_delivered,
       round(median(date_diff('second', captured_at, finished_at)) FILTER (state = 'succeeded') / 60, 1)
           AS median_minutes,
       round(avg(attempts), 1) AS mean_attempts
FROM lead_deliveries
GROUP BY channel
ORDER BY leads DESC, channel
