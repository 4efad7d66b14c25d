"""Leads as they are at this moment: the published tables, with what people have said since laid over them.

For pages and commands. The warehouse is not touched, so nobody waits for a sync. Which leads somebody wants
to see is the business of `views.py`.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from leadpipe.errors import NotPublished, UnknownLead
from leadpipe.leads.edits import NEVER, OF_THE_WAREHOUSE, Edit, LeadEdits
from leadpipe.published.kept import KeptPublication
from leadpipe.published.reading import Ask
from leadpipe.published.starts import several
from leadpipe.warehouse import read_sql

_LISTED = """
    CREATE TABLE lead_list AS
    SELECT * EXCLUDE (lead_actions), coalesce(listing_id, 'profile ' || lister_id) AS listing
    FROM grouped_leads
    JOIN (SELECT lead_id, min(created_at) AS added_at FROM leads GROUP BY lead_id) USING (lead_id)
"""
_SOURCES = """
    CREATE TABLE lead_sources AS
    SELECT last_utm_source FROM lead_list WHERE last_utm_source IS NOT NULL
    GROUP BY ALL ORDER BY count(*) DESC, last_utm_source
"""
_FOLDED = "CREATE TABLE folded_edits AS SELECT * FROM lead_edits ORDER BY edited_at, edit_id"
_PENDING = "CREATE OR REPLACE TABLE pending_edits AS SELECT * FROM folded_edits LIMIT 0"
# What is published after the next sync is what this shows before it: `grouped_leads` is told by the same SQL.
_TOLD_EDITS = """
    CREATE VIEW told_edits AS
    SELECT lead_id, kind, value, author, edited_at, edit_id, undoes FROM pending_edits
    UNION ALL
    SELECT lead_id, kind, value, author, edited_at, edit_id, undoes FROM folded_edits
    WHERE lead_id IN (SELECT lead_id FROM pending_edits)
"""
_EDITED = f"""
    CREATE OR REPLACE TABLE edited_leads AS
    SELECT told_leads.* EXCLUDE (first_response_at),
           epoch(first_response_at - first_action_at) AS first_response_seconds
    FROM ({read_sql("leads", "told_leads.sql")}) AS told_leads
    JOIN (SELECT lead_id, first_action_at FROM lead_list) AS listed USING (lead_id)
"""
_ADD_PENDING = """
    INSERT INTO pending_edits BY NAME
    SELECT unnest($leads::VARCHAR[]) AS lead_id, unnest($kinds::VARCHAR[]) AS kind,
           unnest($values::VARCHAR[]) AS value, unnest($authors::VARCHAR[]) AS author,
           unnest($moments::TIMESTAMPTZ[]) AS edited_at, unnest($ids::VARCHAR[]) AS edit_id,
           unnest($previous::VARCHAR[]) AS previous, unnest($undoes::VARCHAR[]) AS undoes
"""
_BY_STARTS = """
    SELECT DISTINCT lead_id
    FROM lead_list, (SELECT unnest($listings::VARCHAR[]) AS listing_start,
                            unnest($seekers::VARCHAR[]) AS seeker_start)
    WHERE starts_with(coalesce(listing_id, lister_id), listing_start)
        AND starts_with(seeker_id, seeker_start)
    ORDER BY lead_id
"""


@dataclass(frozen=True)
class LeadHistory:
    """One lead, whole.

    Args:
        lead: its row of `leads_now`.
        actions: what the seeker did, in the order of time, each with `points` and its record's `run_id`.
        records: a row a run: `run_id`, `created_at`, `total_actions`, `lead_score`, `score_version`.
        edits: what people said, in the order of time; those taken back as well, and what took them back.
    """

    lead: Mapping[str, Any]
    actions: tuple[Mapping[str, Any], ...]
    records: tuple[Mapping[str, Any], ...]
    edits: tuple[Edit, ...]

    @property
    def undone(self) -> frozenset[str]:
        """The ids of the edits that were taken back."""
        return frozenset(edit.undoes for edit in self.edits if edit.undoes is not None)

    @property
    def undoable(self) -> frozenset[str]:
        """The ids of those that can be taken back: notes, and the latest status that stands."""
        standing = [
            edit
            for edit in self.edits
            if edit.undoes is None
            and edit.edit_id not in self.undone
            and not edit.edit_id.startswith(OF_THE_WAREHOUSE)
        ]
        latest = [edit.edit_id for edit in standing if edit.kind == "status"][-1:]
        return frozenset([*latest, *(edit.edit_id for edit in standing if edit.kind == "note")])


class LeadBook:
    """All leads of a data folder as they are now; from any thread.

    Args:
        folder: of the publications.
        edits: what people say.
    """

    def __init__(self, folder: Path, edits: LeadEdits) -> None:
        self.edits = edits
        self._publication = KeptPublication(folder, self._prepare)
        self._seen: tuple[object, int, int] = (None, 0, 0)
        self._as_of: datetime | None = None
        self._folded: frozenset[str] = frozenset()

    @contextmanager
    def reading(self) -> Iterator[Ask]:
        """Ask questions of `leads_now` and of the published tables.

        Raises:
            NotPublished: no run has published anything yet.
            EditsUnavailable: what people said cannot be read.
        """
        with self._publication.reading() as ask:
            self._refresh(ask)
            yield ask

    def close(self) -> None:
        """Give back what the book holds."""
        self._publication.close()

    def as_of(self) -> datetime | None:
        """Up to when (UTC) the events of what is published were read; None where nothing says so.

        Raises:
            NotPublished: no run has published anything yet.
        """
        with self.reading():
            return self._as_of

    def find(self, lead: str) -> str:
        """The id of a lead given by id, by the start of an id, or as `listing_seeker`, or by their starts.

        Raises:
            UnknownLead: none or several fit.
        """
        with self.reading() as ask:
            found = ask(
                """
                SELECT lead_id FROM lead_list
                WHERE starts_with(lead_id, $lead)
                   OR concat_ws('_', coalesce(listing_id, lister_id), seeker_id) = $lead
                ORDER BY lead_id
                """,
                {"lead": lead},
            ).rows
            found = found or ask(_BY_STARTS, _starts(lead)).rows
        if len(found) == 1:
            return str(found[0][0])
        if not found:
            raise UnknownLead(f"No lead fits {lead!r}. `leadpipe leads list` shows the ids.")
        candidates = several("leads", lead, [str(row[0]) for row in found])
        raise UnknownLead(f"{candidates} `leadpipe leads list` shows them.")

    def history(self, lead_id: str) -> LeadHistory:
        """One lead, whole.

        Raises:
            UnknownLead: there is none of that id.
        """
        with self.reading() as ask:
            rows = ask("SELECT * FROM leads_now WHERE lead_id = $id", {"id": lead_id}).as_dicts()
            if not rows:
                raise UnknownLead(f"There is no lead {lead_id!r}.")
            records = ask(
                "SELECT run_id, created_at, total_actions, lead_score, score_version, lead_actions "
                "FROM leads WHERE lead_id = $id ORDER BY created_at, run_id",
                {"id": lead_id},
            ).as_dicts()
            edits = ask(
                "SELECT 0 AS number, edit_id, lead_id, kind, value, author, edited_at, previous, "
                "'' AS replaced, undoes FROM (FROM folded_edits UNION ALL FROM pending_edits) "
                "WHERE lead_id = $id ORDER BY edited_at, edit_id",
                {"id": lead_id},
            ).rows
        actions: list[dict[str, Any]] = []
        for record in records:
            for action in json.loads(str(record.pop("lead_actions"))):
                moment = datetime.fromisoformat(action["timestamp"])
                actions.append({**action, "at": moment, "run_id": record["run_id"]})
        actions.sort(key=lambda action: (action["at"], action["action_id"]))
        return LeadHistory(
            rows[0],
            tuple(actions),
            tuple(records),
            tuple(Edit(*row) for row in edits),  # type: ignore[arg-type]
        )

    def published_status(self, lead_ids: list[str]) -> dict[str, Edit]:
        """The latest edit of the status of leads, of those that are published."""
        with self.reading() as ask:
            rows = ask(
                """
                SELECT 0 AS number, edit_id, lead_id, kind, value, author, edited_at
                FROM folded_edits
                WHERE kind = 'status' AND lead_id IN (SELECT unnest($leads::VARCHAR[]))
                QUALIFY row_number() OVER (PARTITION BY lead_id ORDER BY edited_at DESC, value DESC) = 1
                """,
                {"leads": lead_ids},
            ).rows
        return {str(row[2]): Edit(*row) for row in rows}  # type: ignore[arg-type]

    def versions(self, lead_ids: list[str]) -> dict[str, str]:
        """The versions of the leads' status, of those that there are."""
        with self.reading() as ask:
            rows = ask(
                "SELECT lead_id, status_version FROM leads_now WHERE lead_id IN "
                "(SELECT unnest($leads::VARCHAR[]))",
                {"leads": lead_ids},
            ).rows
        return {str(lead_id): str(version or NEVER) for lead_id, version in rows}

    def _prepare(self, ask: Ask) -> None:
        ask(_FOLDED)  # first: a publication of an older leadpipe has no such table
        ask(_LISTED)
        ask(_SOURCES)
        ask(_PENDING)
        ask(_TOLD_EDITS)
        self._as_of = _read_until(ask)
        self._folded = frozenset(
            str(edit_id) for (edit_id,) in ask("SELECT edit_id FROM folded_edits").rows
        )
        self._start_over(ask)
        ask(f"CREATE VIEW leads_now AS {read_sql('leads', 'leads_now.sql')}")

    def _start_over(self, ask: Ask) -> None:
        ask(_PENDING)
        ask(_EDITED)
        self._seen = (None, 0, 0)

    def _refresh(self, ask: Ask) -> None:
        """Lay over what was said since the last look."""
        state = self.edits.state()
        if state == self._seen:
            return
        if state[0] != self._seen[0] or state[2] != self._seen[2]:  # another file, or an erasure
            self._start_over(ask)
        said = self.edits.edits(after=self._seen[1])
        fresh = [edit for edit in said if edit.edit_id not in self._folded]
        if fresh:
            ask(
                _ADD_PENDING,
                {
                    "leads": [edit.lead_id for edit in fresh],
                    "kinds": [edit.kind for edit in fresh],
                    "values": [edit.value for edit in fresh],
                    "authors": [edit.author for edit in fresh],
                    "moments": [edit.edited_at for edit in fresh],
                    "ids": [edit.edit_id for edit in fresh],
                    "previous": [edit.previous for edit in fresh],
                    "undoes": [edit.undoes for edit in fresh],
                },
            )
            ask(_EDITED)
        last = said[-1].number if said else state[1]
        self._seen = (state[0], last, state[2])


def _read_until(ask: Ask) -> datetime | None:
    try:
        [(until,)] = ask("SELECT max(read_until) FROM event_days").rows
    except NotPublished:
        return None
    return until if isinstance(until, datetime) else None


def _starts(lead: str) -> dict[str, list[str]]:
    """The starts of a listing and a seeker that `listing_seeker` may mean: ids have `_` in them, too."""
    cuts = [at for at, sign in enumerate(lead) if sign == "_"]
    return {"listings": [lead[:at] for at in cuts], "seekers": [lead[at + 1 :] for at in cuts]}
