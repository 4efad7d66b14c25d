-- Leads as a sales person reads them: all records of one seeker on one listing (or profile) together.
-- grain: one lead; key: lead_id
-- inputs: leads, lead_months, told_leads (of told_leads.sql); $month: of first actions, NULL for all
-- first_response_seconds: from the first action to the first change of status away from new.
-- lead_types: the kinds of its actions, in the order of the alphabet.
-- The actions of a record are sorted already: only leads of several records are taken apart and put together.
WITH chosen AS (
    SELECT * FROM leads
    WHERE $month::DATE IS NULL
        OR (first_action_date >= $month AND lead_id IN (SELECT lead_id FROM lead_months WHERE month = $month))
),
repeated AS (
    SELECT lead_id FROM chosen GROUP BY lead_id HAVING count(*) > 1
),
action_list AS (
    SELECT lead_id, unnest(CAST(lead_actions AS JSON[])) AS action
    FROM chosen
    WHERE lead_id IN (FROM repeated)
),
action_arrays AS (
    SELECT
        lead_id,
        to_json(list(action ORDER BY action ->> 'timestamp', action ->> 'action_id')) AS lead_actions
    FROM action_list
    GROUP BY lead_id
    UNION ALL
    SELECT lead_id, lead_actions FROM chosen WHERE lead_id NOT IN (FROM repeated)
),
touches AS (
    SELECT
        lead_id,
        lead_actions,
        lead_actions -> 0 AS first_action,
        lead_actions -> -1 AS last_action,
        array_to_string(list_sort(list_distinct(list_transform(
            from_json(lead_actions, '[{"action_type": "VARCHAR", "message_type": "VARCHAR"}]'),
            lambda each: coalesce(each.message_type, replace(each.action_type, 'lead_', ''))
        ))), ', ') AS lead_types
    FROM action_arrays
),
grouped AS (
    SELECT
        lead_id,
        any_value(listing_id) AS listing_id,
        any_value(seeker_id) AS seeker_id,
        last(lister_id ORDER BY last_action_at, run_id) FILTER (lister_id IS NOT NULL) AS lister_id,
        last(lister_type ORDER BY last_action_at, run_id) FILTER (lister_type IS NOT NULL) AS lister_type,
        last(context_type ORDER BY last_action_at, run_id) AS context_type,
        count(*) AS records,
        CAST(sum(total_actions) AS INTEGER) AS total_actions,
        CAST(sum(lead_score) AS INTEGER) AS lead_score,
        min(first_action_at) AS first_action_at,
        max(last_action_at) AS last_action_at
    FROM chosen
    GROUP BY lead_id
)
SELECT
    lead_id,
    listing_id,
    seeker_id,
    lister_id,
    lister_type,
    context_type,
    records,
    total_actions,
    lead_score,
    first_action_at,
    last_action_at,
    last_action ->> 'action_type' AS last_action_type,
    first_action ->> 'utm_source' AS first_utm_source,
    first_action ->> 'utm_medium' AS first_utm_medium,
    first_action ->> 'utm_campaign' AS first_utm_campaign,
    last_action ->> 'utm_source' AS last_utm_source,
    last_action ->> 'utm_medium' AS last_utm_medium,
    last_action ->> 'utm_campaign' AS last_utm_campaign,
    coalesce(told_leads.status, 'new') AS status,
    status_changed_by,
    status_changed_at,
    coalesce(status_version, '') AS status_version,
    epoch(first_response_at - first_action_at) AS first_response_seconds,
    lead_types,
    lead_actions,
    coalesce(notes, '[]'::JSON) AS notes
FROM grouped
JOIN touches USING (lead_id)
LEFT JOIN told_leads USING (lead_id)
ORDER BY last_action_at DESC, lead_id
