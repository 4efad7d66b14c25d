-- Events as their tables read them: one row per input row, nothing filtered, nothing deduplicated.
-- grain: one copy of an event, as it was delivered or stored
-- input: mapped_events, the rows with their columns as the mapping finds them (mapping/typing_sql.py): texts
-- without outer spaces, words in lower case, lead_type and price as they were sent
-- rejected_reason says why an event cannot be used by the table it belongs to; unreadable_reason says
-- why it cannot even be stored as an event (no uuid, name or time).
-- An identifier is a text of 1 to 200 characters or a number; the first of its spellings that is one counts.
-- The number 7.0 is 7, as PostHog prints it in some of its answers; the text 7.0 stays one.
-- A price in words such as ₦450,000.50: the last separator is the decimal one if 1 or 2 digits follow it, and
-- stands between thousands if groups of three do. What cannot be read so is no price, and no sale.
-- Days and hours are those of UTC, by the timestamp's microseconds: the calendar of a time zone is ten times dearer.
WITH named AS (
    SELECT
        * REPLACE (
            coalesce(seeker_id, nullif(distinct_id, '')) AS seeker_id,
            coalesce(lister_id, profile_id) AS lister_id
        ),
        CASE WHEN meaning = 'lead' THEN coalesce(lead_type, '') END AS lead_kind,
        CASE
            WHEN price_type IS NOT NULL THEN regexp_replace(
                trim(regexp_replace(
                    regexp_replace(price, '[\p{Cf}\p{Cc}]', '', 'g'), '\p{Z}', ' ', 'g'
                )),
                '(?i)^([+-]?) *(?:₦|NGN|=N=|N) *(.)|(\d) *(?:₦|NGN)$', '\1\2\3'
            )
        END AS price_text,
        listing_id IS NULL AND meaning IN (
            'lead', 'view', 'social_media', 'website_visit', 'share', 'saved_listing', 'sale'
        ) AS lacks_listing
    FROM mapped_events
),
read_texts AS (
    SELECT
        * REPLACE (
            CASE
                WHEN lead_kind = 'message' AND replace(message_type, ' ', '_') IN ('whatsapp', 'email')
                    THEN replace(message_type, ' ', '_')
                WHEN lead_kind = 'message' THEN 'direct_message'
                WHEN lead_kind IN ('phone', 'appointment', 'website', 'whatsapp', 'direct_message', 'email')
                    THEN lead_kind
            END AS lead_type,
            CASE
                WHEN lead_kind IS NULL THEN NULL
                WHEN listing_id IS NOT NULL THEN coalesce(context_type, 'listing')
                WHEN lister_id IS NOT NULL AND (profile_id IS NOT NULL OR context_type = 'profile') THEN 'profile'
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
            END AS price
        )
    FROM named
)
SELECT
    uuid,
    event,
    timestamp,
    CAST(make_timestamp(epoch_us(timestamp)) AS DATE) AS event_date,
    CAST(extract(hour FROM make_timestamp(epoch_us(timestamp))) AS UTINYINT) AS event_hour,
    created_at,
    distinct_id,
    person_id,
    listing_id,
    seeker_id,
    lister_id,
    lister_type,
    context_type,
    lead_type,
    CASE is_logged_in
        WHEN 'true' THEN true
        WHEN 'false' THEN false
        ELSE try_cast(is_logged_in AS BOOLEAN) -- which takes longer, and knows other words
    END AS is_logged_in,
    viewed_from,
    platform,
    CASE WHEN meaning = 'saved_listing' THEN coalesce(save_action, 'add') END AS save_action,
    price,
    properties,
    CASE
        WHEN properties_problem IS NOT NULL THEN properties_problem
        WHEN lead_kind = '' THEN 'lead without lead_type'
        WHEN lead_kind IS NOT NULL AND lead_type IS NULL THEN 'lead of an unknown lead_type'
        WHEN lacks_listing AND has_long_listing_id THEN 'listing_id longer than 200 characters'
        WHEN lead_kind IS NOT NULL AND context_type IS NULL THEN 'lead with neither listing nor profile'
        WHEN lead_kind IS NOT NULL AND seeker_id IS NULL THEN 'lead without a seeker'
        WHEN lacks_listing AND lead_kind IS NULL THEN event || ' without listing_id'
        WHEN price IS NULL AND price_text <> '' THEN event || ' with an unreadable price'
        WHEN price < 0 THEN event || ' with a negative price'
    END AS rejected_reason,
    meaning,
    mapped_properties,
    CASE
        WHEN uuid IS NULL THEN 'no uuid'
        WHEN event IS NULL OR event = '' THEN 'no event name'
        WHEN timestamp IS NULL THEN 'no readable timestamp'
        WHEN timestamp < TIMESTAMPTZ '1970-01-01 00:00:00+00'
            OR timestamp >= TIMESTAMPTZ '2200-01-01 00:00:00+00' THEN 'timestamp outside 1970 to 2199'
    END AS unreadable_reason,
    CASE WHEN unreadable_reason IS NOT NULL THEN CAST(to_json(fields) AS VARCHAR) END AS content
FROM read_texts
