-- A tenant's staff contacts of a program, and those with half an emoji that an older version stored as
-- it came: the reader looks whose they are.
-- grain: one event; key: uuid
-- inputs: raw_events
-- parameters: $tenant, $program_id, $window_start inclusive (TIMESTAMPTZ)
SELECT CAST(uuid AS VARCHAR) AS uuid, properties
FROM raw_events
WHERE meaning = 'staff_contact'
  AND event_date >= CAST($window_start AS DATE)
  AND timestamp >= $window_start
  AND CASE
      WHEN json_valid(properties)
          THEN (properties ->> '$.tenant') = $tenant AND (properties ->> '$.programId') = $program_id
      ELSE contains(lower(properties), '\ud')
  END
ORDER BY timestamp, uuid
