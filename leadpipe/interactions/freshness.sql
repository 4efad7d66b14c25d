-- Whether the warehouse has every event since a day, and up to when.
-- grain: one row; key: none
-- inputs: event_days, changed_days
-- parameters: $first_day and $today (DATE)
-- complete_days: days from $first_day to $today that were read and lack nothing PostHog has;
-- waiting_days: days on which a plan found events that nothing has read yet;
-- read_until: PostHog's events received up to then are here. Null when today or a plan is missing.
SELECT
    count(*) FILTER (
        read_until IS NOT NULL
        AND (posthog_checksum = warehouse_checksum OR warehouse_events > posthog_events)
    ) AS complete_days,
    (
        SELECT count(DISTINCT event_date) FROM changed_days
        LEFT JOIN event_days AS days USING (event_date)
        WHERE event_date >= $first_day AND (days.read_until IS NULL OR days.read_until < until)
    ) AS waiting_days,
    CASE
        WHEN max(read_until) FILTER (event_date = $today) <= (SELECT max(until) FROM changed_days)
        THEN max(read_until) FILTER (event_date = $today)
        ELSE (SELECT max(until) FROM changed_days)
    END AS read_until
FROM event_days
WHERE event_date BETWEEN $first_day AND $today
