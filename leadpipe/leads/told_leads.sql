-- What people said of leads, as it stands: the last status, when somebody first answered, and the notes.
-- grain: one lead that somebody said something of; key: lead_id
-- inputs: told_edits (of lead_edits, or of those that are not published yet)
-- What was taken back (undoes) counts for nothing, and makes a new version all the same.
WITH standing_edits AS (
    SELECT lead_id, kind, value, author, edited_at
    FROM told_edits
    WHERE undoes IS NULL
      AND edit_id NOT IN (SELECT undoes FROM told_edits WHERE undoes IS NOT NULL)
),
versions AS (
    SELECT lead_id, last(edit_id ORDER BY edited_at, value) FILTER (kind = 'status') AS status_version
    FROM told_edits
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
    lead_id,
    coalesce(status, 'new') AS status,
    status_changed_by,
    status_changed_at,
    first_response_at,
    coalesce(status_version, '') AS status_version,
    coalesce(notes, '[]'::JSON) AS notes
FROM versions
LEFT JOIN changes USING (lead_id)
LEFT JOIN note_lists USING (lead_id)
