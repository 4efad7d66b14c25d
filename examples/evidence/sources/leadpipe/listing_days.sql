SELECT listing_id, date, sum(total_views)::BIGINT AS views, sum(total_leads)::BIGINT AS leads
FROM read_parquet('${published}/listing_analytics/*.parquet')
GROUP BY listing_id, date
