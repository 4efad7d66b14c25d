"""What holds of lead records: every lead event is in exactly one."""

from leadpipe.events.run_days import of_runs
from leadpipe.inspecting import Inspection, sql_faults

_PARTS = "SELECT unnest($parts::VARCHAR[])"

RECORDS = Inspection(
    "every_lead_event_is_in_one_record",
    "Per run, the records have as many actions as the run brought lead events, each in one record.",
    "SELECT run_id AS part, CAST(version AS VARCHAR) AS version FROM runs WHERE version > 0",
    sql_faults(f"""
        WITH events AS (
            SELECT run_id, count(*) AS events FROM raw_events
            WHERE {of_runs("event_date", _PARTS)}
              AND lead_type IS NOT NULL AND rejected_reason IS NULL
            GROUP BY run_id
        ),
        records AS (
            SELECT run_id, sum(total_actions) AS actions, count(*) - count(DISTINCT lead_id) AS repeated
            FROM leads WHERE {of_runs("first_action_date", _PARTS)} GROUP BY run_id
        )
        SELECT run_id, CAST((events IS DISTINCT FROM actions) AS BIGINT) + coalesce(repeated, 0)
        FROM events FULL JOIN records USING (run_id)
    """),
    at_once=500,
)
INSPECTIONS = (RECORDS,)
