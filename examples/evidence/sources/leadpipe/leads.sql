-- Without who it is: what is in a report is read by everybody who has its address.
SELECT lead_id, listing_id, lister_type, lead_score, total_actions, first_action_at, last_action_at,
       coalesce(first_utm_source, '(none)') AS source, status, first_response_seconds
FROM read_parquet('${published}/grouped_leads/*.parquet')
