-- How did the syncs go, day by day?
-- The latest thirty days with a run; events that were known already are duplicates, and do no harm.
SELECT CAST(started_at AS DATE) AS day, count(*) AS runs,
       count(*) FILTER (status IN ('failed', 'interrupted')) AS went_wrong,
       sum(events_new)::BIGINT AS events_new,
       sum(events_duplicate)::BIGINT AS events_duplicate,
       sum(events_rejected)::BIGINT AS events_rejected,
       sum(api_calls)::BIGINT AS api_calls,
       sum(rate_limits)::BIGINT AS rate_limits
FROM runs
GROUP BY day
ORDER BY day DESC
LIMIT 30
