SELECT event_date, verdict, posthog_events, warehouse_events
FROM read_parquet('${published}/event_days.parquet')
