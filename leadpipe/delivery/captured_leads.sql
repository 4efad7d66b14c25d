-- Finished conversations of some days whose lead is not in the outbox yet, the first captured first.
-- grain: one event that means a captured lead
-- key: uuid
-- inputs: raw_events, lead_deliveries; $days
SELECT uuid, timestamp AS captured_at, coalesce(mapped_properties, properties) AS properties
FROM raw_events
WHERE event_date IN (SELECT unnest($days::DATE[]))
    AND meaning = 'captured_lead'
    AND uuid NOT IN (SELECT event_uuid FROM lead_deliveries WHERE event_uuid IS NOT NULL)
ORDER BY timestamp, uuid
