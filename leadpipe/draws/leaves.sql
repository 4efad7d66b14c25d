-- A part of a draw's list: its rows as they are hashed, in hexadecimal digits, and whose they are; docs/draws.md.
-- grain: one row for all participants of the draw date between two rowids; in no order, but both in the same
-- inputs: draw_participants
-- $draw_date; $salt: what comes before the MSISDN in a salt; $first, $last: rowids, both inclusive
SELECT
    coalesce(
        string_agg(
            concat(
                to_base(entries, 16, 16),
                sha256(concat('leaf:', left(sha256(concat($salt, msisdn)), 32), ':', msisdn))
            ),
            ''
        ),
        ''
    ) AS rows,
    coalesce(list(CAST(msisdn AS UBIGINT)), []) AS msisdns
FROM draw_participants
WHERE draw_date = $draw_date
  AND rowid BETWEEN $first AND $last
