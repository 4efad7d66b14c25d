-- Recharge events, typed: one row per event, nothing filtered; reason says why one earns nothing.
-- grain: one recharge event; key: uuid
-- inputs: raw_events
-- $max_recharge_naira: larger amounts are taken for a mistake (kobo); $mobile_pattern: spellings of a mobile
-- number in the default region, its national part as the first group; $country_code: that region's
-- $naive_timezone: the zone of a recharged_at without an offset; an hour that comes twice is the later one
-- A refund is a recharge event that names the recharge it takes back: refund_of = its uuid.
-- msisdn is null where the spelling is not a common one, such as one with a dot, which may be a decimal
-- number's: phonenumbers decides on those. Marks that cannot be seen are no part of any text.
WITH texts AS (
    SELECT
        uuid,
        distinct_id,
        timestamp,
        coalesce(created_at, timestamp) AS received_at,
        rejected_reason,
        list_transform(json_extract_string(
            CASE WHEN rejected_reason IS NULL THEN coalesce(mapped_properties, properties) ELSE '{}' END,
            ['$.msisdn', '$.amount', '$.recharged_at', '$.refund_of']
        ), lambda text: regexp_replace(text, '\p{Cf}', '', 'g')) AS p
    FROM raw_events
    WHERE meaning = 'recharge'
),
read_texts AS (
    SELECT
        * EXCLUDE (p),
        trim(coalesce(nullif(trim(p[1]), ''), distinct_id, '')) AS spelling,
        CASE WHEN regexp_full_match(spelling, '[+(]?\d[\d\s()-]*')
            THEN regexp_replace(spelling, '[\s()-]', '', 'g') END AS digits,
        p[2] IS NULL AS has_no_amount,
        regexp_replace(
            CASE
                WHEN regexp_matches(p[2], '^\s*(₦|NGN)?\s*-?\d{1,3}(,\d{3})+(\.\d+)?\s*$')
                    THEN replace(p[2], ',', '')
                ELSE p[2]
            END,
            '^\s*(₦|NGN)\s*', ''
        ) AS amount_text,
        try_cast(amount_text AS DECIMAL(38, 8)) AS amount,
        -- too many digits for a decimal; what is no number is null or not finite
        amount IS NULL AND coalesce(isfinite(try_cast(amount_text AS DOUBLE)), false)
            AND try_cast(amount_text AS DOUBLE) > $max_recharge_naira AS is_huge,
        nullif(trim(p[3]), '') AS recharged_text,
        -- what follows the minutes, seconds or their fraction is an offset or a zone
        coalesce(regexp_matches(recharged_text, ':\d{2}(\.\d+)?\s*([A-Za-z]|[+-]\d)'), false) AS has_offset,
        CASE
            WHEN recharged_text IS NULL THEN timestamp
            WHEN has_offset THEN try_cast(recharged_text AS TIMESTAMPTZ)
            ELSE timezone($naive_timezone, try_cast(recharged_text AS TIMESTAMP))
        END AS recharged_at,
        nullif(trim(p[4]), '') AS refund_text,
        try_cast(refund_text AS UUID) AS refund_of
    FROM texts
)
SELECT
    uuid,
    coalesce(distinct_id, '') AS distinct_id,
    received_at,
    recharged_at,
    amount,
    refund_of,
    spelling,
    CASE
        WHEN regexp_full_match(digits, $mobile_pattern)
            THEN $country_code || regexp_extract(digits, $mobile_pattern, 1)
    END AS msisdn,
    CASE
        WHEN rejected_reason IS NOT NULL THEN rejected_reason
        WHEN refund_text IS NOT NULL THEN CASE WHEN refund_of IS NULL THEN 'refund_of is no uuid' END
        WHEN has_no_amount THEN 'no amount'
        WHEN is_huge THEN 'amount over the largest recharge (in kobo?)'
        WHEN amount IS NULL THEN 'amount is no number'
        WHEN amount < 0 THEN 'negative amount'
        WHEN amount = 0 THEN 'amount of zero'
        WHEN amount > $max_recharge_naira THEN 'amount over the largest recharge (in kobo?)'
        WHEN recharged_at IS NULL THEN 'recharged_at is no time'
        WHEN recharged_at > received_at + INTERVAL 1 HOUR AND recharged_text IS NOT NULL AND NOT has_offset
            THEN 'recharged_at is in the future, read in LEADPIPE_NAIVE_TIMEZONE'
        WHEN recharged_at > received_at + INTERVAL 1 HOUR THEN 'recharged_at is in the future'
    END AS reason
FROM read_texts
