SELECT * EXCLUDE (share_breakdown, leads_breakdown)
FROM read_parquet('${published}/listings/*.parquet')
