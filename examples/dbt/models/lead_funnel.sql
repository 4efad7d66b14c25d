-- What becomes of a listing's views: leads, and what sales made of them.
-- grain: one listing and week (Monday, UTC) with a view or a lead; key: listing_week
WITH views AS (
    SELECT listing_id, CAST(date_trunc('week', date) AS DATE) AS week,
           sum(total_views)::BIGINT AS views, sum(total_leads)::BIGINT AS lead_actions
    FROM {{ source('leadpipe', 'listing_analytics') }}
    GROUP BY ALL
),
leads AS (
    SELECT listing_id, CAST(date_trunc('week', first_action_at) AS DATE) AS week,
           count(*) AS new_leads,
           count(*) FILTER (status <> 'new') AS answered,
           count(*) FILTER (status IN ('qualified', 'converted')) AS qualified,
           count(*) FILTER (status = 'converted') AS converted
    FROM {{ source('leadpipe', 'grouped_leads') }}
    WHERE listing_id IS NOT NULL
    GROUP BY ALL
)
SELECT listing_id || ' ' || week AS listing_week, listing_id, week,
       coalesce(views, 0) AS views,
       coalesce(lead_actions, 0) AS lead_actions,
       coalesce(new_leads, 0) AS new_leads,
       coalesce(answered, 0) AS answered,
       coalesce(qualified, 0) AS qualified,
       coalesce(converted, 0) AS converted
FROM views FULL JOIN leads USING (listing_id, week)
WHERE coalesce(views, 0) + coalesce(lead_actions, 0) + coalesce(new_leads, 0) > 0
