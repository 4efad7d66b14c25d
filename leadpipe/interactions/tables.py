"""The table of staff contacts: what each sync of a leads file did."""

import duckdb

from leadpipe.domains import InState

TABLES = ("interaction_syncs",)
STATE = {"interaction_syncs": ("sync_id",)}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
    connection.execute("""
        CREATE TABLE interaction_syncs (
            sync_id VARCHAR NOT NULL,
            synced_at TIMESTAMPTZ NOT NULL,
            run_id VARCHAR,
            tenant VARCHAR NOT NULL,
            program_id VARCHAR NOT NULL,
            source VARCHAR NOT NULL,
            window_start TIMESTAMPTZ NOT NULL,
            read_until TIMESTAMPTZ NOT NULL,
            events BIGINT NOT NULL,
            added BIGINT NOT NULL,
            already_there BIGINT NOT NULL,
            unmatched BIGINT NOT NULL,
            rejected BIGINT NOT NULL,
            problems JSON NOT NULL,
            content_hash VARCHAR NOT NULL
        );
    """)


MIGRATIONS = (InState(create_tables),)
