-- Which weeks were counted otherwise later?
-- Persons that were merged or erased in PostHog change weeks that had long ended.
SELECT week_start, visitors_before, visitors, visitors - visitors_before AS difference, source, changed_at
FROM visitor_metric_changes
WHERE visitors_before IS NOT NULL AND CAST(changed_at AS DATE) > week_start + 7
ORDER BY changed_at DESC, week_start DESC
LIMIT 50
