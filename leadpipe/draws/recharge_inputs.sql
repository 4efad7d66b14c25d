-- The recharge events that a draw's list is made of, as one fingerprint in any order.
-- grain: one row
-- inputs: raw_events
-- $begins_at: when the draw date begins; what PostHog received from then on does not matter
-- Each event's part is the hash of a JSON object, so that no two contents look alike.
SELECT
    count(*) AS recharges,
    CAST(coalesce(bit_xor(md5_number(CAST(to_json({
        'uuid': uuid,
        'received_at': epoch_us(coalesce(created_at, timestamp)),
        'timestamp': epoch_us(timestamp),
        'distinct_id': distinct_id,
        'rejected_reason': rejected_reason,
        'properties': json_extract_string(
            CASE WHEN rejected_reason IS NULL THEN coalesce(mapped_properties, properties) ELSE '{}' END,
            ['$.msisdn', '$.amount', '$.recharged_at', '$.refund_of']
        )
    }) AS VARCHAR))), 0) AS VARCHAR) AS fingerprint
FROM raw_events
WHERE meaning = 'recharge' AND coalesce(created_at, timestamp) < $begins_at
