-- How many leads come in a week, and what becomes of them?
-- By the week (Monday, UTC) of a lead's first action, with the status it has now.
SELECT CAST(date_trunc('week', first_action_at) AS DATE) AS week,
       count(*) AS leads,
       count(*) FILTER (status = 'new') AS still_new,
       count(*) FILTER (status = 'contacted') AS contacted,
       count(*) FILTER (status = 'qualified') AS qualified,
       count(*) FILTER (status = 'converted') AS converted,
       count(*) FILTER (status = 'lost') AS lost,
       round(count(*) FILTER (status = 'converted') * 100.0 / nullif(count(*), 0), 1) AS converted_percent
FROM grouped_leads
GROUP BY week
ORDER BY week DESC
