-- What copies of events say, whichever way PostHog printed them: of two copies received at one moment the one
-- with the greater content is the event.
-- grain: one copy whose properties are an object; key: copy
-- input: copies(copy, properties, timestamp, event, distinct_id), copy of any type and unique
-- Greater is the copy with more values, then by names and values in the order of names, then by time, name and
-- distinct id. Numbers are numbers at every depth. Null and empty values, which PostHog may leave out, are no
-- values. Of a name given twice the first counts. Some of PostHog's own properties come and go with its
-- native-JSON table: those it forgets after 60 days, the flags it lists anew, the text it could not read.
WITH objects AS (
    SELECT copy, CASE WHEN json_type(properties) = 'OBJECT' THEN properties END AS object,
        timestamp, event, distinct_id
    FROM copies
    WHERE CASE WHEN json_valid(properties) THEN json_type(properties) = 'OBJECT' ELSE false END
),
said AS (
    SELECT copy, fullkey, arg_min(
        CASE
            WHEN type IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CAST(CAST(atom AS DOUBLE) AS VARCHAR)
            ELSE CAST(atom AS VARCHAR)
        END,
        id
    ) AS value
    FROM objects, json_tree(object)
    WHERE type NOT IN ('OBJECT', 'ARRAY', 'NULL')
        AND atom <> '""'
        AND NOT regexp_matches(
            fullkey,
            '^\$\.\$(sdk_debug_|(set|set_once|unset|group_set|feature_flag_request_id|sent_at'
            || '|debug_first_full_snapshot_timestamp|snapshot_max_depth_exceeded|sess_rec_flush_size'
            || '|session_recording_remote_config|session_recording_network_payload_capture'
            || '|session_recording_canvas_recording|replay_script_config|lib_rate_limit_remaining_tokens'
            || '|lib_custom_api_host|active_feature_flags|unparseable_properties)($|[.\[]))'
        )
    GROUP BY copy, fullkey
),
sayings AS (
    SELECT copy, count(*) AS number,
        list_sort(list({'name': fullkey, 'value': value})) AS said
    FROM said GROUP BY copy
)
SELECT
    copy,
    {
        'number': coalesce(number, 0),
        'said': coalesce(said, []),
        'timestamp': timestamp,
        'event': event,
        'distinct_id': coalesce(distinct_id, '')
    } AS content
FROM objects LEFT JOIN sayings USING (copy)
