-- How old are the leads that nobody has answered?
-- Leads that are still new, by the time from their last action to the latest run of leadpipe.
WITH unanswered AS (
    SELECT lead_score,
           date_diff('second', last_action_at, (SELECT max(coalesce(finished_at, started_at)) FROM runs))
               / 86400.0 AS days
    FROM grouped_leads
    WHERE status = 'new'
)
SELECT CASE WHEN days < 1 THEN 'under a day'
            WHEN days < 3 THEN '1 to 3 days'
            WHEN days < 7 THEN '3 to 7 days'
            WHEN days < 30 THEN '7 to 30 days'
            ELSE '30 days and more' END AS age,
       count(*) AS leads,
       max(lead_score) AS highest_score,
       count(*) FILTER (lead_score >= 50) AS of_score_50_and_more
FROM unanswered
GROUP BY age
ORDER BY min(days)
