-- Leads about which people said something that is not published yet, as they are now.
-- grain: one lead with edits that are pending; key: lead_id
-- inputs: pending_edits, folded_edits, lead_list
-- The same rules as in grouped_leads.sql: what is published after the next sync is what this shows before it.
WITH touched AS (
    SELECT DISTINCT lead_id FROM pending_edits
),
edits AS (
    SELECT lead_id, kind, value, author, edited_at, edit_id, undoes FROM pending_edits
    UNION ALL
    SELECT lead_id, kind, value, author, edited_at, edit_id, undoes
    FROM folded_edits
    WHERE lead_id IN (FROM touched)
),
standing_edits AS (
    SELECT * FROM edits
    WHERE undoes IS NULL AND edit_id NOT IN (SELECT undoes FROM edits WHERE undoes IS NOT NULL)
),
versions AS (
    SELECT lead_id, last(edit_id ORDER BY edited_at, value) AS status_version
    FROM edits
    WHERE kind = 'status'
    GROUP BY lead_id
),
changes AS (
    SELECT
        lead_id,
        last(value ORDER BY edited_at, value) AS status,
        last(author ORDER BY edited_at, value) AS status_changed_by,
        max(edited_at) AS status_changed_at,
        min(edited_at) FILTER (value <> 'new') AS first_response_at
    FROM standing_edits
    WHERE kind = 'status'
    GROUP BY lead_id
),
note_lists AS (
    SELECT
        lead_id,
        to_json(list(
            {'text': value, 'author': author, 'at': strftime(edited_at, '%Y-%m-%dT%H:%M:%S.%fZ')}
            ORDER BY edited_at, value
        )) AS notes
    FROM standing_edits
    WHERE kind = 'note'
    GROUP BY lead_id
)
SELECT
    touched.lead_id,
    coalesce(changes.status, 'new') AS status,
    changes.status_changed_by,
    changes.status_changed_at,
    coalesce(versions.status_version, '') AS status_version,
    epoch(first_response_at - first_action_at) AS first_response_seconds,
    coalesce(note_lists.notes, '[]'::JSON) AS notes
FROM touched
JOIN lead_list ON lead_list.lead_id = touched.lead_id
LEFT JOIN versions ON versions.lead_id = touched.lead_id
LEFT JOIN changes ON changes.lead_id = touched.lead_id
LEFT JOIN note_lists ON note_lists.lead_id = touched.lead_id
