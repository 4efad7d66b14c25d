"""Charts as pages show them: drawn, with what they are called and the same numbers as a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from leadpipe.charts import MIDDLE, bar_chart


@dataclass(frozen=True)
class Chart:
    """A chart of a page.

    Args:
        heading: what it shows.
        note: of which unit, in a few words.
        svg: the picture.
        across: the same for a row of its own; empty: none.
        first: what its labels are.
        names: of its series.
        rows: its numbers as a table, the latest first; a label, and a value a series.
        hint: what its heading means, one sentence; empty where that is plain.
    """

    heading: str
    note: str
    svg: str
    across: str = ""
    first: str = ""
    names: Sequence[str] = ()
    rows: Sequence[tuple[str, Sequence[float | None]]] = ()
    hint: str = ""


def bars(
    heading: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    first: str,
    note: str = "",
    over: str = "",
    is_stacked: bool = False,
    has_across: bool = False,
    is_last_open: bool = False,
    is_latest_first: bool = True,
) -> Chart:
    """Bars with their table.

    Args:
        heading: what they show.
        labels: along the axis.
        series: a name and a value a label.
        first: what the labels are (`Day`).
        note: of which unit.
        over: from when to when, for those who listen.
        is_stacked: values of one label on top of each other.
        has_across: drawn for a row of its own too, as where two charts stand in a row.
        is_last_open: the last label's time is not over.
        is_latest_first: the table begins with the last label.
    """
    draw: Callable[..., str] = partial(
        bar_chart,
        labels,
        series,
        title=f"{heading}, {over}" if over else heading,
        is_stacked=is_stacked,
        is_last_open=is_last_open,
    )
    rows = list(zip(labels, zip(*series.values(), strict=True), strict=True)) if series else []
    return Chart(
        heading,
        note,
        draw(),
        draw(width=MIDDLE) if has_across else "",
        first,
        tuple(series),
        tuple(rows[::-1] if is_latest_first else rows),
    )
