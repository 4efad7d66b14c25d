"""Builders for tests of interactions: events, contacts, leads files in several layouts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from leadpipe.interactions.leads_file import read_leads
from leadpipe.interactions.merging import Contact, Merged, merge
from leadpipe.interactions.schema import Interaction, parse_time
from leadpipe_tests.events.builders import event

TENANT = "healingemeraldwellness"
PROGRAM = "hew-massage-therapy"
AT = datetime(2026, 11, 20, 14, tzinfo=UTC)


def logged(seconds: float = 0.0) -> str:
    """A time so many seconds after 2026-11-20 14:00, as a browser writes it."""
    moment = AT + timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def entry(seconds: float = 0.0, **fields: Any) -> dict[str, Any]:
    """An interaction as a file has it."""
    return {"loggedAt": logged(seconds), "contactOutcome": "conversation", **fields}


def lead(lead_id: str = "lead-1", *interactions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A lead as a file has it."""
    return {"id": lead_id, "name": "Zoë", **fields, "interactions": list(interactions)}


def contact(
    seconds: float = 0.0,
    lead_id: str = "lead-1",
    *,
    program_id: str = PROGRAM,
    outcome: str = "conversation",
    notes: str = "",
    uuid: str = "",
) -> Contact:
    """An event that tells of a contact."""
    logged_at = parse_time(logged(seconds))
    assert logged_at is not None
    content = [("contactOutcome", outcome)] + ([("notes", notes)] if notes else [])
    name = uuid or f"{lead_id} {seconds} {outcome} {notes}"
    return Contact(name, lead_id, program_id, Interaction(logged_at, tuple(content)))


def lead_updated(
    seconds: float = 0.0, lead_id: str = "lead-1", *, uuid: str | None = None, **fields: Any
) -> dict[str, Any]:
    """A `LeadUpdated` event as the sandbox takes it; None for a field leaves it out."""
    properties = {
        "leadId": lead_id,
        "contactOutcome": "conversation",
        "loggedAt": logged(seconds),
        "tenant": TENANT,
        "cycleId": "cycle-1",
        "programId": PROGRAM,
        "programName": "Massage Therapy",
        "cycleLabel": "Intake",
        **fields,
    }
    kept = {name: value for name, value in properties.items() if value is not None}
    return event("LeadUpdated", AT + timedelta(seconds=seconds), uuid=uuid, properties=kept)


def text_of(leads: object, **options: Any) -> bytes:
    """A leads file, by default with an indentation of two blanks and a final newline."""
    options = {"indent": 2, "ensure_ascii": False, **options}
    return (json.dumps(leads, **options) + "\n").encode()


def merged(data: bytes, *contacts: Contact) -> Merged:
    """Contacts merged into a file that has no problems."""
    file = read_leads(data)
    assert file.problems == ()
    return merge(file, contacts)


def now_updated(seconds: float = 0.0, lead_id: str = "lead-1", **fields: Any) -> dict[str, Any]:
    """A `LeadUpdated` event of three hours ago, for what runs by the real clock."""
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    moment = at + timedelta(seconds=seconds)
    made = lead_updated(seconds, lead_id, **{"loggedAt": moment.isoformat(), **fields})
    return {**made, "timestamp": moment, "created_at": moment}


def leads_file(data: Path, leads: object, tenant: str = TENANT) -> Path:
    """A tenant's leads file in a data folder."""
    path = data / "tenants" / tenant / "leads.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text_of(leads))
    return path
