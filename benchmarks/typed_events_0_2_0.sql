-- Rows as they came in, typed: one row per input row, nothing filtered, nothing deduplicated.
-- grain: one delivered copy of an event
-- input: wire_rows(fields VARCHAR[]): uuid, event, timestamp, created_at, distinct_id, person_id, properties
-- rejected_reason says why an event cannot be used by the table it belongs to; unreadable_reason says
-- why it cannot even be stored as an event (no uuid, name or time).
-- An identifier is a text of 1 to 200 characters or a number; the first of its spellings that is one counts.
-- A price in words such as ₦450,000.50: the last separator is the decimal one if 1 or 2 digits follow it, and
-- stands between thousands if groups of three do. What cannot be read so is no price, and no sale.
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
                '$.profile_id',                                                        -- 11
                '$.lister_type', '$.context_type', '$.lead_type',                      -- 12 to 14
                '$.message_type', '$.is_logged_in', '$.viewed_from', '$.platform',     -- 15 to 18
                '$.action', '$.price'                                                  -- 19, 20
            ]
        ) AS raw,
        -- Whether {3F2504E0-…} is an object or a text; asked for only where some text begins so.
        CASE
            WHEN properties_problem IS NULL AND (contains(properties, '"{') OR contains(properties, '"['))
                THEN json_type(
                    properties,
                    [
                        '$.listing_id', '$.listingId', '$.listing_uuid', '$.property_id',
                        '$.seeker_id', '$.seekerId',
                        '$.lister_id', '$.listerId', '$.developer_id', '$.agent_id', '$.profile_id'
                    ]
                )
        END AS types,
        CASE
            WHEN properties_problem IS NULL AND event = 'listing_sold' THEN json_type(properties, '$.price')
        END AS price_type
    FROM fields
),
cleaned AS (
    SELECT
        *,
        CASE
            WHEN types IS NULL THEN list_transform(
                raw,
                lambda value: CASE
                    WHEN value IS NULL OR length(value) > 200 OR value[1] IN ('{', '[') THEN NULL
                    ELSE nullif(trim(replace(value, chr(0), '')), '')
                END
            )
            ELSE list_transform(
                raw,
                lambda value, place: CASE
                    WHEN length(value) > 200 THEN NULL
                    WHEN value[1] IN ('{', '[') AND types[place] IS DISTINCT FROM 'VARCHAR' THEN NULL
                    ELSE nullif(trim(replace(value, chr(0), '')), '')
                END
            )
        END AS p,
        CASE
            WHEN price_type IS NOT NULL THEN regexp_replace(
                trim(regexp_replace(
                    regexp_replace(raw[20], '[\p{Cf}\p{Cc}]', '', 'g'), '\p{Z}', ' ', 'g'
                )),
                '(?i)^([+-]?) *(?:₦|NGN|=N=|N) *(.)|(\d) *(?:₦|NGN)$', '\1\2\3'
            )
        END AS price_text
    FROM read_properties
),
named AS (
    SELECT
        *,
        coalesce(p[1], p[2], p[3], p[4]) AS listing_id,
        coalesce(p[5], p[6], nullif(distinct_id, '')) AS seeker_id,
        coalesce(p[7], p[8], p[9], p[10], p[11]) AS lister_id,
        CASE
            WHEN p[12] IS NOT NULL THEN lower(p[12])
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
            WHEN listing_id IS NOT NULL THEN coalesce(lower(p[13]), 'listing')
            WHEN lister_id IS NOT NULL AND (p[11] IS NOT NULL OR lower(p[13]) = 'profile') THEN 'profile'
        END AS context_type,
        CASE
            WHEN price_text IS NULL THEN NULL
            WHEN price_type <> 'VARCHAR' THEN try_cast(price_text AS DECIMAL(18, 2))
            WHEN regexp_full_match(price_text, '[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?')
                THEN try_cast(replace(price_text, ',', '') AS DECIMAL(18, 2))
            WHEN regexp_full_match(price_text, '[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d{1,2})?')
                THEN try_cast(replace(replace(price_text, '.', ''), ',', '.') AS DECIMAL(18, 2))
            WHEN regexp_full_match(price_text, '[+-]?[1-9]\d{0,2}([ ''’]\d{3})+([.,]\d{1,2})?')
                THEN try_cast(
                    replace(regexp_replace(price_text, '[ ''’]', '', 'g'), ',', '.') AS DECIMAL(18, 2)
                )
            WHEN regexp_full_match(price_text, '[+-]?\d+,\d{1,2}')
                THEN try_cast(replace(price_text, ',', '.') AS DECIMAL(18, 2))
            ELSE try_cast(price_text AS DECIMAL(18, 2))
        END AS price,
        coalesce(
            listing_id IS NULL AND (lead_kind IS NOT NULL OR event IN (
                'property_view', 'impression_social_media', 'impression_website_visit',
                'impression_share', 'impression_saved_listing', 'listing_sold'
            )),
            false
        ) AS lacks_listing
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
    price,
    properties,
    CASE
        WHEN properties_problem IS NOT NULL THEN properties_problem
        WHEN lead_kind = '' THEN 'lead without lead_type'
        WHEN lead_kind IS NOT NULL AND lead_type IS NULL THEN 'lead of an unknown lead_type'
        WHEN CASE WHEN lacks_listing THEN len(list_filter(
            json_extract(properties, ['$.listing_id', '$.listingId', '$.listing_uuid', '$.property_id']),
            lambda value: json_type(value) = 'VARCHAR' AND length(value ->> '$') > 200
        )) > 0 END THEN 'listing_id longer than 200 characters'
        WHEN lead_kind IS NOT NULL AND context_type IS NULL THEN 'lead with neither listing nor profile'
        WHEN lead_kind IS NOT NULL AND seeker_id IS NULL THEN 'lead without a seeker'
        WHEN lacks_listing AND lead_kind IS NULL THEN event || ' without listing_id'
        WHEN price IS NULL AND price_text <> '' THEN 'listing_sold with an unreadable price'
        WHEN price < 0 THEN 'listing_sold with a negative price'
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
