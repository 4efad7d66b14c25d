-- A tenant's staff contacts of a program, their properties under our names, and as they were sent those with
-- half an emoji that an older version stored as it came: the reader looks whose they are.
-- grain: one event; key: uuid
-- inputs: raw_events
-- parameters: $events: names of staff contacts; $tenant, $program_id, $window_start inclusive (TIMESTAMPTZ)
SELECT
    CAST(uuid AS VARCHAR) AS uuid,
    event,
    json_valid(properties) AS is_read,
    CASE WHEN is_read THEN coalesce(mapped_properties, properties) ELSE properties END AS said
FROM raw_events
WHERE (meaning = 'staff_contact' OR event IN (SELECT unnest($events::VARCHAR[])))
  AND event_date >= CAST($window_start AS DATE)
  AND timestamp >= $window_start
  AND CASE
      WHEN is_read
          THEN meaning = 'staff_contact' AND (said ->> '$.tenant') = $tenant
              AND (said ->> '$.programId') = $program_id
      ELSE contains(lower(properties), '\ud')
  END
ORDER BY timestamp, uuid
