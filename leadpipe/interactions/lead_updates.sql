-- A tenant's `LeadUpdated` events of a program.
-- grain: one event; key: uuid
-- inputs: raw_events
-- parameters: $tenant, $program_id, $window_start inclusive (TIMESTAMPTZ)
SELECT CAST(uuid AS VARCHAR) AS uuid, properties
FROM raw_events
WHERE event = 'LeadUpdated'
  AND event_date >= CAST($window_start AS DATE)
  AND timestamp >= $window_start
  AND json_valid(properties)
  AND (properties ->> '$.tenant') = $tenant
  AND (properties ->> '$.programId') = $program_id
ORDER BY timestamp, uuid
