-- Rows of an exported file as those of a page (wire_events.sql): one row per input row.
-- grain: one delivered copy of an event
-- input: exported(uuid, event, timestamp, created_at, distinct_id, person_id, properties, timestamp_text),
-- texts but the two times; of bulky events only the properties that are kept
-- Where a row cannot be stored its fields are the texts that a page would have, so that it is set aside once,
-- whichever lane brought it.
SELECT
    try_cast(uuid AS UUID) AS uuid,
    event,
    timestamp,
    created_at,
    distinct_id,
    nullif(person_id, '00000000-0000-0000-0000-000000000000') AS person_id,
    properties,
    [
        uuid,
        event,
        coalesce(strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'), timestamp_text),
        strftime(created_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
        distinct_id,
        person_id,
        properties
    ] AS fields
FROM exported
