-- How many visitors each week had: distinct persons.
-- grain: one week; key: week_start
-- input: viewers(week_start, person_id, distinct_id); $weeks: Mondays
-- An event without a person (a webhook may have none) counts for the person its distinct_id had in
-- another event of the week, else for its distinct_id.
WITH asked AS (
    SELECT * FROM viewers WHERE list_contains($weeks::DATE[], week_start)
),
known AS (
    SELECT week_start, distinct_id, max(person_id) AS person_id
    FROM asked
    WHERE (week_start, distinct_id) IN (
        SELECT (week_start, distinct_id) FROM asked WHERE person_id IS NULL
    )
    GROUP BY week_start, distinct_id
)
SELECT
    week_start,
    count(DISTINCT coalesce(asked.person_id, known.person_id, asked.distinct_id)) AS visitors
FROM asked
LEFT JOIN known USING (week_start, distinct_id)
GROUP BY week_start
ORDER BY week_start
