-- How runs stand, from the last attempts at their parts.
-- grain: run; key: run_id
-- inputs: runs, run_parts; $runs: their ids; $is_given_up: whether parts that have not begun will not come
WITH attempts AS (
    SELECT *
    FROM run_parts
    WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY run_id, part_id ORDER BY attempt DESC) = 1
),
begun AS (
    SELECT
        run_id,
        count(*) AS parts,
        bool_or(status = 'running') AS is_running,
        bool_or(status = 'failed') AS is_failed,
        bool_or(status = 'interrupted') AS is_interrupted,
        first(error ORDER BY status, started_at) FILTER (error IS NOT NULL) AS error,
        max(finished_at) AS finished_at
    FROM attempts
    GROUP BY run_id
),
states AS (
    SELECT
        run_id,
        CASE
            WHEN is_running OR (begun.parts < runs.parts AND NOT $is_given_up) THEN 'running'
            WHEN is_failed THEN 'failed'
            WHEN is_interrupted OR begun.parts < runs.parts THEN 'interrupted'
            ELSE 'succeeded'
        END AS state,
        coalesce(
            begun.error,
            format('{} of its {} parts never ran', runs.parts - begun.parts, runs.parts)
        ) AS problem,
        begun.finished_at AS over_at
    FROM begun
    JOIN runs USING (run_id)
)
SELECT
    run_id,
    state AS status,
    CASE WHEN state IN ('failed', 'interrupted') THEN problem END AS error,
    CASE WHEN state <> 'running' THEN over_at END AS finished_at
FROM states
