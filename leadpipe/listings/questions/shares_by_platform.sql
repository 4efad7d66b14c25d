-- Where are listings shared?
SELECT platform, sum(shares)::BIGINT AS shares, count(*) AS listings
FROM (
    SELECT entry.key AS platform, CAST(entry.value AS BIGINT) AS shares
    FROM listings, json_each(share_breakdown) AS entry
)
GROUP BY platform
ORDER BY shares DESC, platform
