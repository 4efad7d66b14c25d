-- Rows as they came in, typed: one row per input row, nothing filtered, nothing deduplicated.
-- grain: one delivered copy of an event
-- input: wire_rows(fields VARCHAR[]): uuid, event, timestamp, created_at, distinct_id, person_id, properties
-- rejected_reason says why an event cannot be used by the table it belongs to; unreadable_reason says
-- why it cannot even be stored as an event (no uuid, name or time).
WITH fields AS (
    SELECT
        try_cast(fields[1] AS UUID) AS uuid,
        fields[2] AS event,
        try_cast(fields[3] AS TIMESTAMPTZ) AS timestamp,
        try_cast(fields[4] AS TIMESTAMPTZ) AS created_at,
        fields[5] AS distinct_id,
        nullif(fields[6], '00000000-0000-0000-0000-000000000000') AS person_id,
        fields[7] AS properties,
        CASE
            WHEN NOT json_valid(fields[7]) THEN 'properties are not valid JSON'
            WHEN json_type(fields[7]) <> 'OBJECT' THEN 'properties are no object'
        END AS properties_problem,
        fields
    FROM wire_rows
),
read_properties AS (
    SELECT
        *,
        json_extract_string(
            CASE WHEN properties_problem IS NULL THEN properties ELSE '{}' END,
            [
                '$.listing_id', '$.listingId', '$.listing_uuid', '$.property_id',      -- 1 to 4
                '$.seeker_id', '$.seekerId',                                           -- 5, 6
                '$.lister_id', '$.listerId', '$.developer_id', '$.agent_id',           -- 7 to 10
                '$.lister_type', '$.context_type', '$.profile_id',                     -- 11 to 13
                '$.lead_type', '$.message_type', '$.is_logged_in', '$.viewed_from',    -- 14 to 17
                '$.platform', '$.action', '$.price'                                    -- 18 to 20
            ]
        ) AS p
    FROM fields
),
-- An identifier is a short text or a number; an object, a list or an empty text is none.
cleaned AS (
    SELECT
        * EXCLUDE (p),
        list_transform(
            p,
            lambda value: CASE
                WHEN value IS NULL OR length(value) > 200 OR value[1] IN ('{', '[') THEN NULL
                ELSE nullif(trim(replace(value, chr(0), '')), '')
            END
        ) AS p,
        length(coalesce(p[1], p[2], p[3], p[4])) > 200 AS has_long_listing_id
    FROM read_properties
),
named AS (
    SELECT
        *,
        coalesce(p[1], p[2], p[3], p[4]) AS listing_id,
        coalesce(p[5], p[6], nullif(distinct_id, '')) AS seeker_id,
        coalesce(p[7], p[8], p[9], p[10], p[13]) AS lister_id,
        CASE
            WHEN p[11] IS NOT NULL THEN lower(p[11])
            WHEN coalesce(p[7], p[8]) IS NULL AND p[9] IS NOT NULL THEN 'developer'
            WHEN coalesce(p[7], p[8]) IS NULL AND p[10] IS NOT NULL THEN 'agent'
        END AS lister_type,
        CASE event
            WHEN 'lead_phone' THEN 'phone'
            WHEN 'lead_message' THEN 'message'
            WHEN 'lead_appointment' THEN 'appointment'
            WHEN 'lead' THEN coalesce(lower(p[14]), '')
        END AS lead_kind,
        replace(lower(p[15]), ' ', '_') AS message_type
    FROM cleaned
),
leads AS (
    SELECT
        *,
        CASE
            WHEN lead_kind IN ('phone', 'appointment', 'website') THEN lead_kind
            WHEN lead_kind = 'message' AND message_type IN ('whatsapp', 'email') THEN message_type
            WHEN lead_kind = 'message' THEN 'direct_message'
        END AS lead_type,
        CASE
            WHEN lead_kind IS NULL THEN NULL
            WHEN listing_id IS NOT NULL THEN coalesce(lower(p[12]), 'listing')
            WHEN lister_id IS NOT NULL AND (p[13] IS NOT NULL OR lower(p[12]) = 'profile') THEN 'profile'
        END AS context_type
    FROM named
)
SELECT
    uuid,
    event,
    timestamp,
    CAST(timestamp AS DATE) AS event_date,
    CAST(extract(hour FROM timestamp) AS UTINYINT) AS event_hour,
    created_at,
    distinct_id,
    person_id,
    listing_id,
    seeker_id,
    lister_id,
    lister_type,
    context_type,
    lead_type,
    try_cast(lower(p[16]) AS BOOLEAN) AS is_logged_in,
    lower(p[17]) AS viewed_from,
    lower(p[18]) AS platform,
    CASE WHEN event = 'impression_saved_listing' THEN coalesce(lower(p[19]), 'add') END AS save_action,
    CASE WHEN event = 'listing_sold' THEN try_cast(p[20] AS DECIMAL(18, 2)) END AS price,
    properties,
    CASE
        WHEN properties_problem IS NOT NULL THEN properties_problem
        WHEN lead_kind = '' THEN 'lead without lead_type'
        WHEN lead_kind IS NOT NULL AND lead_type IS NULL THEN 'lead of an unknown lead_type'
        WHEN has_long_listing_id THEN 'listing_id longer than 200 characters'
        WHEN lead_kind IS NOT NULL AND context_type IS NULL THEN 'lead with neither listing nor profile'
        WHEN lead_kind IS NOT NULL AND seeker_id IS NULL THEN 'lead without a seeker'
        WHEN listing_id IS NULL AND event IN (
            'property_view', 'impression_social_media', 'impression_website_visit',
            'impression_share', 'impression_saved_listing', 'listing_sold'
        ) THEN event || ' without listing_id'
    END AS rejected_reason,
    CASE
        WHEN uuid IS NULL THEN 'no uuid'
        WHEN event IS NULL OR event = '' THEN 'no event name'
        WHEN timestamp IS NULL THEN 'no readable timestamp'
        WHEN timestamp < TIMESTAMPTZ '1970-01-01 00:00:00+00'
            OR timestamp >= TIMESTAMPTZ '2200-01-01 00:00:00+00' THEN 'timestamp outside 1970 to 2199'
    END AS unreadable_reason,
    CASE WHEN unreadable_reason IS NOT NULL THEN CAST(to_json(fields) AS VARCHAR) END AS content
FROM leads
