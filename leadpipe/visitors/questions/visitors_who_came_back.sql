-- How many visitors come back in the week after?
-- Of the five latest weeks with events; who has no person counts by distinct id.
WITH viewers AS (
    SELECT DISTINCT week_start, coalesce(person_id, distinct_id) AS viewer FROM week_viewers
)
SELECT one.week_start, count(*) AS visitors, count(next.viewer) AS came_back,
       round(count(next.viewer) * 100.0 / nullif(count(*), 0), 1) AS came_back_percent
FROM viewers AS one
LEFT JOIN viewers AS next ON next.viewer = one.viewer AND next.week_start = one.week_start + 7
GROUP BY one.week_start
ORDER BY one.week_start DESC
