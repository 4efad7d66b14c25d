-- Do more visitors bring more leads?
-- grain: one ISO week that was counted; key: week_start
WITH leads AS (
    SELECT CAST(date_trunc('week', first_action_at) AS DATE) AS week_start,
           count(*) AS new_leads, count(DISTINCT seeker_id) AS seekers
    FROM {{ source('leadpipe', 'grouped_leads') }}
    GROUP BY ALL
)
SELECT week_start, week.visitors, week.signups,
       coalesce(leads.new_leads, 0) AS new_leads,
       coalesce(leads.seekers, 0) AS seekers,
       coalesce(leads.new_leads, 0) * 1000.0 / nullif(week.visitors, 0) AS leads_per_1000_visitors
FROM {{ source('leadpipe', 'visitor_metrics') }} AS week
LEFT JOIN leads USING (week_start)
