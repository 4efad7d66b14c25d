-- What is known of each day: how far it was read, both sides when they were compared, and by which names.
-- grain: one day; key: event_date
-- inputs: event_days, compared_names, shared_uuids, raw_events, hidden_days; no parameters
-- has_same_events: null before the first comparison; has_same_copies: whether these are the copies received last,
-- of the persons of now; shared_uuids: events that PostHog has and that are not here, as another has their uuid;
-- hidden_events: gone in PostHog, by its retention or deleted;
-- is_questioned: lost events in PostHog, and nobody has looked why.
SELECT
    event_date,
    read_until,
    posthog_events,
    warehouse_events,
    checked_at,
    posthog_events = warehouse_events AND posthog_checksum = warehouse_checksum AS has_same_events,
    posthog_copies IS NOT DISTINCT FROM warehouse_copies AS has_same_copies,
    coalesce(differs_since, shared_since, hidden_since) AS differs_since,
    names.events AS event_names,
    coalesce(shared.shared_uuids, 0) AS shared_uuids,
    coalesce(hidden.events, 0) AS hidden_events,
    coalesce(hidden.is_questioned, false) AS is_questioned
FROM event_days
LEFT JOIN (
    SELECT names_key, any_value(events) AS events FROM compared_names GROUP BY names_key
) AS names ON event_days.event_names = names.names_key
LEFT JOIN (
    SELECT event_date, count(*) AS shared_uuids, min(seen_at) AS shared_since
    FROM shared_uuids
    WHERE NOT EXISTS (
        -- Of a long history only the uuids are read, and nothing where no uuid is shared.
        SELECT 1 FROM (
            SELECT uuid, event, distinct_id FROM raw_events WHERE uuid IN (SELECT uuid FROM shared_uuids)
        ) AS here
        WHERE here.uuid = shared_uuids.uuid AND here.event = shared_uuids.event
          AND here.distinct_id IS NOT DISTINCT FROM shared_uuids.distinct_id
    )
    GROUP BY event_date
) AS shared USING (event_date)
LEFT JOIN (
    SELECT event_date, events, since AS hidden_since, hidden_until IS NULL OR is_told AS is_questioned
    FROM hidden_days
) AS hidden USING (event_date)
ORDER BY event_date
