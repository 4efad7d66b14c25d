-- Why did deliveries to the partner fail?
-- Attempts that ended without a lead at the partner, by what came of them; whether it got there later is in
-- `leads_there_now`.
SELECT attempt.outcome, attempt.http_status, attempt.message,
       count(*) AS attempts,
       count(DISTINCT attempt.id) AS leads,
       count(DISTINCT attempt.id) FILTER (lead.state = 'succeeded') AS leads_there_now,
       max(attempt.happened_at) AS last_at
FROM delivery_attempts AS attempt
LEFT JOIN lead_deliveries AS lead USING (id)
WHERE attempt.outcome IN ('refused', 'busy', 'misconfigured', 'unknown', 'invalid', 'missing', 'not sent')
GROUP BY ALL
ORDER BY attempts DESC, attempt.outcome, attempt.http_status, attempt.message
