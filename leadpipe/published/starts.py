"""Ids by their starts: tables on a screen show no more of an id than tells it apart, and that can be typed.

Does not belong here: how short an id is shown, which is the business of `leadpipe.cli.fitting`.
"""

from collections.abc import Sequence

from leadpipe.errors import AmbiguousId
from leadpipe.published.reading import Ask

_MOST_NAMED = 6


def whole_id(ask: Ask, table: str, column: str, start: str) -> str:
    """The one id in a column that is `start`, or else begins with it; `start` if there is none.

    Raises:
        AmbiguousId: several begin with it.
    """
    found = [
        str(row[0])
        for row in ask(
            f"SELECT DISTINCT CAST({column} AS VARCHAR) AS id FROM {table} "
            "WHERE starts_with(id, $start) ORDER BY id",
            {"start": start},
        ).rows
    ]
    if not found or start in found:
        return start
    if len(found) > 1:
        raise AmbiguousId(several(table, start, found))
    return found[0]


def several(what: str, start: str, ids: Sequence[str]) -> str:
    """That several ids begin alike, which, and what to do."""
    named = ", ".join(ids[:_MOST_NAMED])
    more = f" and {len(ids) - _MOST_NAMED:,} more" if len(ids) > _MOST_NAMED else ""
    return f"{len(ids):,} {what} fit {start!r}: {named}{more}. Type more of the id."
