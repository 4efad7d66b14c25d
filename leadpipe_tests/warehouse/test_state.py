"""What people typed and what is under way: in PostgreSQL on a shared lake, with the rows that a file has."""

import random
import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from leadpipe.delivery import outbox, reconciling
from leadpipe.delivery.alerts import AlertRules, due_alerts, keep_told
from leadpipe.delivery.breaker import BreakerChange, keep_changes
from leadpipe.delivery.intake import take_in_events, take_in_leads
from leadpipe.delivery.outbox import Choice, Outcome
from leadpipe.delivery.partner_events import (
    apply_partner_event,
    read_partner_event,
    settle_partner_events,
)
from leadpipe.delivery.reconciling import Finding, Reconciliation
from leadpipe.delivery.retention import forget_old
from leadpipe.delivery.settling import settle
from leadpipe.domains import HasTables, parts
from leadpipe.draws.blacklist import Block, add_blocks, end_block
from leadpipe.draws.drawing import freeze, run
from leadpipe.draws.register import withdraw
from leadpipe.errors import WarehouseError
from leadpipe.events.project.unused import dismiss, undo_dismissal
from leadpipe.events.versions import mark_changed
from leadpipe.events.wiping import wipe
from leadpipe.interactions.history import enter_records
from leadpipe.leads import folding
from leadpipe.leads.edits import Change, LeadEdits
from leadpipe.leads.folding import edited_leads, update_leads
from leadpipe.leads.scores import BUILT_IN
from leadpipe.places import Lake
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import (
    ALL_LOCKS,
    Warehouse,
    between_databases,
    memory,
    tables_in,
    transaction,
    view_table,
)
from leadpipe.warehouse.lake import search_path
from leadpipe.warehouse.migrations import gather_migrations, gather_state, is_behind, migrate
from leadpipe_tests.clocks import NOW
from leadpipe_tests.delivery.builders import lead
from leadpipe_tests.draws.builders import DRAW_DATE, PRIZES, RULES, give_entries, mark_read, msisdn
from leadpipe_tests.events.builders import event, rows, take_in
from leadpipe_tests.interactions.builders import TENANT
from leadpipe_tests.lakes import put_in, tell_all_to_let_go

pytestmark = pytest.mark.file_only("compares the file with a shared lake")

_MINUTE = timedelta(minutes=1)
_MAIN, _OTHER = "villa-accra-12", "flat-kumasi-3"


@pytest.fixture
def file(tmp_path):
    """A warehouse that is a file."""
    return Warehouse(tmp_path / "file" / "leadpipe.duckdb", lock_timeout_seconds=5.0)


@pytest.fixture
def shared(postgres, empty_shared_lake, tmp_path):
    """A warehouse on a lake that several machines share, its state in a database of its own."""
    lake = empty_shared_lake.copy(postgres, f"{tmp_path}/lake/", put_in(tmp_path / "lake"))
    return Warehouse(tmp_path / "shared" / "leadpipe.duckdb", lock_timeout_seconds=5.0, lake=lake)


@pytest.fixture
def same_chance(monkeypatch) -> Callable[[], None]:
    """Call it where a walk begins: what is drawn by chance is the same in each walk."""

    def begin() -> None:
        chance = random.Random(7)
        monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128)))
        monkeypatch.setattr(secrets, "token_hex", lambda size: chance.randbytes(size).hex())

    return begin


def edits_of(warehouse: Warehouse) -> LeadEdits:
    """What people say, beside a warehouse."""
    return LeadEdits(warehouse.path.parent / "lead_edits.sqlite")


def bring_events(warehouse: Warehouse) -> None:
    """Two seekers' leads, and two conversations that ended with a lead."""
    warehouse.path.parent.mkdir(exist_ok=True)
    captured = [
        event("lead_captured", NOW - n * _MINUTE, seeker_id=f"seeker-{n}", properties=lead(n))
        for n in (1, 2)
    ]
    seen = [
        event("lead_phone", NOW - timedelta(hours=2), listing_id=_MAIN, seeker_id="ama"),
        event("lead_phone", NOW - timedelta(hours=1), listing_id=_OTHER, seeker_id="kofi"),
    ]
    take_in(warehouse, warehouse.path.parent, [*seen, *captured], now=NOW)


def update(warehouse: Warehouse) -> folding.UpdateReport:
    """What the asset `leads` does."""
    with warehouse.connect() as connection:
        return update_leads(connection, edits_of(warehouse), rules=BUILT_IN, now=NOW)


def lead_ids(warehouse: Warehouse) -> dict[str, str]:
    """The lead of each seeker."""
    return dict(rows(warehouse, "SELECT seeker_id, lead_id FROM leads"))


def say(warehouse: Warehouse) -> None:
    """A status and a note about ama's lead, and a note about kofi's."""
    ids = lead_ids(warehouse)
    changes = [
        Change("said-1", ids["ama"], "status", "contacted"),
        Change("said-2", ids["ama"], "note", "lives in the blue house"),
        Change("said-3", ids["kofi"], "note", "call again"),
    ]
    edits_of(warehouse).change(changes, author="ada", now=NOW + _MINUTE)


def in_transaction(warehouse: Warehouse, *steps: Callable[[duckdb.DuckDBPyConnection], object]):
    """Each step in a transaction of its own."""
    with warehouse.connect() as connection:
        for step in steps:
            with transaction(connection, *ALL_LOCKS):
                step(connection)


def walk_events(warehouse: Warehouse) -> None:
    """What events keep of people's words."""
    in_transaction(
        warehouse,
        lambda c: c.execute("INSERT INTO sources VALUES ('https://us.posthog.com', '7')"),
        lambda c: dismiss(c, ["search_performed", "a 'quoted' one"], author="ada", now=NOW),
        lambda c: undo_dismissal(c, ["search_performed"]),
    )


def walk_delivery(warehouse: Warehouse) -> None:
    """Leads in every state, by every statement that changes one."""
    seen, again = NOW - timedelta(days=40), NOW + 5 * _MINUTE
    outcomes = [
        Outcome(1, "succeeded", "accepted", NOW, status=201, npa_lead_id="n1", response='{"a": 1}'),
        Outcome(2, "failed", "refused", NOW, "no such zip", 422),
        Outcome(3, "retrying", "busy", NOW, "busy", 503, next_attempt_at=again),
        Outcome(4, "unknown", "unknown", NOW, "cut off", next_attempt_at=again),
        Outcome(5, "succeeded", "accepted", NOW, npa_lead_id="n5"),
    ]
    notice = read_partner_event(
        b'{"lead_id": "n1", "status": "sold", "occurred_at": "2026-11-21T13:00:00Z"}',
        event_id="e1",
        now=NOW,
    )
    early = read_partner_event(b'{"lead_id": "n4", "status": "contacted"}', event_id="e2", now=NOW)
    found = Reconciliation(
        2, 1, (Finding("missing", 1, "n1"), Finding("different", 5, "n5", ("email",)))
    )
    handed = [lead(n) for n in range(3, 8)] + [lead(8, phone="none"), lead(9, full_name="Zoë 😀")]
    in_transaction(
        warehouse,
        lambda c: take_in_events(c, region="US", now=NOW),
        lambda c: take_in_leads(c, handed, source="file", region="US", now=NOW),
        lambda c: take_in_leads(c, handed, source="file", region="US", now=NOW),
        lambda c: take_in_leads(c, [lead(99)], source="file", region="US", now=seen),
        lambda c: outbox.claim(c, Choice(seen), limit=1, now=seen),
        lambda c: outbox.record(c, [Outcome(10, "succeeded", "accepted", seen)]),
        lambda c: outbox.claim(c, Choice(NOW), limit=6, now=NOW),
        lambda c: outbox.record(c, outcomes),
        lambda c: outbox.release(c, [6], now=NOW, until=again),
        lambda c: apply_partner_event(c, notice, now=NOW),
        lambda c: apply_partner_event(c, early, now=NOW),
        lambda c: settle(c, 4, "delivered", who="ada", why="she said", npa_lead_id="n4", now=NOW),
        settle_partner_events,
        lambda c: outbox.claim(c, Choice(NOW, [3]), limit=6, now=again),
        lambda c: outbox.recover(c, now=again),
        lambda c: reconciling.keep(
            c, found, source="list", since=NOW, until=again, channel=None, resubmitted=0, now=NOW
        ),
        lambda c: reconciling.resubmit(c, [1, 2], now=again),
        lambda c: forget_old(c, days=30, now=NOW),
        lambda c: keep_changes(c, [BreakerChange("open", "busy: HTTP 503", _MINUTE, again, NOW)]),
        lambda c: keep_told(c, due_alerts(c, AlertRules(failed=1), now=NOW), now=NOW),
    )


def walk_draws(warehouse: Warehouse) -> None:
    """A blacklist, a draw that is redone, its results recorded."""
    mark_read(warehouse)
    give_entries(warehouse, {msisdn(n): 1 + n for n in range(30)})
    names: dict[str, Any] = {"author": "ada", "now": NOW, "zone": "Africa/Lagos"}
    blocks = [
        Block(msisdn(100), date(2026, 12, 1), None, "employee"),
        Block(msisdn(101), date(2026, 12, 1), date(2026, 12, 9)),
        Block(msisdn(102), date(2026, 12, 5), None),
    ]
    options: dict[str, Any] = {"rules": RULES, "now": NOW, "seed": "5eed" * 16}
    in_transaction(
        warehouse,
        lambda c: add_blocks(c, blocks, **names),
        lambda c: add_blocks(c, blocks, **names),
        lambda c: end_block(c, msisdn(100), until=date(2026, 12, 24), **names),
        lambda c: end_block(c, msisdn(102), until=date(2026, 12, 1), **names),
    )
    with warehouse.connect() as connection:
        freeze(connection, DRAW_DATE, PRIZES, **options)
        freeze(connection, DRAW_DATE, PRIZES, redo_reason="the prizes were wrong", **options)
        run(connection, DRAW_DATE, now=NOW)
    in_transaction(
        warehouse,
        lambda c: c.execute("UPDATE draw_winners SET recorded_at = ? WHERE rank = 1", [NOW]),
        lambda c: withdraw(c, DRAW_DATE, "a day early"),
    )


def walk_interactions(warehouse: Warehouse) -> None:
    """A sync's record, entered once though it waits twice."""
    folder = warehouse.path.parent / "syncs"
    folder.mkdir()
    moment = NOW.astimezone(UTC).isoformat()
    record = (
        f'{{"sync_id": "s1", "synced_at": "{moment}", "run_id": null, "tenant": "{TENANT}", '
        f'"program_id": "p", "source": "posthog", "window_start": "{moment}", "read_until": "{moment}", '
        '"events": 2, "added": 1, "already_there": 0, "unmatched": 1, "rejected": 0, '
        '"problems": "[{\\"uuid\\": \\"u\\"}]", "content_hash": "00"}'
    )
    for _ in range(2):
        (folder / "s1.json").write_text(record)
        enter_records(folder, warehouse)


def walk(warehouse: Warehouse) -> None:
    """Everything that writes into the state, and what reads it beside events."""
    bring_events(warehouse)
    update(warehouse)
    say(warehouse)
    walk_events(warehouse)
    walk_delivery(warehouse)
    walk_draws(warehouse)
    walk_interactions(warehouse)
    update(warehouse)


def described(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """Columns and types of a table."""
    return [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]


def test_a_shared_lake_has_the_rows_of_a_file(file, shared, same_chance):
    """The same walk: each table has the same rows, and the same types but that JSON is a text."""
    found = []
    for warehouse in (file, shared):
        same_chance()
        walk(warehouse)
        tables = sorted({table for _, part in parts(HasTables) for table in part.TABLES})
        with warehouse.connect() as connection:
            content = {t: connection.execute(f"FROM {t} ORDER BY ALL").fetchall() for t in tables}
            types = {t: described(connection, t) for t in tables}
        found.append((content, types))
    (in_file, types_in_file), (in_lake, types_in_lake) = found
    for one in (in_file, in_lake):
        one["runs"] = [row[0] for row in one["runs"]]  # they name host and process
        one["deletions_to_wipe"] = sorted({*one["deletions_to_wipe"]})  # noted in each transaction
    assert in_lake == in_file
    assert [row[5] for row in in_file["lead_deliveries"] if row[0] == 10] == ["{}"]
    empty = {table for table in gather_state() if not in_file[table]}
    assert empty == {"source_moves"}
    for table in gather_state():
        assert types_in_lake[table] == [
            (name, "VARCHAR" if kind == "JSON" else kind) for name, kind in types_in_file[table]
        ], table


def test_readers_see_no_difference(file, shared, same_chance):
    """Published from a file or a shared lake, each table has the same columns, types and rows."""
    found = []
    for warehouse in (file, shared):
        same_chance()
        walk(warehouse)
        folder = warehouse.path.parent / "published"
        with warehouse.connect() as connection:
            publish_tables(connection, folder, now=NOW)
        with memory() as connection:
            content = {}
            publication = (folder / "current").resolve()
            for table in tables_in(publication):
                view_table(connection, publication, table)
                types = described(connection, table)
                found_rows = connection.execute(f"FROM {table} ORDER BY ALL").fetchall()
                content[table] = (types, [] if table == "runs" else found_rows)
        found.append(content)
    assert found[1] == found[0]
    assert {"lead_deliveries", "draw_winners", "lead_edits", "interaction_syncs"} <= {*found[0]}


def test_each_table_is_on_its_side(shared):
    """State is in PostgreSQL with its keys, everything else in the lake; each side has its migrations."""
    with shared.connect() as connection:
        lake_name, state_name = [
            place.partition(".")[0] for place in search_path(connection).split(",")
        ]
        found = connection.execute(
            "SELECT database_name, table_name FROM duckdb_tables() WHERE schema_name IN ('main', 'public')"
        ).fetchall()
        types = connection.execute(
            "SELECT DISTINCT data_type FROM duckdb_columns() WHERE database_name = ? "
            "AND schema_name = 'public'",
            [state_name],
        ).fetchall()
        assert not is_behind(connection)
        assert migrate(connection, now=NOW) == 0
        in_lake, in_state = (
            {
                name
                for (name,) in connection.execute(f"SELECT name FROM {side}.migrations").fetchall()
            }
            for side in (lake_name, state_name)
        )
    state = {table for side, table in found if side == state_name}
    lake = {table for side, table in found if side == lake_name}
    tables = {table for _, part in parts(HasTables) for table in part.TABLES}
    assert state == {*gather_state()} | {"migrations"}
    assert lake == tables - {*gather_state()} | {"migrations"}
    assert in_lake | in_state == {*gather_migrations()}
    assert in_lake & in_state == {
        "leads/create_tables",
        "draws/create_tables",
        "events/create_tables",
        "events/tell_unused_events",
    }
    assert {kind for (kind,) in types} <= {
        *("VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "DATE", "UUID"),
        "TIMESTAMP WITH TIME ZONE",
    }
    with psycopg.connect(str(shared.lake.state)) as postgres:
        assert not postgres.execute(
            "SELECT table_name FROM information_schema.columns WHERE data_type LIKE 'json%'"
        ).fetchall()
        keys = {name for (name,) in postgres.execute("SELECT indexname FROM pg_indexes").fetchall()}
    assert {f"{table}_key" for table, key in gather_state().items() if key} <= keys


def test_no_transaction_writes_to_both(shared):
    """DuckDB refuses it, so whoever has to writes the state first and commits in between."""
    with shared.connect() as connection:
        connection.execute("BEGIN TRANSACTION")
        connection.execute("INSERT INTO sources VALUES ('h', '1')")
        with pytest.raises(duckdb.TransactionException, match="already modified database"):
            connection.execute("INSERT INTO built_edits VALUES ('x')")
        connection.execute("ROLLBACK")


def test_what_was_written_before_a_server_was_gone_is_said(shared):
    """Whoever commits one database and loses the other is told so, and not that nothing was written."""
    with (
        pytest.raises(WarehouseError, match="what comes before this is written") as error,
        shared.writing("door") as connection,
    ):
        connection.execute("INSERT INTO sources VALUES ('h', '1')")
        between_databases(connection)
        connection.execute("INSERT INTO built_edits VALUES ('x')")
        tell_all_to_let_go(str(shared.lake.postgres))
    assert "\n" not in str(error.value)
    assert rows(shared, "SELECT host FROM sources") == [("h",)]
    assert rows(shared, "FROM built_edits") == []
    with (
        pytest.raises(WarehouseError, match="nothing was written"),
        shared.writing("door") as connection,
    ):
        connection.execute("INSERT INTO built_edits VALUES ('x')")
        tell_all_to_let_go(str(shared.lake.postgres))


class _Killed(BaseException):
    """What a test puts in the place of a kill."""


def killed_after(monkeypatch: pytest.MonkeyPatch, commits: int) -> None:
    """Let the update of leads end right after so many of its commits between the databases."""
    real, left = between_databases, [commits]

    def between(connection: duckdb.DuckDBPyConnection) -> None:
        real(connection)
        left[0] -= 1
        if not left[0]:
            raise _Killed

    monkeypatch.setattr(folding, "between_databases", between)


_OF_LEADS = ("leads", "lead_edits", "score_rules", "lead_builds", "built_edits", "notes_to_erase")


def kept_of_leads(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables of leads say."""
    return {table: rows(warehouse, f"FROM {table} ORDER BY ALL") for table in _OF_LEADS}


def erase_ama(warehouse: Warehouse) -> None:
    """PostHog has erased a person, and a sync has followed."""

    def follow(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "INSERT INTO gone_events SELECT uuid, event, event_date, run_id, $now FROM raw_events "
            "WHERE seeker_id = 'ama'",
            {"now": NOW},
        )
        days = connection.execute("SELECT DISTINCT event_date FROM raw_events").fetchall()
        connection.execute("DELETE FROM raw_events WHERE seeker_id = 'ama'")
        mark_changed(connection, [day for (day,) in days], ["run-1"])

    in_transaction(warehouse, follow)


@pytest.mark.parametrize(
    "commits",
    [pytest.param(1, marks=pytest.mark.long), 2, pytest.param(3, marks=pytest.mark.long)],
)
def test_an_update_that_was_killed_between_two_databases_is_gone_on_with(
    shared, file, monkeypatch, same_chance, commits
):
    """Edits are shown, and notes of an erased person gone, wherever the one before was killed."""
    for warehouse in (file, shared):
        same_chance()
        bring_events(warehouse)
        update(warehouse)
        say(warehouse)
        update(warehouse)
        later = Change("said-4", lead_ids(warehouse)["kofi"], "status", "lost")
        edits_of(warehouse).change([later], author="ben", now=NOW + 2 * _MINUTE)
        erase_ama(warehouse)
    with monkeypatch.context() as patch:
        killed_after(patch, commits)
        with pytest.raises(_Killed):
            update(shared)
    if commits == 1:
        assert edited_leads_of(shared) == [lead_ids(shared)["kofi"]]
    update(file)
    update(shared)
    assert kept_of_leads(shared) == kept_of_leads(file)
    assert rows(shared, "SELECT kind, value FROM lead_edits WHERE edit_id = 'said-2'") == [
        ("erased", "")
    ]
    assert rows(shared, "SELECT status, notes FROM leads")[0][0] == "lost"
    assert [edit.value for edit in edits_of(shared).edits()] == [
        "contacted",
        "",
        "call again",
        "lost",
    ]
    assert edited_leads_of(shared) == []
    assert rows(shared, "FROM notes_to_erase") == []


def edited_leads_of(warehouse: Warehouse) -> list[str]:
    """Leads whose records do not show everything people said."""
    with warehouse.connect() as connection:
        return edited_leads(connection)


def test_a_rebuild_of_a_shared_lake_changes_nothing(shared, same_chance):
    """Everything that a rebuild builds again is as it was; what people said since comes in."""
    from leadpipe.rebuild import rebuild  # noqa: PLC0415 - it loads every domain

    same_chance()
    walk(shared)
    before = kept_of_leads(shared)
    rebuild(settings_of_shared(shared), now=NOW)
    assert kept_of_leads(shared) == before


def settings_of_shared(shared: Warehouse) -> Settings:
    """Settings whose warehouse it is, everything else beside it."""
    assert shared.lake is not None
    return whole_settings()(
        _env_file=None,
        data_dir=shared.path.parent,
        warehouse="ducklake:postgres",
        lake_postgres=shared.lake.postgres,
        lake_state=shared.lake.state,
        lake_data=shared.lake.data,
    )


def test_two_who_change_a_row_get_an_error_not_a_lost_update(shared):
    """The second to change a lead, or to give out a number, learns of it; the first one's word stands."""
    in_transaction(
        shared, lambda c: take_in_leads(c, [lead(1)], source="file", region="US", now=NOW)
    )
    with shared.connect() as one, shared.connect() as other:
        for connection in (one, other):
            connection.execute("BEGIN TRANSACTION")
            assert connection.execute("SELECT state FROM lead_deliveries").fetchall() == [
                ("pending",)
            ]
        outbox.record(one, [Outcome(1, "succeeded", "accepted", NOW)])
        one.execute("COMMIT")
        with pytest.raises(duckdb.Error, match="could not serialize"):
            outbox.record(other, [Outcome(1, "failed", "refused", NOW, "no")])
        other.execute("ROLLBACK")
        for connection in (one, other):
            connection.execute("BEGIN TRANSACTION")
            connection.execute("SELECT max(id) FROM lead_deliveries").fetchall()
        take_in_leads(one, [lead(2)], source="file", region="US", now=NOW)
        one.execute("COMMIT")
        with pytest.raises(duckdb.Error, match="lead_deliveries_key"):
            take_in_leads(other, [lead(2)], source="file", region="US", now=NOW)
        other.execute("ROLLBACK")
    assert rows(shared, "SELECT id, state FROM lead_deliveries ORDER BY id") == [
        (1, "succeeded"),
        (2, "pending"),
    ]


def test_a_text_with_a_nul_is_kept(shared):
    """PostgreSQL has no NUL in a text: the mark of what cannot be read stands there."""
    in_transaction(shared, lambda c: dismiss(c, ["a\0b"], author="ada", now=NOW))
    assert rows(shared, "SELECT event FROM dismissed_events") == [("a\ufffdb",)]


def test_what_was_deleted_leaves_no_byte_in_the_state(shared):
    """Data of leads that are too old is gone from PostgreSQL's files with the next audit's wiping."""
    seen = NOW - timedelta(days=40)
    in_transaction(
        shared,
        lambda c: take_in_leads(c, [lead(1)], source="file", region="US", now=seen),
        lambda c: outbox.claim(c, Choice(seen), limit=1, now=seen),
        lambda c: outbox.record(c, [Outcome(1, "succeeded", "accepted", seen)]),
    )
    assert {table for table in gather_state() if b"jane1@" in bytes_of(shared, table)} == {
        "lead_deliveries",
        "succeeded_leads",
    }
    in_transaction(shared, lambda c: forget_old(c, days=30, now=NOW))
    assert rows(shared, "SELECT DISTINCT noted_at FROM deletions_to_wipe") == [(NOW,)]
    wipe(shared)
    assert rows(shared, "FROM deletions_to_wipe") == []
    assert not any(b"jane1@" in bytes_of(shared, table) for table in gather_state())
    assert rows(shared, "SELECT id, lead_data FROM lead_deliveries") == [(1, "{}")]


def bytes_of(shared: Warehouse, table: str) -> bytes:
    """The file that PostgreSQL keeps a table of the state in."""
    assert shared.lake is not None
    with psycopg.connect(str(shared.lake.state), autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        [(content,)] = connection.execute(
            "SELECT pg_read_binary_file(pg_relation_filepath(%s))", [table]
        ).fetchall()
    return bytes(content)


def test_a_lake_whose_state_cannot_be_reached_is_not_half_open(shared, postgres, tmp_path):
    """The error names the lake; once the state is there, the same process opens it."""
    missing = Lake(
        str(shared.lake.catalog), shared.lake.data, state=postgres.address("not_there_yet")
    )
    warehouse = Warehouse(tmp_path / "x" / "leadpipe.duckdb", lake=missing)
    with pytest.raises(Exception, match="not_there_yet"), warehouse.connect():
        pass
    with psycopg.connect(postgres.address(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE not_there_yet")
    assert rows(warehouse, "SELECT count(*) FROM lead_edits") == [(0,)]


def test_edits_of_before_count_as_built(tmp_path):
    """A file of an older leadpipe, whose records show all edits: none of them is built again."""
    later = "leads/note_built_edits"
    older = {name: one for name, one in gather_migrations().items() if name != later}
    with duckdb.connect(str(Path(tmp_path) / "old.duckdb")) as connection:
        migrate(connection, now=NOW, migrations=older)
        connection.execute(
            "INSERT INTO lead_edits VALUES ('l', 'note', 'x', 'ada', ?, 'e', '', NULL)", [NOW]
        )
        assert migrate(connection, now=NOW) == 1
        assert edited_leads(connection) == []
        assert connection.execute("FROM built_edits").fetchall() == [("e",)]
