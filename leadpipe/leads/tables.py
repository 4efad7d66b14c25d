"""The tables of leads: records, what people typed in, and by which rules records were scored."""

import duckdb

from leadpipe.domains import InState, Split

TABLES = (
    "leads",
    "lead_builds",
    "lead_edits",
    "score_rules",
    "lead_months",
    "lead_month_versions",
    "built_edits",
    "notes_to_erase",
)
STATE = {"lead_edits": ("edit_id",), "score_rules": ("version", "lead_type")}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
    connection.execute("""
        CREATE TABLE leads (
            lead_id VARCHAR NOT NULL,
            run_id VARCHAR NOT NULL,
            listing_id VARCHAR,
            seeker_id VARCHAR NOT NULL,
            lister_id VARCHAR,
            lister_type VARCHAR,
            context_type VARCHAR NOT NULL,
            lead_actions JSON NOT NULL,
            total_actions INTEGER NOT NULL,
            lead_score INTEGER NOT NULL,
            score_version VARCHAR NOT NULL,
            first_action_at TIMESTAMPTZ NOT NULL,
            last_action_at TIMESTAMPTZ NOT NULL,
            first_action_date DATE NOT NULL,
            last_action_date DATE NOT NULL,
            last_action_type VARCHAR NOT NULL,
            status VARCHAR NOT NULL,
            status_tracker JSON NOT NULL,
            notes JSON NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            updated_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE lead_builds (
            run_id VARCHAR NOT NULL,
            version INTEGER NOT NULL,
            score_version VARCHAR NOT NULL
        );
    """)


def create_state(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables of what people said as 0.2.0 had them."""
    connection.execute("""
        CREATE TABLE lead_edits (
            lead_id VARCHAR NOT NULL,
            kind VARCHAR NOT NULL,
            value VARCHAR NOT NULL,
            author VARCHAR NOT NULL,
            edited_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE score_rules (
            version VARCHAR NOT NULL,
            lead_type VARCHAR NOT NULL,
            points INTEGER NOT NULL
        );
    """)


def number_edits(connection: duckdb.DuckDBPyConnection) -> None:
    """Edits get an id of their own, and what they were made on; those of then, an id of what they say."""
    connection.execute("""
        ALTER TABLE lead_edits ADD COLUMN edit_id VARCHAR;
        ALTER TABLE lead_edits ADD COLUMN previous VARCHAR;
        ALTER TABLE lead_edits ADD COLUMN undoes VARCHAR;
        UPDATE lead_edits SET
            edit_id = 'warehouse-' || md5(concat_ws('|', lead_id, kind, author, epoch_us(edited_at), value)),
            previous = '';
    """)


def divide_by_months(connection: duckdb.DuckDBPyConnection) -> None:
    """Which month a lead belongs to, by its first action, and how often a month's rows became others."""
    connection.execute("""
        CREATE TABLE lead_months (lead_id VARCHAR NOT NULL, month DATE NOT NULL);
        CREATE TABLE lead_month_versions (
            month DATE NOT NULL,
            records_version BIGINT NOT NULL,
            leads_version BIGINT NOT NULL
        );
        INSERT INTO lead_months
        SELECT lead_id, CAST(date_trunc('month', min(first_action_date)) AS DATE) FROM leads GROUP BY lead_id;
        INSERT INTO lead_month_versions
        SELECT DISTINCT CAST(date_trunc('month', first_action_date) AS DATE), 1, 1 FROM leads;
    """)


def note_built_edits(connection: duckdb.DuckDBPyConnection) -> None:
    """Which edits the records show, and which notes are to go: both outlive a kill between two commits."""
    connection.execute("""
        CREATE TABLE built_edits (edit_id VARCHAR NOT NULL);
        CREATE TABLE notes_to_erase (edit_id VARCHAR NOT NULL);
        INSERT INTO built_edits SELECT edit_id FROM lead_edits;
    """)


MIGRATIONS = (
    Split(create_tables, create_state),
    InState(number_edits),
    divide_by_months,
    note_built_edits,
)
