-- Finished conversations whose lead is not in the outbox yet, the first captured first.
-- grain: one lead_captured event
-- key: uuid
-- inputs: raw_events, lead_deliveries
SELECT uuid, timestamp AS captured_at, properties
FROM raw_events
WHERE event = 'lead_captured'
    AND uuid NOT IN (SELECT event_uuid FROM lead_deliveries WHERE event_uuid IS NOT NULL)
ORDER BY timestamp, uuid
