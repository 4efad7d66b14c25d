"""The tables of draws: who takes part, who is blocked, draws, their secrets and winners."""

import duckdb

from leadpipe.domains import Split

TABLES = (
    "draw_participants",
    "draw_participant_builds",
    "draw_rejections",
    "blacklist",
    "draws",
    "draw_secrets",
    "draw_winners",
)
# Blocks of the blacklist have no key: an error of PostgreSQL's would name the number.
STATE = {
    "blacklist": (),
    "draws": ("draw_id",),
    "draw_secrets": ("draw_id",),
    "draw_winners": ("draw_id", "prize_tier_id", "is_runner_up", "rank"),
}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables as 0.2.0 had them."""
    connection.execute("""
        CREATE TABLE draw_participants (
            draw_date DATE NOT NULL,
            msisdn VARCHAR NOT NULL,
            distinct_id VARCHAR NOT NULL,
            points BIGINT NOT NULL,
            entries BIGINT NOT NULL,
            recharge_amount DECIMAL(38, 2) NOT NULL,
            recharges BIGINT NOT NULL,
            last_recharge_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE draw_participant_builds (
            draw_date DATE NOT NULL,
            participants BIGINT NOT NULL,
            total_entries BIGINT NOT NULL,
            recharges BIGINT NOT NULL,
            blacklisted BIGINT NOT NULL,
            unread_days BIGINT NOT NULL,
            promotion_start DATE,
            max_recharge_naira BIGINT NOT NULL,
            phone_region VARCHAR NOT NULL,
            built_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE draw_rejections (
            draw_date DATE NOT NULL,
            reason VARCHAR NOT NULL,
            recharges BIGINT NOT NULL,
            new_recharges BIGINT NOT NULL,
            example_uuid UUID NOT NULL
        );
    """)


def create_state(connection: duckdb.DuckDBPyConnection) -> None:
    """The blacklist and the register of draws as 0.2.0 had them."""
    connection.execute("""
        CREATE TABLE blacklist (
            msisdn VARCHAR NOT NULL,
            blocked_from DATE NOT NULL,
            blocked_until DATE,
            reason VARCHAR NOT NULL,
            author VARCHAR NOT NULL,
            edited_at TIMESTAMPTZ NOT NULL
        );
        CREATE TABLE draws (
            draw_id VARCHAR NOT NULL,
            draw_date DATE NOT NULL,
            attempt INTEGER NOT NULL,
            status VARCHAR NOT NULL,
            participants BIGINT NOT NULL,
            total_entries BIGINT NOT NULL,
            commitment VARCHAR NOT NULL,
            announcement JSON NOT NULL,
            beacon_value VARCHAR,
            supersedes VARCHAR,
            reason VARCHAR,
            withdrawn_reason VARCHAR,
            frozen_at TIMESTAMPTZ NOT NULL,
            drawn_at TIMESTAMPTZ,
            evidence VARCHAR
        );
        CREATE TABLE draw_secrets (
            draw_id VARCHAR NOT NULL,
            list_key VARCHAR NOT NULL,
            seed VARCHAR NOT NULL
        );
        CREATE TABLE draw_winners (
            draw_id VARCHAR NOT NULL,
            draw_date DATE NOT NULL,
            prize_tier_id INTEGER NOT NULL,
            prize_tier_name VARCHAR NOT NULL,
            prize_value BIGINT NOT NULL,
            is_runner_up BOOLEAN NOT NULL,
            rank INTEGER NOT NULL,
            msisdn VARCHAR NOT NULL,
            distinct_id VARCHAR NOT NULL,
            entries BIGINT NOT NULL,
            event_uuid UUID NOT NULL,
            recorded_at TIMESTAMPTZ
        );
    """)


def note_what_lists_depend_on(connection: duckdb.DuckDBPyConnection) -> None:
    """Each list notes the zones it was built in, and all it depends on; those of before have no such note."""
    connection.execute("""
        ALTER TABLE draw_participant_builds ADD COLUMN draw_timezone VARCHAR;
        ALTER TABLE draw_participant_builds ADD COLUMN naive_timezone VARCHAR;
        ALTER TABLE draw_participant_builds ADD COLUMN begins_at TIMESTAMPTZ;
        ALTER TABLE draw_participant_builds ADD COLUMN inputs VARCHAR;
    """)


MIGRATIONS = (Split(create_tables, create_state), note_what_lists_depend_on)
