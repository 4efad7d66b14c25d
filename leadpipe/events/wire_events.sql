-- Rows as they came in, before their properties are read: one row per input row.
-- grain: one delivered copy of an event
-- input: wire_rows(fields VARCHAR[]): uuid, event, timestamp, created_at, distinct_id, person_id, properties
SELECT
    try_cast(fields[1] AS UUID) AS uuid,
    fields[2] AS event,
    try_cast(fields[3] AS TIMESTAMPTZ) AS timestamp,
    try_cast(fields[4] AS TIMESTAMPTZ) AS created_at,
    fields[5] AS distinct_id,
    nullif(fields[6], '00000000-0000-0000-0000-000000000000') AS person_id,
    fields[7] AS properties,
    fields
FROM wire_rows
