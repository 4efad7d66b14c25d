"""How far a long piece of work is, as the work says it and a progress bar or a page shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a load is: rows fetched so far of about `expected`, days done of all.

    `steps` says how far it is otherwise, where days say nothing yet (`exports: 2 of 12, 9 files`).
    """

    rows: int
    expected: int
    days_done: int
    days: int
    steps: str = ""
