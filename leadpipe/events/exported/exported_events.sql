-- Rows of an exported file as those of a page (wire_events.sql): one row per input row.
-- grain: one delivered copy of an event
-- input: exported(uuid, event, timestamp, created_at, distinct_id, person_id, properties, sent_timestamp,
-- is_set_aside), texts but the times; of bulky events only the properties that are kept
-- Where a row cannot be stored (typed_events.sql says which: all but those that plainly can), or is set aside, its
-- fields are the texts that a page would have, so that it is set aside once, whichever lane brought it.
SELECT
    try_cast(uuid AS UUID) AS uuid,
    event,
    timestamp,
    created_at,
    distinct_id,
    nullif(person_id, '00000000-0000-0000-0000-000000000000') AS person_id,
    properties,
    CASE
        WHEN is_set_aside OR NOT coalesce(
            try_cast(uuid AS UUID) IS NOT NULL
            AND event <> ''
            AND timestamp >= TIMESTAMPTZ '1970-01-01 00:00:00+00'
            AND timestamp < TIMESTAMPTZ '2200-01-01 00:00:00+00',
            false
        )
            THEN [
                uuid,
                event,
                coalesce(strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'), CAST(sent_timestamp AS VARCHAR)),
                strftime(created_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
                distinct_id,
                person_id,
                properties
            ]
    END AS fields
FROM exported
