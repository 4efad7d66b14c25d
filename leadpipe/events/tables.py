"""The tables of events: what PostHog sent, what of each day is known, who brought it."""

import json
from importlib.resources import files

import duckdb

from leadpipe.domains import InState, Split
from leadpipe.warehouse import is_of_a_lake

_QUERY_RANK = 3  # persons.PersonRank.QUERY, as migrations stay what they were

TABLES = (
    "raw_events",
    "rejected_events",
    "event_copies",
    "event_days",
    "changed_days",
    "runs",
    "run_parts",
    "sources",
    "source_moves",
    "gone_events",
    "accepted_days",
    "shared_uuids",
    "person_overrides",
    "deletions_to_wipe",
    "compared_names",
    "posthog_retention",
    "hidden_days",
    "webhook_arrivals",
    "unconfirmed_events",
    "event_mappings",
    "event_looks",
    "seen_events",
    "dismissed_events",
    "exported_files",
    "exported_days",
    "file_downloads",
    "inspections",
    "day_counts",
    "day_count_builds",
    "run_days",
)
# Mappings, accepted days and files that were taken commit together with the events they are about.
STATE = {"sources": (), "source_moves": (), "dismissed_events": ()}

_TEXTS = (
    "listing_id",
    "seeker_id",
    "lister_id",
    "lister_type",
    "context_type",
    "viewed_from",
    "platform",
    "save_action",
)


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
    connection.execute("""
        CREATE TABLE raw_events (
            uuid UUID NOT NULL,
            event VARCHAR NOT NULL,
            timestamp TIMESTAMPTZ NOT NULL,
            event_date DATE NOT NULL,
            event_hour UTINYINT NOT NULL,
            created_at TIMESTAMPTZ,
            distinct_id VARCHAR,
            person_id VARCHAR,
            listing_id VARCHAR,
            seeker_id VARCHAR,
            lister_id VARCHAR,
            lister_type VARCHAR,
            context_type VARCHAR,
            lead_type VARCHAR,
            is_logged_in BOOLEAN,
            viewed_from VARCHAR,
            platform VARCHAR,
            save_action VARCHAR,
            price DECIMAL(18, 2),
            properties VARCHAR,
            rejected_reason VARCHAR,
            run_id VARCHAR NOT NULL
        );
        CREATE TABLE rejected_events (
            run_id VARCHAR NOT NULL,
            reason VARCHAR NOT NULL,
            content_hash VARCHAR NOT NULL,
            content VARCHAR NOT NULL,
            rejected_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE event_copies (uuid UUID NOT NULL, event_date DATE NOT NULL);
        CREATE TABLE event_days (
            event_date DATE NOT NULL,
            version INTEGER NOT NULL,
            read_until TIMESTAMPTZ,
            posthog_events BIGINT,
            warehouse_events BIGINT,
            checked_at TIMESTAMPTZ
        );
        CREATE TABLE changed_days (
            event_date DATE NOT NULL,
            events BIGINT NOT NULL,
            since TIMESTAMPTZ NOT NULL,
            until TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE runs (
            run_id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            status VARCHAR NOT NULL,
            window_start DATE,
            window_end DATE,
            events_fetched BIGINT NOT NULL,
            events_new BIGINT NOT NULL,
            events_duplicate BIGINT NOT NULL,
            events_rejected BIGINT NOT NULL,
            rejected_reasons JSON NOT NULL,
            api_calls BIGINT NOT NULL,
            retries BIGINT NOT NULL,
            rate_limits BIGINT NOT NULL,
            version INTEGER NOT NULL,
            error VARCHAR,
            host VARCHAR NOT NULL,
            pid INTEGER NOT NULL,
            started_at TIMESTAMPTZ NOT NULL,
            finished_at TIMESTAMPTZ
        );
    """)


def create_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Which project fills the warehouse, as 0.2.0 had it."""
    connection.execute("CREATE TABLE sources (host VARCHAR NOT NULL, project_id VARCHAR NOT NULL)")


def prove_by_checksum(connection: duckdb.DuckDBPyConnection) -> None:
    """Days are compared by their events; what is gone in PostHog, and uuids of two events, are remembered."""
    connection.execute("""
        ALTER TABLE event_days ADD COLUMN posthog_checksum UBIGINT;
        ALTER TABLE event_days ADD COLUMN warehouse_checksum UBIGINT;
        ALTER TABLE event_days ADD COLUMN event_names VARCHAR;
        ALTER TABLE event_days ADD COLUMN differs_since TIMESTAMPTZ;
        ALTER TABLE changed_days ADD COLUMN first_day DATE;
        CREATE TABLE gone_events (
            uuid UUID NOT NULL,
            event VARCHAR NOT NULL,
            event_date DATE NOT NULL,
            run_id VARCHAR NOT NULL,
            gone_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE accepted_days (
            event_date DATE NOT NULL,
            author VARCHAR NOT NULL,
            accepted_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE shared_uuids (
            uuid UUID NOT NULL,
            event VARCHAR NOT NULL,
            distinct_id VARCHAR,
            event_date DATE NOT NULL,
            seen_at TIMESTAMPTZ NOT NULL
        );
    """)


def follow_persons(connection: duckdb.DuckDBPyConnection) -> None:
    """Copies and persons are compared too; who merged with whom is remembered.

    Events that a query has read name the person as PostHog resolves it; those of a webhook do not.
    """
    connection.execute("""
        ALTER TABLE event_days ADD COLUMN posthog_copies UBIGINT;
        ALTER TABLE event_days ADD COLUMN warehouse_copies UBIGINT;
        ALTER TABLE event_copies ADD COLUMN created_at TIMESTAMPTZ;
        ALTER TABLE event_copies ADD COLUMN distinct_id VARCHAR;
        ALTER TABLE event_copies ADD COLUMN person_id VARCHAR;
        ALTER TABLE raw_events ADD COLUMN person_rank UTINYINT;
        UPDATE raw_events SET person_rank = CASE WHEN created_at IS NULL THEN 1 ELSE 3 END;
        CREATE TABLE person_overrides (distinct_id VARCHAR NOT NULL, person_id VARCHAR NOT NULL);
        CREATE TABLE deletions_to_wipe (noted_at TIMESTAMPTZ NOT NULL);
    """)


def freeze_by_retention(connection: duckdb.DuckDBPyConnection) -> None:
    """What PostHog hides by age is known, and the names behind the hash that days were compared by."""
    connection.execute("""
        CREATE TABLE compared_names (
            names_key VARCHAR NOT NULL,
            events VARCHAR[] NOT NULL,
            used_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE posthog_retention (
            asked_at TIMESTAMPTZ NOT NULL,
            months INTEGER,
            is_enforced BOOLEAN,
            timezone VARCHAR,
            problem VARCHAR
        );
        CREATE TABLE hidden_days (
            event_date DATE NOT NULL,
            hidden_until TIMESTAMPTZ,
            events BIGINT NOT NULL,
            since TIMESTAMPTZ NOT NULL,
            is_told BOOLEAN NOT NULL
        );
    """)


def await_confirmation(connection: duckdb.DuckDBPyConnection) -> None:
    """Events that only a webhook brought wait for PostHog's queries to show them; earlier ones do, too."""
    connection.execute("""
        CREATE TABLE webhook_arrivals (
            uuid UUID NOT NULL,
            event VARCHAR NOT NULL,
            event_date DATE NOT NULL,
            arrived_at TIMESTAMPTZ NOT NULL,
            unseen_until TIMESTAMPTZ
        );
        CREATE TABLE unconfirmed_events (
            uuid UUID NOT NULL,
            event VARCHAR NOT NULL,
            event_date DATE NOT NULL,
            run_id VARCHAR NOT NULL,
            arrived_at TIMESTAMPTZ NOT NULL,
            set_aside_at TIMESTAMPTZ NOT NULL,
            seen_at TIMESTAMPTZ
        );
        INSERT INTO webhook_arrivals
        SELECT uuid, event, event_date, coalesce(started_at, timestamp), NULL
        FROM raw_events LEFT JOIN runs USING (run_id) WHERE created_at IS NULL;
    """)


def divide_runs(connection: duckdb.DuckDBPyConnection) -> None:
    """A run is one sync, however many Dagster runs it takes: its parts. Those of before had one each."""
    connection.execute("""
        ALTER TABLE runs ADD COLUMN parts INTEGER DEFAULT 1;
        CREATE TABLE run_parts (
            run_id VARCHAR NOT NULL,
            part_id VARCHAR NOT NULL,
            attempt_id VARCHAR NOT NULL,
            attempt INTEGER NOT NULL,
            status VARCHAR NOT NULL,
            window_start DATE,
            window_end DATE,
            error VARCHAR,
            started_at TIMESTAMPTZ NOT NULL,
            finished_at TIMESTAMPTZ
        );
        INSERT INTO run_parts
        SELECT run_id, run_id, run_id, 1, status, window_start, window_end, error, started_at, finished_at
        FROM runs;
    """)


def remember_moves(connection: duckdb.DuckDBPyConnection) -> None:
    """A project may get another address; who said so is remembered."""
    connection.execute("""
        CREATE TABLE source_moves (
            host_before VARCHAR NOT NULL,
            project_id_before VARCHAR NOT NULL,
            host VARCHAR NOT NULL,
            project_id VARCHAR NOT NULL,
            days_equal INTEGER NOT NULL,
            days_differing INTEGER NOT NULL,
            author VARCHAR NOT NULL,
            moved_at TIMESTAMPTZ NOT NULL
        )
    """)


def read_by_mapping(connection: duckdb.DuckDBPyConnection) -> None:
    """What an event means is kept with it, and with each day by which mapping; before, names were fixed."""
    connection.execute("""
        ALTER TABLE raw_events ADD COLUMN meaning VARCHAR;
        ALTER TABLE raw_events ADD COLUMN mapped_properties VARCHAR;
        ALTER TABLE event_days ADD COLUMN typed_by VARCHAR;
        ALTER TABLE event_days ADD COLUMN read_by VARCHAR[];
        CREATE TABLE event_mappings (
            version VARCHAR NOT NULL,
            content VARCHAR NOT NULL,
            is_current BOOLEAN NOT NULL,
            adopted_at TIMESTAMPTZ
        );
    """)
    stored = connection.execute("SELECT count(*) FROM event_days").fetchone()
    if not stored or not stored[0]:
        return
    text = files("leadpipe").joinpath("events", "mapping", "fixed_names.json").read_text()
    fixed = json.loads(text)
    meanings = {
        name: rule["meaning"]
        for name, rules in fixed["content"]["events"].items()
        for rule in rules
    }
    connection.execute(
        "UPDATE raw_events SET meaning = fixed.meaning FROM (SELECT unnest($names::VARCHAR[]) AS event, "
        "unnest($meanings::VARCHAR[]) AS meaning) AS fixed WHERE raw_events.event = fixed.event",
        {"names": list(meanings), "meanings": list(meanings.values())},
    )
    connection.execute(
        "INSERT INTO event_mappings VALUES ($version, $content, true, NULL)",
        {"version": fixed["version"], "content": json.dumps(fixed["content"])},
    )
    connection.execute(
        "UPDATE event_days SET typed_by = $version, read_by = [$version]",
        {"version": fixed["version"]},
    )


def tell_unused_events(connection: duckdb.DuckDBPyConnection) -> None:
    """Which events the project sends is looked at once a day, to tell of those that no table uses."""
    connection.execute("""
        CREATE TABLE event_looks (looked_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE seen_events (
            event VARCHAR NOT NULL,
            events BIGINT NOT NULL,
            events_a_day DOUBLE NOT NULL,
            first_at TIMESTAMPTZ NOT NULL,
            last_at TIMESTAMPTZ NOT NULL
        );
    """)


def keep_dismissals(connection: duckdb.DuckDBPyConnection) -> None:
    """Which of the project's events people want to hear no more of."""
    connection.execute("""
        CREATE TABLE dismissed_events (
            event VARCHAR NOT NULL,
            author VARCHAR NOT NULL,
            dismissed_at TIMESTAMPTZ NOT NULL
        );
    """)


def read_numbers_alike(connection: duckdb.DuckDBPyConnection) -> None:
    """The number 7.0 is read as 7: days on which something was typed as 7.0 are typed again by the next load.

    It may be the text 7.0, which stays; what becomes of a day is seen when its events are typed.
    """
    is_any = " OR ".join(f"ends_with({column}, '.0')" for column in _TEXTS)
    connection.execute(f"""
        UPDATE event_days SET typed_by = 'before numbers were read alike'
        WHERE typed_by IS NOT NULL AND event_date IN (
            SELECT event_date FROM raw_events
            WHERE {is_any} OR contains(mapped_properties, '.0')
        )
    """)


def take_exported_files(connection: duckdb.DuckDBPyConnection) -> None:
    """Files of batch exports are remembered by key and version; persons' exports name persons, too.

    `exported_days` are the days that files changed and that were not compared with PostHog since.
    """
    connection.execute(f"""
        CREATE TABLE exported_files (
            key VARCHAR NOT NULL,
            e_tag VARCHAR NOT NULL,
            size BIGINT NOT NULL,
            interval_start TIMESTAMPTZ,
            interval_end TIMESTAMPTZ NOT NULL,
            model VARCHAR,
            state VARCHAR NOT NULL,
            reason VARCHAR,
            rows BIGINT,
            events_new BIGINT,
            run_id VARCHAR,
            first_seen_at TIMESTAMPTZ NOT NULL,
            taken_at TIMESTAMPTZ
        );
        CREATE TABLE exported_days (event_date DATE NOT NULL);
        ALTER TABLE person_overrides ADD COLUMN person_rank UTINYINT DEFAULT {_QUERY_RANK};
        ALTER TABLE person_overrides ADD COLUMN version BIGINT;
    """)


def remember_downloads(connection: duckdb.DuckDBPyConnection) -> None:
    """Which file downloads were asked of PostHog, so that a run that was killed is gone on with."""
    connection.execute("""
        CREATE TABLE file_downloads (
            export_id VARCHAR NOT NULL,
            span_start TIMESTAMPTZ NOT NULL,
            span_end TIMESTAMPTZ NOT NULL,
            rows_expected BIGINT NOT NULL,
            mapping VARCHAR NOT NULL,
            state VARCHAR NOT NULL,
            reason VARCHAR,
            files INTEGER NOT NULL,
            rows BIGINT NOT NULL,
            run_id VARCHAR NOT NULL,
            attempt_id VARCHAR NOT NULL,
            asked_at TIMESTAMPTZ NOT NULL,
            ended_at TIMESTAMPTZ
        );
        ALTER TABLE run_parts ADD COLUMN lane VARCHAR;
        ALTER TABLE run_parts ADD COLUMN lane_reason VARCHAR;
    """)


def divide_by_days(connection: duckdb.DuckDBPyConnection) -> None:
    """On a lake the events of a day are files of their own: what is about some days reads no others."""
    if is_of_a_lake(connection):
        connection.execute("ALTER TABLE raw_events SET PARTITIONED BY (event_date)")


def remember_inspections(connection: duckdb.DuckDBPyConnection) -> None:
    """When each part of a table was looked at; how many events of which name each day has.

    The first publication counts all days, and the first sync looks at all parts.
    """
    connection.execute("""
        CREATE TABLE inspections (
            inspection VARCHAR NOT NULL,
            part VARCHAR NOT NULL,
            version VARCHAR,
            inspected_at TIMESTAMPTZ NOT NULL,
            faults BIGINT NOT NULL
        );
        CREATE TABLE day_counts (
            event_date DATE NOT NULL,
            event VARCHAR NOT NULL,
            rejected_reason VARCHAR,
            events BIGINT NOT NULL,
            first_at TIMESTAMPTZ NOT NULL,
            last_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE day_count_builds (event_date DATE NOT NULL, version INTEGER NOT NULL);
    """)


def remember_days_of_runs(connection: duckdb.DuckDBPyConnection) -> None:
    """On which days the events of a run are: they were looked for in all history, as ids have no order."""
    connection.execute("""
        CREATE TABLE run_days (run_id VARCHAR NOT NULL, event_date DATE NOT NULL);
        INSERT INTO run_days SELECT DISTINCT run_id, event_date FROM raw_events ORDER BY ALL
    """)


MIGRATIONS = (
    Split(create_tables, create_state),
    prove_by_checksum,
    follow_persons,
    freeze_by_retention,
    await_confirmation,
    divide_runs,
    InState(remember_moves),
    read_by_mapping,
    Split(tell_unused_events, keep_dismissals),
    read_numbers_alike,
    take_exported_files,
    remember_downloads,
    divide_by_days,
    remember_inspections,
    remember_days_of_runs,
)
