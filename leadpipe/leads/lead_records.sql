-- Lead records: what each run was the first to bring, per listing (or profile) and seeker.
-- grain: one row per run, listing or profile, and seeker; key: run_id, lead_id
-- inputs: raw_events, run_days, runs, lead_edits, score_rules
-- $runs: the ids of the runs to build; $score_version: the rules to score them by
-- lead_id is made of the texts a|b|c; where an id has the separator in it, its length tells the parts apart.
-- created_at is when the run began; a status or note given to the lead later is shown on the record, unless it
-- was taken back.
-- Stored in the order of time, however many runs are built at once: a month of records is read without the others.
WITH actions AS (
    SELECT
        substr(md5(concat_ws(
            '|',
            CASE WHEN listing_id IS NULL THEN 'profile' ELSE 'listing' END,
            coalesce(listing_id, lister_id),
            seeker_id,
            CASE
                WHEN contains(coalesce(listing_id, lister_id), '|') OR contains(seeker_id, '|')
                    THEN length(coalesce(listing_id, lister_id))
            END
        )), 1, 12) AS lead_id,
        run_id,
        uuid,
        timestamp,
        listing_id,
        seeker_id,
        lister_id,
        lister_type,
        context_type,
        CASE
            WHEN lead_type IN ('direct_message', 'whatsapp', 'email') THEN 'lead_message'
            ELSE 'lead_' || lead_type
        END AS action_type,
        coalesce(points, 0) AS points,
        json_merge_patch(
            '{}',
            to_json({
                action_id: uuid,
                action_type: action_type,
                timestamp: strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%fZ'),
                message_type: CASE WHEN action_type = 'lead_message' THEN lead_type END,
                appointment_type: coalesce(mapped_properties, properties) ->> '$.appointment_type',
                is_logged_in: is_logged_in,
                utm_source: coalesce(mapped_properties, properties) ->> '$.utm_source',
                utm_medium: coalesce(mapped_properties, properties) ->> '$.utm_medium',
                utm_campaign: coalesce(mapped_properties, properties) ->> '$.utm_campaign',
                points: coalesce(points, 0)
            })
        ) AS action
    FROM raw_events
    LEFT JOIN (SELECT * FROM score_rules WHERE version = $score_version) USING (lead_type)
    WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))
      AND event_date IN (SELECT event_date FROM run_days WHERE run_id IN (SELECT unnest($runs::VARCHAR[])))
      AND lead_type IS NOT NULL
      AND rejected_reason IS NULL
),
records AS (
    SELECT
        lead_id,
        run_id,
        any_value(listing_id) AS listing_id,
        any_value(seeker_id) AS seeker_id,
        last(lister_id ORDER BY timestamp, uuid) FILTER (lister_id IS NOT NULL) AS lister_id,
        last(lister_type ORDER BY timestamp, uuid) FILTER (lister_type IS NOT NULL) AS lister_type,
        last(context_type ORDER BY timestamp, uuid) AS context_type,
        to_json(list(action ORDER BY timestamp, uuid)) AS lead_actions,
        CAST(count(*) AS INTEGER) AS total_actions,
        CAST(sum(points) AS INTEGER) AS lead_score,
        min(timestamp) AS first_action_at,
        max(timestamp) AS last_action_at,
        last(action_type ORDER BY timestamp, uuid) AS last_action_type
    FROM actions
    GROUP BY lead_id, run_id
),
standing_edits AS (
    SELECT lead_id, kind, value, author, edited_at
    FROM lead_edits
    WHERE undoes IS NULL
      AND edit_id NOT IN (SELECT undoes FROM lead_edits WHERE undoes IS NOT NULL)
),
edits AS (
    SELECT
        run_id,
        lead_id,
        list(value ORDER BY edited_at, value) FILTER (standing_edits.kind = 'status') AS statuses,
        list(
            {'text': value, 'author': author, 'at': strftime(edited_at, '%Y-%m-%dT%H:%M:%S.%fZ')}
            ORDER BY edited_at, value
        ) FILTER (standing_edits.kind = 'note') AS notes,
        max(edited_at) AS edited_at
    FROM records
    JOIN runs USING (run_id)
    JOIN standing_edits USING (lead_id)
    WHERE standing_edits.edited_at >= runs.started_at
    GROUP BY run_id, lead_id
)
SELECT
    lead_id,
    run_id,
    listing_id,
    seeker_id,
    lister_id,
    lister_type,
    context_type,
    lead_actions,
    total_actions,
    lead_score,
    $score_version AS score_version,
    first_action_at,
    last_action_at,
    CAST(first_action_at AS DATE) AS first_action_date,
    CAST(last_action_at AS DATE) AS last_action_date,
    last_action_type,
    coalesce(statuses[-1], 'new') AS status,
    to_json(list_concat(['new'], coalesce(statuses, []))) AS status_tracker,
    to_json(coalesce(notes, [])) AS notes,
    runs.started_at AS created_at,
    greatest(runs.started_at, edited_at) AS updated_at
FROM records
JOIN runs USING (run_id)
LEFT JOIN edits USING (run_id, lead_id)
ORDER BY first_action_at, run_id, lead_id
