-- Leads as they are at this moment: what is published, with what people have said since.
-- grain: one lead; key: lead_id
-- inputs: lead_list (of grouped_leads), edited_leads
SELECT
    l.* REPLACE (
        CASE WHEN e.lead_id IS NULL THEN l.status ELSE e.status END AS status,
        CASE WHEN e.lead_id IS NULL THEN l.status_changed_by ELSE e.status_changed_by END AS status_changed_by,
        CASE WHEN e.lead_id IS NULL THEN l.status_changed_at ELSE e.status_changed_at END AS status_changed_at,
        CASE WHEN e.lead_id IS NULL THEN l.status_version ELSE e.status_version END AS status_version,
        CASE WHEN e.lead_id IS NULL THEN l.first_response_seconds ELSE e.first_response_seconds END
            AS first_response_seconds,
        coalesce(e.notes, l.notes) AS notes
    )
FROM lead_list AS l
LEFT JOIN edited_leads AS e ON e.lead_id = l.lead_id
