SELECT week_start, visitors, pageviews, signups, conversion_rate
FROM read_parquet('${published}/visitor_metrics.parquet')
