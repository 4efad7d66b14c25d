-- grain: a column of texts of a table that has files; its least and greatest value as they are in them
-- catalog: the tables of DuckLake's catalog. Numbers and times stay: theirs say nothing of a person.
UPDATE catalog.ducklake_table_column_stats AS stats
SET min_value = found.least, max_value = found.greatest
FROM (
    SELECT
        table_id,
        column_id,
        -- where a file tells nothing of its values, the bound stays what it is
        CASE
            WHEN coalesce(bool_and(living.min_value IS NOT NULL OR null_count = value_count), true)
            THEN min(living.min_value) ELSE any_value(known.min_value)
        END AS least,
        CASE
            WHEN coalesce(bool_and(living.max_value IS NOT NULL OR null_count = value_count), true)
            THEN max(living.max_value) ELSE any_value(known.max_value)
        END AS greatest
    FROM catalog.ducklake_table_column_stats AS known
    JOIN catalog.ducklake_column AS columns USING (table_id, column_id)
    LEFT JOIN (
        SELECT bounds.*
        FROM catalog.ducklake_file_column_stats AS bounds
        JOIN catalog.ducklake_data_file AS files USING (data_file_id, table_id)
        WHERE files.end_snapshot IS NULL
    ) AS living USING (table_id, column_id)
    WHERE columns.column_type IN ('varchar', 'json', 'uuid', 'blob') AND columns.end_snapshot IS NULL
    GROUP BY table_id, column_id
) AS found
WHERE stats.table_id = found.table_id AND stats.column_id = found.column_id
