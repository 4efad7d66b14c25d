-- The leaves of a draw's tree, each in four words of 8 bytes, the first most significant; see docs/draws.md.
-- grain: one participant of the draw date; in no order
-- inputs: draw_participants
-- $draw_date; $list_key: the draw's secret, 32 hexadecimal digits
WITH leaves AS (
    SELECT
        entries,
        msisdn,
        sha256('leaf:' || left(sha256('salt:' || $list_key || ':' || msisdn), 32) || ':' || msisdn) AS leaf
    FROM draw_participants
    WHERE draw_date = $draw_date
)
SELECT
    CAST(entries AS UBIGINT) AS entries,
    CAST(msisdn AS UBIGINT) AS msisdn,
    CAST('0x' || substr(leaf, 1, 16) AS UBIGINT) AS word_1,
    CAST('0x' || substr(leaf, 17, 16) AS UBIGINT) AS word_2,
    CAST('0x' || substr(leaf, 33, 16) AS UBIGINT) AS word_3,
    CAST('0x' || substr(leaf, 49, 16) AS UBIGINT) AS word_4
FROM leaves
