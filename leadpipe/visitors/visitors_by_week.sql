-- How many visitors each week had: distinct persons.
-- grain: one week; key: week_start
-- input: viewers(week_start, person_id, distinct_id, is_stored); $weeks: Mondays
-- What waits to be stored names the person of its ingestion, or none: it counts for the person that its
-- distinct_id has in a stored event of the week, else for its own, else for its distinct_id. So does a
-- stored event without a person.
WITH asked AS (
    SELECT * FROM viewers WHERE list_contains($weeks::DATE[], week_start)
),
known AS (
    SELECT week_start, distinct_id, arg_max(person_id, (is_stored, person_id)) AS person_id
    FROM asked
    WHERE person_id IS NOT NULL AND (week_start, distinct_id) IN (
        SELECT (week_start, distinct_id) FROM asked WHERE person_id IS NULL OR NOT is_stored
    )
    GROUP BY week_start, distinct_id
)
SELECT
    week_start,
    count(DISTINCT CASE
        WHEN is_stored AND asked.person_id IS NOT NULL THEN asked.person_id
        ELSE coalesce(known.person_id, asked.distinct_id)
    END) AS visitors
FROM asked
LEFT JOIN known USING (week_start, distinct_id)
GROUP BY week_start
ORDER BY week_start
