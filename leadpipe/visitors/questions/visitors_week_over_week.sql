-- How many visitors came, beside the week before?
-- Exact numbers of distinct persons. The week that is under way is the first row, and grows.
SELECT week_start, visitors,
       lag(visitors) OVER weeks AS visitors_before,
       round((visitors - lag(visitors) OVER weeks) * 100.0 / nullif(lag(visitors) OVER weeks, 0), 1)
           AS change_percent,
       signups, round(conversion_rate, 2) AS conversion_rate, source
FROM visitor_metrics
WINDOW weeks AS (ORDER BY week_start)
ORDER BY week_start DESC
