"""A warehouse with years of events, made by SQL alone: no HTTP, nothing to type; kept in `benchmarks/out`.

Every day has 11,000 events, so a longer history has more days, not fuller ones. Four syncs a day read
them, and their ids have no order. 2,000 listings are live on a day: nine of ten for four months, the others
for all time. Persons come and go.
"""

from datetime import date
from pathlib import Path

from benchmarks.measure import OUT
from benchmarks.replay import DAY
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.versions import adopt
from leadpipe.warehouse import Warehouse

TODAY = date(2026, 11, 21)
EVENTS_A_DAY = 11_000
_EVENTS_A_RUN = EVENTS_A_DAY // 4
_AT_ONCE = 2_000_000
_MEMORY = "2GB"

EVENTS = """
    WITH numbered AS (
        SELECT number, CAST(hash(number) >> 2 AS BIGINT) AS chance,
               CAST(hash(number + 1_000_000_000_000) >> 2 AS BIGINT) AS other,
               CAST(hash(number + 2_000_000_000_000) >> 2 AS BIGINT) AS third,
               CAST(DATE '{today}' - INTERVAL 1 DAY * ({last} - number // {a_day}) AS DATE) AS event_date
        FROM range({first}, {until}) AS numbers(number)
    ),
    named AS (
        SELECT *,
            date_diff('day', DATE '2000-01-01', event_date) AS day,
            CASE WHEN chance % 100 < 55 THEN 'property_view' WHEN chance % 100 < 75 THEN '$pageview'
                 WHEN chance % 100 < 82 THEN 'impression_share'
                 WHEN chance % 100 < 90 THEN 'impression_social_media'
                 WHEN chance % 100 < 99 THEN 'lead_phone' ELSE 'listing_sold' END AS event,
            CASE WHEN other % 10 = 0 THEN other // 10 % 200
                 ELSE 1_000 + day * 15 + other // 10 % 1_800 END AS listing,
            'person-' || (day * 500 + third % 30_000) AS person
        FROM numbered
    )
    SELECT
        CAST(md5(CAST(number AS VARCHAR)) AS UUID) AS uuid,
        event,
        CAST(event_date AS TIMESTAMPTZ) + INTERVAL 1 SECOND * (third // 30_000 % 86_400) AS timestamp,
        event_date,
        CAST(third // 30_000 % 86_400 // 3600 AS UTINYINT) AS event_hour,
        timestamp + INTERVAL 5 SECOND AS created_at,
        'device-' || person AS distinct_id,
        person AS person_id,
        CASE WHEN event <> '$pageview' THEN 'listing-' || listing END AS listing_id,
        person AS seeker_id,
        'listing' AS context_type,
        CASE WHEN event = 'lead_phone' THEN 'phone' END AS lead_type,
        third % 3 = 0 AS is_logged_in,
        CASE WHEN event = 'property_view'
             THEN ['home', 'search', 'explore', 'mail'][1 + chance // 100 % 4] END AS viewed_from,
        CASE WHEN event = 'impression_share'
             THEN ['facebook', 'whatsapp', 'email'][1 + chance // 100 % 3] END AS platform,
        CASE WHEN event = 'listing_sold' THEN 250_000 END AS price,
        '{{"utm_source":"source-' || chance % 7 || '"}}' AS properties,
        CASE event WHEN 'property_view' THEN 'view' WHEN '$pageview' THEN 'pageview'
             WHEN 'impression_share' THEN 'share' WHEN 'impression_social_media' THEN 'social_media'
             WHEN 'listing_sold' THEN 'sale' ELSE 'lead' END AS meaning,
        3 AS person_rank{more}
    FROM named
"""
"""Events of numbers from `first` to before `until`; number // a_day counts days, and day `last` is today."""

_RUN_ID = f"CAST(CAST(md5('run ' || number // {_EVENTS_A_RUN}) AS UUID) AS VARCHAR)"
_RUNS = f"""
    INSERT INTO runs BY NAME SELECT
        {_RUN_ID} AS run_id, 'scheduled' AS kind, 'succeeded' AS status,
        event_date AS window_start, event_date AS window_end, {_EVENTS_A_RUN} AS events_fetched,
        {_EVENTS_A_RUN} AS events_new, 0 AS events_duplicate, 0 AS events_rejected,
        '{{}}' AS rejected_reasons, 3 AS api_calls, 0 AS retries, 0 AS rate_limits, 1 AS version,
        'localhost' AS host, 1 AS pid, started_at, started_at + INTERVAL 1 MINUTE AS finished_at, 1 AS parts
    FROM (
        SELECT number, DATE '{TODAY}' - INTERVAL 1 DAY * ($last - number // {EVENTS_A_DAY}) AS event_date,
               event_date + INTERVAL 6 HOUR * (1 + number % {EVENTS_A_DAY} // {_EVENTS_A_RUN}) AS started_at
        FROM range(0, $last * {EVENTS_A_DAY}, {_EVENTS_A_RUN}) AS numbers(number)
    )
"""
_PARTS = """
    INSERT INTO run_parts BY NAME SELECT
        run_id, run_id AS part_id, run_id AS attempt_id, 1 AS attempt, status, window_start, window_end,
        started_at, finished_at
    FROM runs
"""


def events_sql(first: int, until: int, *, last_day: int, more: str = "") -> str:
    """The SELECT of events by number, with columns of `raw_events` but run_id, and with `more`."""
    return EVENTS.format(
        first=first,
        until=until,
        last=last_day,
        today=TODAY.isoformat(),
        a_day=EVENTS_A_DAY,
        more=more,
    )


def long_history(events: int) -> Path:
    """A DuckDB file with so many events up to yesterday; no marts."""
    path = OUT / f"history-{events}.duckdb"
    if path.exists():
        return path
    OUT.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    last_day = events // EVENTS_A_DAY
    with Warehouse(unfinished, memory_limit=_MEMORY).connect() as connection:
        adopt(connection, built_in(), now=DAY)
        connection.execute(_RUNS, {"last": last_day})
        connection.execute(_PARTS)
        for first in range(0, last_day * EVENTS_A_DAY, _AT_ONCE):
            until = min(first + _AT_ONCE, last_day * EVENTS_A_DAY)
            more = f", {_RUN_ID} AS run_id, number"
            rows = events_sql(first, until, last_day=last_day, more=more)
            connection.execute(
                f"INSERT INTO raw_events BY NAME SELECT * EXCLUDE (number) FROM ({rows}) ORDER BY number"
            )
        connection.execute(
            "INSERT INTO run_days SELECT DISTINCT run_id, event_date FROM raw_events ORDER BY ALL"
        )
        connection.execute(
            """
            INSERT INTO event_days BY NAME
            SELECT event_date, 1 AS version, mapping AS typed_by, [mapping] AS read_by, $now AS checked_at,
                   event_date + INTERVAL 2 DAY AS read_until, events AS warehouse_events,
                   events AS posthog_events
            FROM (SELECT event_date, count(*) AS events FROM raw_events GROUP BY event_date),
                 (SELECT version AS mapping FROM event_mappings)
            """,
            {"now": DAY},
        )
    unfinished.rename(path)
    return path
