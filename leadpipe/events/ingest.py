"""The one door into `raw_events`: a batch is merged by uuid, and each uuid counts once.

Whatever is retried, overlapped, replayed or delivered twice, in whatever order: the stored row of a
uuid is the copy that PostHog received last (greatest `created_at`): a correction is the event. Of copies
received at one moment it is the one that says more, however PostHog prints it (`contents.sql`). Whose it is
says the source that knows persons best (`persons.py`). The row is stamped with the run that first brought the
uuid. So the outcome does not depend on the order of deliveries. Where the rows come from (query pages,
webhook inbox, exported files), and how they are typed (`staging.py`), is not this module's business.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import duckdb

from leadpipe import tracing
from leadpipe.events.known_uuids import hashed, open_uuids
from leadpipe.events.mapping.versions import in_use, note_taken_in, takes_the_place
from leadpipe.events.persons import PersonRank
from leadpipe.events.run_days import note_days
from leadpipe.events.staging import Staged
from leadpipe.events.versions import mark_changed
from leadpipe.warehouse import (
    KeyFilter,
    by_one_thread,
    date_literals,
    hashes_of,
    read_sql,
    remember_keys,
    stamp,
)

# The columns of raw_events, in order, but run_id: what a delivered copy says about its event.
_COLUMNS = (
    "uuid, event, timestamp, event_date, event_hour, created_at, distinct_id, person_id, listing_id, "
    "seeker_id, lister_id, lister_type, context_type, lead_type, is_logged_in, viewed_from, platform, "
    "save_action, price, properties, rejected_reason, meaning, mapped_properties"
)
# Of these what the door looks at; the others are read once, from the staged file, when they are stored.
_NARROW = "uuid, event, timestamp, event_date, created_at, distinct_id, person_id, rejected_reason"
_WHOLE = (
    "(SELECT arrivals.* REPLACE (staged.person_id AS person_id), staged.person_rank "
    "FROM arrivals JOIN staged ON arrivals.copy = staged.copy)"
)
# Which of two copies is the event: the one PostHog received last. A webhook does not say when.
_RECEIVED = "coalesce({0}.created_at, '-infinity'::TIMESTAMPTZ)"


@dataclass(frozen=True)
class IngestResult:
    """What a batch did. `fetched` = `new` + `duplicate` + unreadable ones, counted in `rejected`."""

    fetched: int = 0
    new: int = 0
    duplicate: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    changed_days: tuple[date, ...] = ()

    def __add__(self, other: "IngestResult") -> "IngestResult":
        reasons = {
            reason: self.rejected.get(reason, 0) + other.rejected.get(reason, 0)
            for reason in sorted({*self.rejected, *other.rejected})
        }
        return IngestResult(
            fetched=self.fetched + other.fetched,
            new=self.new + other.new,
            duplicate=self.duplicate + other.duplicate,
            rejected=reasons,
            changed_days=tuple(sorted({*self.changed_days, *other.changed_days})),
        )


def ingest(
    connection: duckdb.DuckDBPyConnection,
    staged: Staged | None,
    *,
    run_id: str,
    now: datetime,
    rank: PersonRank = PersonRank.QUERY,
) -> IngestResult:
    """Merge typed rows into `raw_events`; run it inside a transaction.

    Args:
        connection: the warehouse, in a transaction.
        staged: the rows; None for none. If the warehouse has another mapping in use than the one they are
            typed by, they are typed again.
        run_id: stamped on the rows that are new; the run must be in `runs`.
        now: when the batch was taken in (UTC).
        rank: how much the rows' source knows of persons.

    An event that its table cannot use is stored with `rejected_reason`; one without uuid, name or time
    goes to `rejected_events`. Neither stops the batch.
    """
    if staged is None:
        return IngestResult()
    (result,) = _fold(connection, staged, [], run_id=run_id, now=now, rank=rank)
    return result


def ingest_together(
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[Staged],
    *,
    run_id: str,
    now: datetime,
    rank: PersonRank = PersonRank.QUERY,
) -> list[IngestResult]:
    """Merge several sources at once, as `ingest` does one; what each of them brought.

    Their rows are in one file, all that it has, the places of each after those of the one before. An event
    that several of them have is new by the one whose copy is stored.
    """
    whole = replace(sources[0], places=None)
    ends = [source.places.stop for source in sources if source.places is not None]
    return _fold(connection, whole, ends, run_id=run_id, now=now, rank=rank)


def _fold(
    connection: duckdb.DuckDBPyConnection,
    staged: Staged,
    ends: Sequence[int],
    *,
    run_id: str,
    now: datetime,
    rank: PersonRank,
) -> list[IngestResult]:
    """Merge a file's rows; what each of its sources brought, which end at these places, or its only one."""
    with tracing.span("fold") as span:
        results = _fold_sources(connection, staged, ends, run_id=run_id, now=now, rank=rank)
        result = sum(results, IngestResult())
        stamp(connection, f"fold of {result.fetched} events", run_id=run_id)
        _record(connection, run_id, result)
        span.note(
            leadpipe__events_fetched=result.fetched,
            leadpipe__events_new=result.new,
            leadpipe__events_duplicate=result.duplicate,
        )
        return results


def _fold_sources(
    connection: duckdb.DuckDBPyConnection,
    staged: Staged,
    ends: Sequence[int],
    *,
    run_id: str,
    now: datetime,
    rank: PersonRank,
) -> list[IngestResult]:
    mapping = in_use(connection, now=now)
    if staged.mapping.version != mapping.version:
        staged = staged.typed_by(mapping)
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW arrivals AS FROM {staged.relation};
        CREATE OR REPLACE TEMP TABLE staged AS
        SELECT copy, {_source(ends)} AS source, {_NARROW}, {rank}::UTINYINT AS person_rank, unreadable_reason
        FROM arrivals
    """)
    fetched = dict(
        connection.execute("SELECT source, count(*) FROM staged GROUP BY source").fetchall()
    )
    unreadable = _set_unreadable_aside(connection, run_id, now)
    if rank < PersonRank.QUERY:
        _resolve_persons(connection)
        # What was followed as deleted in PostHog only its own answer brings back, no old copy.
        connection.execute("DELETE FROM staged WHERE uuid IN (SELECT uuid FROM gone_events)")
    seen = open_uuids(connection)
    days = _choose_copies(connection, seen, takes_the_place(connection, mapping))
    _tell_shared_uuids(connection, now)
    merged = _merge(connection, run_id, staged, days, seen)
    _note_copies_on_other_days(connection, days)
    connection.execute(
        "DROP VIEW copies; DROP VIEW arrivals; DROP TABLE staged; DROP TABLE sightings; "
        "DROP TABLE known; DROP TABLE identities"
    )
    results = []
    for source in range(max(len(ends), 1)):
        aside, brought = unreadable.get(source, {}), merged.get(source, IngestResult())
        came = fetched.get(source, 0)
        counted = replace(brought, fetched=came, duplicate=came - brought.new - sum(aside.values()))
        results.append(IngestResult(rejected=aside) + counted)
    return results


def _source(ends: Sequence[int]) -> str:
    """An expression: the number of the source that a copy is of."""
    if len(ends) <= 1:
        return "0"
    cases = " ".join(f"WHEN copy < {end} THEN {number}" for number, end in enumerate(ends))
    return f"CASE {cases} END"


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0


def _resolve_persons(connection: duckdb.DuckDBPyConnection) -> None:
    """Give distinct ids to the person that a query or an export of persons named."""
    connection.execute("""
        UPDATE staged SET person_id = named.person_id, person_rank = named.person_rank
        FROM person_overrides AS named
        WHERE staged.distinct_id = named.distinct_id AND named.person_rank >= staged.person_rank
    """)


def _set_unreadable_aside(
    connection: duckdb.DuckDBPyConnection, run_id: str, now: datetime
) -> dict[int, dict[str, int]]:
    """Move what is no event to `rejected_events`, once per content, and count it by source and reason."""
    reasons = connection.execute(
        "SELECT source, unreadable_reason, count(*) FROM staged WHERE unreadable_reason IS NOT NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if reasons:
        keep_rejected(
            connection,
            "SELECT unreadable_reason AS reason, content FROM arrivals "
            "WHERE unreadable_reason IS NOT NULL",
            run_id=run_id,
            now=now,
        )
        connection.execute("DELETE FROM staged WHERE unreadable_reason IS NOT NULL")
    found: dict[int, dict[str, int]] = {}
    for source, reason, count in reasons:
        found.setdefault(source, {})[reason] = count
    return found


def keep_rejected(
    connection: duckdb.DuckDBPyConnection, query: str, *, run_id: str, now: datetime
) -> int:
    """Add rows of (reason, content) to `rejected_events`, each content once; return how many."""
    found = connection.execute(
        f"""
        INSERT INTO rejected_events
        SELECT $run_id, min(reason), md5(content), content, $now FROM ({query})
        WHERE md5(content) NOT IN (SELECT content_hash FROM rejected_events)
        GROUP BY content
        """,
        {"run_id": run_id, "now": now},
    ).fetchone()
    return int(found[0]) if found else 0


def _choose_copies(
    connection: duckdb.DuckDBPyConnection, seen: KeyFilter | None, lacks_properties: str
) -> str:
    """Leave in `staged` one copy a uuid; make `known` (those stored before) and `sightings`.

    `sightings` are the days on which copies were seen, of uuids that came more than once; `identities` are
    their names and distinct ids, and those of the events stored under the same uuid. `lacks_properties` is a
    condition on what is `stored`: another mapping had fewer of its properties asked for.

    Returns:
        The days on which any of the uuids is stored, or will be, for `event_date IN`.
    """
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE sightings AS
        SELECT uuid, event_date, created_at, distinct_id, person_id FROM staged
        WHERE uuid IN (SELECT uuid FROM staged GROUP BY uuid HAVING count(*) > 1);
        CREATE OR REPLACE TEMP TABLE identities AS
        SELECT DISTINCT uuid, event, distinct_id, event_date FROM staged
        WHERE uuid IN (SELECT uuid FROM sightings);
        CREATE OR REPLACE TEMP VIEW copies AS
        SELECT copy, properties, timestamp, event, distinct_id FROM arrivals
        WHERE uuid IN (SELECT uuid FROM sightings);
        DELETE FROM staged WHERE uuid IN (SELECT uuid FROM sightings) AND copy NOT IN (
            SELECT staged.copy
            FROM staged LEFT JOIN ({read_sql("events", "contents.sql")}) AS said USING (copy)
            WHERE uuid IN (SELECT uuid FROM sightings)
            QUALIFY row_number() OVER (
                PARTITION BY uuid
                ORDER BY {_RECEIVED.format("staged")} DESC, said.content DESC NULLS LAST,
                    staged.copy
            ) = 1
        );
    """)
    days = _days_to_look_at(connection, seen)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE known AS
        SELECT stored.uuid, stored.event_date, stored.run_id, stored.event, stored.distinct_id,
               CASE
                   WHEN {_RECEIVED.format("staged")} <> {_RECEIVED.format("stored")}
                       THEN {_RECEIVED.format("staged")} > {_RECEIVED.format("stored")}
                   WHEN {lacks_properties} THEN true  -- and as it is typed by another mapping
                   WHEN arrivals.properties IS NOT DISTINCT FROM stored.properties
                       AND staged.timestamp = stored.timestamp AND staged.event = stored.event THEN false
               END AS is_later_copy,  -- null: received at one moment, so what they say decides
               stored.created_at,
               stored.person_id AS stored_person,
               stored.person_rank AS stored_rank
        FROM raw_events AS stored JOIN staged ON stored.uuid = staged.uuid
        JOIN arrivals ON arrivals.copy = staged.copy
        WHERE stored.event_date IN ({days});
    """)
    _settle_ties(connection, days)
    connection.execute("""
        -- Of two sources the one that knows more of persons is right, of two queries the later one. The copy
        -- may be another event under the uuid, of somebody else.
        CREATE OR REPLACE TEMP TABLE known AS
        SELECT known.*,
               CASE
                   WHEN staged.distinct_id IS DISTINCT FROM known.distinct_id THEN is_later_copy
                   ELSE staged.person_id IS NOT NULL AND staged.person_rank >= stored_rank
               END AS takes_person,
               if(takes_person, staged.person_id, stored_person) AS person_now,
               if(takes_person, staged.person_rank, stored_rank) AS rank_now,
               person_now IS DISTINCT FROM stored_person AS is_new_person,
               rank_now IS DISTINCT FROM stored_rank AS is_new_rank
        FROM known JOIN staged USING (uuid);
        INSERT INTO sightings
        SELECT uuid, unnest([known.event_date, staged.event_date]),
               unnest([known.created_at, staged.created_at]),
               unnest([known.distinct_id, staged.distinct_id]),
               unnest([known.stored_person, staged.person_id])
        FROM known JOIN staged USING (uuid) WHERE known.event_date <> staged.event_date;
        INSERT INTO identities
        SELECT uuid, known.event, known.distinct_id, known.event_date FROM known
        WHERE uuid IN (SELECT uuid FROM identities);
        INSERT INTO identities
        SELECT uuid, unnest([known.event, staged.event]),
               unnest([known.distinct_id, staged.distinct_id]), unnest([known.event_date, staged.event_date])
        FROM known JOIN staged USING (uuid)
        WHERE known.event <> staged.event OR known.distinct_id IS DISTINCT FROM staged.distinct_id
    """)
    return days


def _days_to_look_at(connection: duckdb.DuckDBPyConnection, seen: KeyFilter | None) -> str:
    """The days that uuids in `staged` may be stored on: their own, and of what moved those it was on.

    A uuid that is not on its own day is nearly always a new one, and no look at all history has to say so.
    """
    days = {
        day for (day,) in connection.execute("SELECT DISTINCT event_date FROM staged").fetchall()
    }
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE strangers AS
        SELECT uuid FROM staged WHERE uuid NOT IN (
            SELECT uuid FROM raw_events
            WHERE event_date IN ({date_literals(days)}) AND uuid IN (SELECT uuid FROM staged)
        )
    """)
    if seen is not None:
        hashes = hashes_of(connection, hashed("SELECT uuid FROM strangers"))
        connection.execute(
            "DELETE FROM strangers WHERE hash(uuid) NOT IN (SELECT unnest($maybe::UBIGINT[]))",
            {"maybe": hashes[seen.may_have(hashes)].tolist()},
        )
    if _count(connection, "SELECT count(*) FROM strangers"):
        # Of all history only the uuids are read; whole rows only of the days on which some are.
        moved = connection.execute(
            "SELECT DISTINCT event_date FROM raw_events WHERE uuid IN (SELECT uuid FROM strangers)"
        ).fetchall()
        days |= {day for (day,) in moved}
    connection.execute("DROP TABLE strangers")
    return date_literals(days)


def _settle_ties(connection: duckdb.DuckDBPyConnection, days: str) -> None:
    """Let `known.is_later_copy` be what the copies say, where both were received at one moment."""
    if not _count(connection, "SELECT count(*) FROM known WHERE is_later_copy IS NULL"):
        return
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW copies AS
        SELECT {{'uuid': uuid, 'is_staged': true}} AS copy, properties, timestamp, event, distinct_id
        FROM arrivals
        WHERE copy IN (
            SELECT copy FROM staged WHERE uuid IN (SELECT uuid FROM known WHERE is_later_copy IS NULL)
        )
        UNION ALL
        SELECT {{'uuid': uuid, 'is_staged': false}}, properties, timestamp, event, distinct_id
        FROM raw_events
        WHERE event_date IN ({days})
            AND uuid IN (SELECT uuid FROM known WHERE is_later_copy IS NULL);
        CREATE OR REPLACE TEMP TABLE said AS {read_sql("events", "contents.sql")};
        UPDATE known SET is_later_copy = tie.is_later_copy FROM (
            SELECT known.uuid, coalesce(
                ours.content < theirs.content,
                ours.content IS NULL AND coalesce(theirs.content.number, 0) > 0
            ) AS is_later_copy
            FROM known
            LEFT JOIN said AS ours ON ours.copy = {{'uuid': known.uuid, 'is_staged': false}}
            LEFT JOIN said AS theirs ON theirs.copy = {{'uuid': known.uuid, 'is_staged': true}}
            WHERE known.is_later_copy IS NULL
        ) AS tie
        WHERE known.uuid = tie.uuid;
        DROP TABLE said
    """)


def _tell_shared_uuids(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Keep which uuids two events have: PostHog keeps both, the warehouse the one received last."""
    connection.execute(
        """
        INSERT INTO shared_uuids
        SELECT uuid, event, distinct_id, min(event_date), $now FROM identities
        WHERE uuid IN (
            SELECT uuid FROM identities GROUP BY uuid HAVING count(DISTINCT (event, distinct_id)) > 1
        ) AND (uuid, event, coalesce(distinct_id, '')) NOT IN (
            SELECT (uuid, event, coalesce(distinct_id, '')) FROM shared_uuids
        )
        GROUP BY ALL
        """,
        {"now": now},
    )


def _merge(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    rows: Staged,
    days_stored: str,
    seen: KeyFilter | None,
) -> dict[int, IngestResult]:
    """Insert what is new, replace what was an earlier copy, refresh persons that PostHog has merged.

    Returns:
        By source what is new, its reasons, and the days that changed.
    """
    fresh = connection.execute("""
        SELECT source, event_date, rejected_reason, count(*) FROM staged
        WHERE uuid NOT IN (SELECT uuid FROM known) GROUP BY ALL
    """).fetchall()
    changed = connection.execute("""
        SELECT DISTINCT source, known.event_date, staged.event_date, known.run_id
        FROM known JOIN staged USING (uuid) WHERE is_later_copy OR is_new_person
    """).fetchall()
    # The two halves of a MERGE by uuid, apart: as one statement it reads all of a long history
    # (200,000 new rows into 20 million: 1.1 to 2.5 s against 0.6 s).
    if fresh:
        with by_one_thread(connection):
            connection.execute(
                f"INSERT INTO raw_events ({_COLUMNS}, person_rank, run_id) "
                f"SELECT {_COLUMNS}, person_rank, $run_id FROM {_WHOLE} "
                "WHERE uuid NOT IN (SELECT uuid FROM known)",
                {"run_id": run_id},
            )
        if seen is not None:
            new = "SELECT uuid FROM staged WHERE uuid NOT IN (SELECT uuid FROM known)"
            remember_keys(connection, seen, hashes_of(connection, hashed(new)))
        for table in ("gone_events", "unconfirmed_events"):  # what is there again
            connection.execute(f"DELETE FROM {table} WHERE uuid IN (SELECT uuid FROM staged)")
    if changed:
        updates = ", ".join(f"{column} = copy.{column}" for column in _COLUMNS.split(", "))
        connection.execute(f"""
            MERGE INTO raw_events AS stored USING (
                SELECT staged.*, known.event_date AS stored_date
                FROM known JOIN {_WHOLE} AS staged USING (uuid) WHERE is_later_copy
            ) AS copy
            ON stored.uuid = copy.uuid AND stored.event_date = copy.stored_date
            WHEN MATCHED THEN UPDATE SET {updates}
        """)
    # That a query knows the person whom a file named changes no mart, but what may undo it.
    if changed or _count(connection, "SELECT count(*) FROM known WHERE is_new_rank"):
        connection.execute(f"""
            UPDATE raw_events AS stored SET person_id = person_now, person_rank = rank_now
            FROM known WHERE stored.uuid = known.uuid AND stored.event_date IN ({days_stored})
                AND (is_later_copy OR is_new_person OR is_new_rank)
        """)
    found: dict[int, IngestResult] = {}
    for source, day, reason, count in fresh:
        brought = IngestResult(
            new=count, rejected={reason: count} if reason else {}, changed_days=(day,)
        )
        found[source] = found.get(source, IngestResult()) + brought
    for source, old, new, _ in changed:
        days_of_one = IngestResult(changed_days=(old, new))
        found[source] = found.get(source, IngestResult()) + days_of_one
    new_days = {(run_id, day) for _, day, _, _ in fresh}
    note_days(connection, new_days | {(run, new) for _, _, new, run in changed})
    days = {day for brought in found.values() for day in brought.changed_days}
    # A run that brought something new has its version raised with its counts.
    runs = {run for _, _, _, run in changed} - ({run_id} if fresh else set())
    mark_changed(connection, sorted(days), sorted(runs))
    note_taken_in(connection, days, rows.mapping, rows.asked_by)
    return found


def _note_copies_on_other_days(connection: duckdb.DuckDBPyConnection, days: str) -> None:
    """Keep which other days PostHog has copies of an event on, so that its days can be proved.

    `days` are those that the events are stored on, as literals.
    """
    scattered = "SELECT uuid FROM sightings GROUP BY uuid HAVING count(DISTINCT event_date) > 1"
    if _count(connection, f"SELECT count(*) FROM ({scattered})"):
        connection.execute(f"""
            INSERT INTO sightings
            SELECT uuid, event_date, created_at, distinct_id, person_id FROM event_copies
            WHERE uuid IN ({scattered});
            DELETE FROM event_copies WHERE uuid IN ({scattered});
            INSERT INTO event_copies (uuid, event_date, created_at, distinct_id, person_id)
            SELECT uuid, event_date, max(created_at), arg_max(distinct_id, created_at),
                   arg_max(person_id, created_at)
            FROM sightings
            WHERE created_at IS NOT NULL AND uuid IN ({scattered})
              AND (uuid, event_date) NOT IN (
                  SELECT (uuid, event_date) FROM raw_events
                  WHERE event_date IN ({days}) AND uuid IN ({scattered})
              )
            GROUP BY uuid, event_date
        """)


def _record(connection: duckdb.DuckDBPyConnection, run_id: str, result: IngestResult) -> None:
    """Add the batch to its run in the ledger, in the batch's own transaction."""
    found = connection.execute(
        "SELECT rejected_reasons FROM runs WHERE run_id = ?", [run_id]
    ).fetchone()
    so_far: dict[str, int] = json.loads(found[0]) if found else {}
    reasons = (IngestResult(rejected=so_far) + result).rejected
    connection.execute(
        """
        UPDATE runs SET
            events_fetched = events_fetched + $fetched,
            events_new = events_new + $new,
            events_duplicate = events_duplicate + $duplicate,
            events_rejected = $rejected,
            rejected_reasons = $reasons,
            version = version + $versions
        WHERE run_id = $run_id
        """,
        {
            "fetched": result.fetched,
            "new": result.new,
            "duplicate": result.duplicate,
            "rejected": sum(reasons.values()),
            "reasons": json.dumps(reasons),
            "versions": int(result.new > 0),
            "run_id": run_id,
        },
    )
