-- The events of leads that somebody has written a note about.
-- grain: one event of a lead; key: lead_id, action_id
-- inputs: leads, lead_edits
SELECT
    lead_id,
    unnest(lead_actions ->> '$[*].action_id') AS action_id
FROM leads
WHERE lead_id IN (SELECT lead_id FROM lead_edits WHERE kind = 'note')
