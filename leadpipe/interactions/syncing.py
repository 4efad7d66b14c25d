"""Sync one tenant and program: read events, merge them into the file, say what became of each.

Belongs here: the order of the steps. Does not belong here: the steps themselves, printing, Dagster.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from leadpipe.errors import LeadsFileError
from leadpipe.interactions.leads_file import FileProblem, read_leads, without_halves
from leadpipe.interactions.merging import Addition, Contact, Merged, Problem, merge
from leadpipe.interactions.reading import Question, Reading
from leadpipe.interactions.replacing import Snapshot, locked, read_file, replace_file
from leadpipe.interactions.schema import parse_interaction
from leadpipe.text import mended_json, whole

_SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class SyncReport:
    """What a sync did, or would do; `additions` hold notes, the rest holds nothing personal."""

    sync_id: str
    synced_at: datetime
    tenant: str
    program_id: str
    source: str
    window_start: datetime
    read_until: datetime
    note: str | None
    file: Path
    is_dry_run: bool
    events: int
    additions: tuple[Addition, ...]
    already_there: int
    problems: tuple[Problem, ...]
    content_hash: str

    @property
    def counts(self) -> Mapping[str, int]:
        """How many events had which result; they add up to `events`."""
        results = Counter(problem.result for problem in self.problems)
        return {
            "added": len(self.additions),
            "already_there": self.already_there,
            "unmatched": results["unmatched"],
            "rejected": results["rejected"],
        }

    @property
    def reasons(self) -> Mapping[tuple[str, str], int]:
        """How many events were not merged, by result and reason."""
        found = Counter((problem.result, problem.reason) for problem in self.problems)
        return dict(sorted(found.items()))


def sync_file(
    path: Path,
    reading: Reading,
    question: Question,
    *,
    is_dry_run: bool,
    lock_timeout_seconds: float,
) -> SyncReport:
    """Merge the events that were read into a file; a dry run writes nothing, not even a lock.

    Raises:
        LeadsFileError: the file cannot be used or written; it is as it was.
    """
    contacts, rejected = contacts_of(reading.events)
    if is_dry_run:
        merged = _merged(read_file(path), contacts)
    else:
        with locked(path, timeout_seconds=lock_timeout_seconds):
            snapshot = read_file(path)
            merged = _merged(snapshot, contacts)
            if merged.additions:
                replace_file(snapshot, merged.data)
    return SyncReport(
        sync_id=str(uuid.uuid4()),
        synced_at=question.now,
        tenant=question.tenant,
        program_id=question.program_id,
        source=reading.source,
        window_start=question.window_start,
        read_until=reading.read_until,
        note=reading.note,
        file=path,
        is_dry_run=is_dry_run,
        events=len(reading.events),
        additions=merged.additions,
        already_there=merged.already_there,
        problems=tuple(sorted((*merged.problems, *rejected))),
        content_hash=hashlib.sha256(merged.data).hexdigest(),
    )


def contacts_of(events: Mapping[str, str]) -> tuple[list[Contact], list[Problem]]:
    """Events (uuid to properties as JSON text) as contacts; those that tell of none, with the reason."""
    contacts: list[Contact] = []
    rejected: list[Problem] = []
    decoder = msgspec.json.Decoder(dict[str, Any])
    for event_uuid, text in events.items():
        try:
            properties = decoder.decode(mended_json(whole(text).encode()))
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            rejected.append(Problem(event_uuid, "rejected", "", "properties cannot be read"))
            continue
        lead_id = properties.get("leadId")
        if not isinstance(lead_id, str) or not lead_id:
            rejected.append(Problem(event_uuid, "rejected", "", "leadId is missing or not a text"))
            continue
        interaction = parse_interaction(properties)
        if isinstance(interaction, str):
            rejected.append(Problem(event_uuid, "rejected", lead_id, interaction))
            continue
        program_id = str(properties.get("programId"))
        contacts.append(Contact(event_uuid, lead_id, program_id, interaction))
    return contacts, rejected


def _merged(snapshot: Snapshot, contacts: list[Contact]) -> Merged:
    parsable = without_halves(snapshot.data)
    file = read_leads(parsable.data)
    if file.problems:
        raise LeadsFileError(
            f"{snapshot.path} cannot be synced, and is unchanged: {told(file.problems)}. "
            f"`leadpipe validate-leads {snapshot.path}` lists everything."
        )
    try:
        merged = merge(file, contacts)
    except LeadsFileError as error:
        raise LeadsFileError(
            f"{snapshot.path} cannot be synced, and is unchanged: {error}. "
            f"`leadpipe validate-leads {snapshot.path}` lists everything."
        ) from None
    return replace(merged, data=parsable.put_back(merged.data))


def told(problems: tuple[FileProblem, ...]) -> str:
    """The first problems in a line, and how many more there are."""
    shown = "; ".join(f"{path}: {message}" for path, message in problems[:_SHOWN_PROBLEMS])
    more = len(problems) - _SHOWN_PROBLEMS
    return f"{shown}; and {more} more" if more > 0 else shown
