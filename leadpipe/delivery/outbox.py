"""The outbox: which lead is in which state, changed in short transactions and never while a request runs.

    pending ─► sent ─► succeeded
                 ├───► failed      for good: refused, or too often; a person decides
                 ├───► retrying    not taken this time; sent again at `next_attempt_at`
                 └───► unknown     perhaps taken; the partner is asked before anything is sent again
    failed, unknown, retrying ─► given_up, or any other state, when a person says so (`settling.py`)

The change to `sent` is committed before the request begins, so whatever dies, no request is forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import duckdb

from leadpipe.delivery.reading import UnreadableJson, decoded, written

State = Literal["pending", "sent", "succeeded", "failed", "retrying", "unknown", "given_up"]

# Not a full disk, a lack of memory or a mistake of ours: those are no lead's fault.
BROKEN_BY_DATA = (duckdb.DataError, duckdb.InvalidInputException, duckdb.ConversionException)
_OUTCOME_ROWS = (
    '[{"id": "BIGINT", "state": "VARCHAR", "outcome": "VARCHAR", "message": "VARCHAR", '
    '"status": "INTEGER", "npa_lead_id": "VARCHAR", "response": "VARCHAR", '
    '"next_attempt_at": "TIMESTAMPTZ", "known_at": "TIMESTAMPTZ"}]'
)
_COLUMNS = """
    id, idempotency_key, channel, session_id, lead_data, attempts, first_sent_at, last_sent_at, npa_lead_id
"""


@dataclass(frozen=True)
class Claimed:
    """A lead taken out of the outbox to be sent or asked about; with a `problem` it is not sent."""

    id: int
    key: str
    channel: str
    session_id: str | None
    data: Mapping[str, Any] = field(repr=False)
    attempts: int
    first_sent_at: datetime | None
    last_sent_at: datetime | None
    npa_lead_id: str | None = None
    problem: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Every field under our names."""
        return {**self.data, "channel": self.channel, "session_id": self.session_id}


@dataclass(frozen=True)
class Outcome:
    """What became of a lead.

    Args:
        id: of the lead.
        state: the new one.
        outcome: the word in the history: accepted, refused, busy, misconfigured, unknown, found, absent,
            undecided, settled.
        message: why, without personal data; None for a success.
        status: the HTTP status, if there was one.
        npa_lead_id: the partner's id, if it gave one.
        response: the partner's answer as JSON text.
        next_attempt_at: when it is this lead's turn again.
        known_at: when that was known.
    """

    id: int
    state: State
    outcome: str
    known_at: datetime
    message: str | None = None
    status: int | None = None
    npa_lead_id: str | None = None
    response: str | None = field(default=None, repr=False)
    next_attempt_at: datetime | None = None

    @property
    def bare(self) -> "Outcome":
        """The same without what the partner sent, which cannot be kept."""
        why = "what the partner sent with its answer could not be kept"
        return replace(self, message=self.message and why, npa_lead_id=None, response=None)


@dataclass(frozen=True)
class Choice:
    """Which leads are meant: those that are due, or chosen ones whether due or not."""

    now: datetime
    ids: Sequence[int] | None = None


_DUE = """
    CASE WHEN $ids IS NULL THEN state IN ('pending', 'retrying') AND next_attempt_at <= $now
         ELSE list_contains(CAST($ids AS BIGINT[]), id)
            AND (state IN ('pending', 'retrying') OR state = 'failed' AND attempts > 0) END
"""


def claim(
    connection: duckdb.DuckDBPyConnection, choice: Choice, *, limit: int, now: datetime
) -> list[Claimed]:
    """Make leads `sent`, each with its attempt in the history; the longest due first."""
    chosen = connection.execute(
        f"SELECT {_COLUMNS} FROM lead_deliveries WHERE {_DUE} ORDER BY next_attempt_at, id LIMIT $limit",
        {"ids": _list(choice.ids), "now": choice.now, "limit": limit},
    ).fetchall()
    if chosen:
        ids = [row[0] for row in chosen]
        connection.execute(
            """
            UPDATE lead_deliveries SET state = 'sent', attempts = attempts + 1, last_sent_at = $now,
                   first_sent_at = coalesce(first_sent_at, $now), next_attempt_at = NULL
            WHERE list_contains(CAST($ids AS BIGINT[]), id)
            """,
            {"ids": ids, "now": now},
        )
        connection.execute(
            """
            INSERT INTO delivery_attempts
            SELECT id, attempts, 'sent', NULL, NULL, $now FROM lead_deliveries
            WHERE list_contains(CAST($ids AS BIGINT[]), id)
            """,
            {"ids": ids, "now": now},
        )
    return [_claimed(row, sent_at=now, attempts=1) for row in chosen]


def release(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[int], *, now: datetime, until: datetime
) -> None:
    """Give back claimed leads for which no request was begun."""
    if not ids:
        return
    connection.execute(
        """
        INSERT INTO delivery_attempts
        SELECT id, attempts, 'not sent', NULL, 'sending was stopped before its turn', $now
        FROM lead_deliveries WHERE list_contains(CAST($ids AS BIGINT[]), id);
        """,
        {"ids": list(ids), "now": now},
    )
    connection.execute(
        """
        UPDATE lead_deliveries
        SET state = CASE WHEN attempts = 1 THEN 'pending' ELSE 'retrying' END,
            attempts = attempts - 1, next_attempt_at = $until,
            first_sent_at = CASE WHEN attempts > 1 THEN first_sent_at END
        WHERE list_contains(CAST($ids AS BIGINT[]), id)
        """,
        {"ids": list(ids), "until": until},
    )


def recover(connection: duckdb.DuckDBPyConnection, *, now: datetime) -> int:
    """Make `unknown` what a process that died has left as `sent`; how many there were.

    Only for the one process whose turn it is: nobody else's requests are under way then.
    """
    left = connection.execute("SELECT id FROM lead_deliveries WHERE state = 'sent'").fetchall()
    message = "the process ended before the answer was kept"
    record(
        connection,
        [Outcome(id_, "unknown", "unknown", now, message, next_attempt_at=now) for (id_,) in left],
    )
    return len(left)


def unknown_leads(connection: duckdb.DuckDBPyConnection, choice: Choice) -> list[Claimed]:
    """Leads of which nobody knows whether the partner has them, and whose turn it is."""
    rows = connection.execute(
        f"""
        SELECT {_COLUMNS} FROM lead_deliveries
        WHERE state = 'unknown' AND CASE WHEN $ids IS NULL THEN next_attempt_at <= $now
                                         ELSE list_contains(CAST($ids AS BIGINT[]), id) END
        ORDER BY id
        """,
        {"ids": _list(choice.ids), "now": choice.now},
    ).fetchall()
    return [_claimed(row) for row in rows]


def leads_of(connection: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> list[Claimed]:
    """Chosen leads as they are."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM lead_deliveries "
        "WHERE list_contains(CAST($ids AS BIGINT[]), id) ORDER BY id",
        {"ids": list(ids)},
    ).fetchall()
    return [_claimed(row) for row in rows]


def unsettled(connection: duckdb.DuckDBPyConnection) -> list[Claimed]:
    """Every lead of which nobody knows whether the partner has it, whether its turn or not."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM lead_deliveries WHERE state IN ('sent', 'unknown') ORDER BY id"
    ).fetchall()
    return [_claimed(row) for row in rows]


def taken_partner_ids(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The partner's ids that belong to a lead of ours already."""
    rows = connection.execute(
        "SELECT npa_lead_id FROM lead_deliveries WHERE npa_lead_id IS NOT NULL"
    ).fetchall()
    return {id_ for (id_,) in rows}


def record(connection: duckdb.DuckDBPyConnection, outcomes: Sequence[Outcome]) -> None:
    """Enter outcomes: history, state, and `succeeded_leads` or `failed_leads`; call it in a transaction."""
    if not outcomes:
        return
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE outcomes AS
        SELECT unnest(from_json($rows, '{_OUTCOME_ROWS}'), recursive := true)
        """,
        {"rows": written([_plain(outcome) for outcome in outcomes])},
    )
    connection.execute(_RECORD)


def take_back(connection: duckdb.DuckDBPyConnection, ids: Sequence[int], *, now: datetime) -> None:
    """Forget that leads were delivered: they are sent again, and what the partner has of them is unknown."""
    connection.execute(
        """
        UPDATE lead_deliveries SET npa_lead_id = NULL, partner_status = NULL, partner_status_at = NULL,
               first_sent_at = $now
        WHERE list_contains(CAST($ids AS BIGINT[]), id)
        """,
        {"ids": list(ids), "now": now},
    )
    connection.execute(
        "DELETE FROM succeeded_leads WHERE list_contains(CAST($ids AS BIGINT[]), id)",
        {"ids": list(ids)},
    )


_RECORD = """
    INSERT INTO delivery_attempts
    SELECT id, d.attempts, o.outcome, o.status, o.message, o.known_at
    FROM outcomes o JOIN lead_deliveries d USING (id);

    UPDATE lead_deliveries SET
        state = o.state, next_attempt_at = o.next_attempt_at,
        npa_lead_id = coalesce(o.npa_lead_id, lead_deliveries.npa_lead_id),
        -- A claimed lead may wait for its thread: settling counts from the last moment it may have been sent.
        last_sent_at = CASE WHEN lead_deliveries.state = 'sent' AND o.state = 'unknown' THEN o.known_at
                            ELSE last_sent_at END,
        finished_at = CASE WHEN o.state IN ('succeeded', 'failed', 'given_up') THEN o.known_at END,
        partner_status = CASE WHEN o.state = 'succeeded' THEN coalesce(partner_status, 'submitted')
                              ELSE partner_status END,
        partner_status_at = CASE WHEN o.state = 'succeeded' THEN coalesce(partner_status_at, o.known_at)
                                 ELSE partner_status_at END
    FROM outcomes o WHERE o.id = lead_deliveries.id;

    INSERT INTO succeeded_leads
    SELECT id, lead_data, channel, session_id, coalesce(last_sent_at, o.known_at), o.response, d.npa_lead_id,
           idempotency_key
    FROM outcomes o JOIN lead_deliveries d USING (id)
    WHERE o.state = 'succeeded' AND id NOT IN (SELECT id FROM succeeded_leads);

    UPDATE failed_leads SET
        error_message = CASE
            WHEN o.message IS NULL OR o.outcome = 'absent' THEN error_message
            ELSE right(error_message, 20000) || chr(10)
                || strftime(o.known_at, '%Y-%m-%d %H:%M:%S ') || o.message
        END,
        retry_count = greatest(d.attempts - CASE WHEN had_attempt THEN 1 ELSE 0 END, 0),
        last_retry_at = CASE WHEN d.last_sent_at > failed_leads.created_at THEN d.last_sent_at
                             ELSE last_retry_at END,
        next_retry_at = o.next_attempt_at,
        resolved = o.state IN ('succeeded', 'given_up')
    FROM outcomes o JOIN (
        SELECT *, first_sent_at IS NOT NULL AS had_attempt FROM lead_deliveries
    ) d USING (id)
    WHERE o.id = failed_leads.id;

    INSERT INTO failed_leads
    SELECT id, lead_data, o.message, channel, session_id, 0, NULL, o.known_at, false, o.next_attempt_at,
           idempotency_key
    FROM outcomes o JOIN lead_deliveries d USING (id)
    WHERE o.state IN ('failed', 'retrying', 'unknown') AND o.message IS NOT NULL
        AND id NOT IN (SELECT id FROM failed_leads);
"""


def _plain(outcome: Outcome) -> dict[str, object]:
    row = asdict(outcome)
    for name in ("known_at", "next_attempt_at"):
        row[name] = row[name].isoformat() if row[name] else None
    return row


def _claimed(
    row: tuple[Any, ...], *, sent_at: datetime | None = None, attempts: int = 0
) -> Claimed:
    id_, key, channel, session_id, text, tried, first_sent_at, last_sent_at, npa_lead_id = row
    try:
        data, problem = decoded(text), None
    except UnreadableJson as error:
        data, problem = {}, f"it cannot be read: {error}"
    return Claimed(
        id=id_,
        key=key,
        channel=channel,
        session_id=session_id,
        data=data if isinstance(data, dict) else {},
        attempts=tried + attempts,
        first_sent_at=first_sent_at or sent_at,
        last_sent_at=sent_at or last_sent_at,
        npa_lead_id=npa_lead_id,
        problem=problem,
    )


def _list(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else list(ids)
