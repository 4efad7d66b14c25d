"""A lead's history as a line of time: where what stands on it, and what stands below it in words.

Pure. How it is drawn is the template's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from leadpipe.leads.book import LeadHistory
from leadpipe.leads.edits import Edit

WIDE, NARROW = 1_000, 340
_MARGIN = 16
_APART = 15
_ROWS_ABOVE, _ROWS_BELOW = 4, 2


@dataclass(frozen=True)
class Moment:
    """Something that happened: an action of the seeker, or a change that somebody made.

    Args:
        at: when (UTC).
        kind: what.
        words: the same in words; never the text of a note.
        action: of an action, all that is known.
        edit: of a change, the change.
        number: of the run that brought an action, from 1.
    """

    at: datetime
    kind: Literal["action", "status", "note"]
    words: str
    action: dict[str, Any] | None = None
    edit: Edit | None = None
    number: int = 0


@dataclass(frozen=True)
class Mark:
    """A moment on the line: how far to the right, and in which row above (or below) it.

    Args:
        x: how far to the right.
        row: from the line, from 0.
        moment: which.
        more: moments beside it for which there is no room.
    """

    x: int
    row: int
    moment: Moment
    more: int = 0


def moments(history: LeadHistory) -> list[Moment]:
    """Everything that happened to a lead, in the order of time."""
    numbers = {record["run_id"]: number for number, record in enumerate(history.records, 1)}
    found = [
        Moment(
            action["at"],
            "action",
            f"{action_words(action)}, {action.get('points', 0)} points",
            action=dict(action),
            number=numbers.get(action["run_id"], 0),
        )
        for action in history.actions
    ]
    for edit in history.edits:
        kind: Literal["status", "note"] = "status" if edit.kind == "status" else "note"
        found.append(Moment(edit.edited_at, kind, f"{edit.author} {edit_words(edit)}", edit=edit))
    return sorted(found, key=lambda moment: moment.at)


def action_words(action: Any) -> str:  # noqa: ANN401 - a decoded action
    """What a seeker did, in words: `phone`, `whatsapp`, `direct message`."""
    kind = action.get("message_type") or str(action["action_type"]).removeprefix("lead_")
    return str(kind).replace("_", " ")


def edit_words(edit: Edit) -> str:
    """What somebody changed, in words."""
    if edit.undoes is not None:
        return "took a change back" if edit.kind == "status" else "took a note back"
    if edit.kind == "status":
        return f"called it {edit.value}"
    return "wrote a note" if edit.kind == "note" else "wrote a note, which was erased"


def marks(found: Sequence[Moment], *, width: int) -> list[Mark]:
    """Where moments stand on a line of a width; those too near to each other above each other.

    Where no row is free, the last mark counts those that follow.
    """
    if not found:
        return []
    begin, end = found[0].at, found[-1].at
    whole = (end - begin).total_seconds()
    room = width - 2 * _MARGIN
    placed: list[Mark] = []
    for moment in found:
        share = (moment.at - begin).total_seconds() / whole if whole else 0
        x = round(_MARGIN + share * room)
        is_above = moment.kind == "action"
        beside = {
            mark.row: number
            for number, mark in enumerate(placed)
            if abs(mark.x - x) < _APART and (mark.moment.kind == "action") == is_above
        }
        rows = range(_ROWS_ABOVE if is_above else _ROWS_BELOW)
        row = next((row for row in rows if row not in beside), None)
        if row is not None:
            placed.append(Mark(x, row, moment))
        else:
            last = beside[rows[-1]]
            placed[last] = replace(placed[last], more=placed[last].more + 1)
    return placed
