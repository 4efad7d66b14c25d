"""What a person decides about a lead that nothing else can decide: it is there, send it, or give it up.

Each decision is kept with who made it and why. Call it in a transaction, in one's delivery turn.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

import duckdb

from leadpipe.delivery import outbox
from leadpipe.delivery.masking import scrubbed
from leadpipe.delivery.outbox import Outcome
from leadpipe.delivery.reading import UnreadableJson, decoded
from leadpipe.errors import DeliveryError, UnknownLead

Decision = Literal["delivered", "send_again", "give_up"]
DECISIONS = get_args(Decision)
_LONGEST = 500
_FROM: dict[Decision, Sequence[str]] = {
    "delivered": ("unknown", "failed", "retrying", "pending", "given_up"),
    "send_again": ("unknown", "failed", "retrying", "given_up", "succeeded"),
    "give_up": ("unknown", "failed", "retrying", "pending"),
}


def settle(
    connection: duckdb.DuckDBPyConnection,
    lead_id: int,
    decision: Decision,
    *,
    who: str,
    why: str,
    npa_lead_id: str | None = None,
    now: datetime,
) -> str:
    """Do what a person decided about a lead; its new state.

    Args:
        connection: of the warehouse.
        lead_id: our number of the lead.
        decision: `delivered`: the partner has it. `send_again`: it is due now, and the partner is not asked.
            `give_up`: it is not sent, and waits for nobody any more.
        who: the person.
        why: in the person's words.
        npa_lead_id: the partner's id, with `delivered`.
        now: when (UTC).

    Raises:
        UnknownLead: there is no such lead.
        DeliveryError: nothing of the kind can be decided about it.
    """
    row = connection.execute(
        "SELECT state, attempts, lead_data FROM lead_deliveries WHERE id = ?", [lead_id]
    ).fetchone()
    if row is None:
        raise UnknownLead(f"No lead has the number {lead_id}; see `leadpipe failed list --all`")
    state, attempts, data = row
    if state not in _FROM[decision]:
        raise DeliveryError(f"Lead {lead_id} is {state}: {_why_not(state, decision)}.")
    if decision == "send_again" and attempts == 0:
        raise DeliveryError(
            f"Lead {lead_id} was never sent; `leadpipe failed retry {lead_id}` says what is wrong with it."
        )
    who, why = _line(who), _line(scrubbed(why, _values(data)))
    if not who or not why:
        raise DeliveryError("A decision needs who made it, and why.")
    if npa_lead_id:
        _check_free(connection, lead_id, npa_lead_id)
    message = f"{decision.replace('_', ' ')}, says {who}: {why}"
    outcome = {
        "delivered": Outcome(
            lead_id, "succeeded", "settled", now, message, npa_lead_id=npa_lead_id or None
        ),
        "send_again": Outcome(lead_id, "retrying", "settled", now, message, next_attempt_at=now),
        "give_up": Outcome(lead_id, "given_up", "settled", now, message),
    }[decision]
    outbox.record(connection, [outcome])
    if state == "succeeded":
        outbox.take_back(connection, [lead_id], now=now)
    connection.execute(
        "INSERT INTO lead_settlements VALUES (?, ?, ?, ?, ?, ?)",
        [lead_id, decision, npa_lead_id, who, why, now],
    )
    return outcome.state


def _check_free(connection: duckdb.DuckDBPyConnection, lead_id: int, npa_lead_id: str) -> None:
    other = connection.execute(
        "SELECT id FROM lead_deliveries WHERE npa_lead_id = ? AND id <> ?", [npa_lead_id, lead_id]
    ).fetchone()
    if other is not None:
        raise DeliveryError(f"The partner's lead {npa_lead_id} is our lead {other[0]} already.")


def _why_not(state: str, decision: Decision) -> str:
    if state == "sent":
        return "a request is under way; its answer decides"
    if state == "succeeded" and decision == "delivered":
        return "the partner has it, as was known"
    return f"nothing can be decided as {decision.replace('_', ' ')}"


def _values(data: str) -> dict[str, object]:
    try:
        content = decoded(data)
    except UnreadableJson:
        return {}
    return content if isinstance(content, dict) else {}


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]
