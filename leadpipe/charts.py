"""Charts as SVG, for the web page and for the Dagster UI: bars and lines with axes, whose values can be read.

What is drawn is the caller's business; what it looks like is `web/static/charts.css`'s, so that a chart on
the page follows the page's colours, and the page needs no inline styles. Each label is one point: its numbers
are its name for those who listen, a title under the mouse, and with `web/static/charts.js` a note that touch
and arrow keys bring up too.
"""

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

Series = Mapping[str, Sequence[float | None]]

NARROW, MIDDLE, WIDE = 360, 720, 1_080
"""How wide a chart is: about the pixels it gets, so that its text has its size."""
_HEIGHT = 180
_TOP, _BELOW, _EDGE, _GAP = 8, 22, 6, 7
_LETTER = 6.6  # wide, of a text of 12 pixels
_LEGEND_ROW = 18
_MOST_TICKS = 4
_MOST_BAR = 46
_COLOURS = 6


@dataclass(frozen=True)
class _Frame:
    """Where things are: the plot's sides, how high a value is, and how wide a label's band."""

    left: float
    right: float
    bottom: float
    top_value: float
    labels: int

    @property
    def band(self) -> float:
        return (self.right - self.left) / max(self.labels, 1)

    def x(self, place: int) -> float:
        return self.left + self.band * (place + 0.5)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - _TOP) * value / self.top_value


def bar_chart(
    labels: Sequence[str],
    series: Series,
    *,
    title: str,
    is_stacked: bool = False,
    width: int = NARROW,
    is_last_open: bool = False,
) -> str:
    """Bars, a group a label.

    Args:
        labels: along the x axis, each once; as many as fit are written, the last one among them.
        series: a name and a value a label, none below zero; None leaves a gap.
        title: what it shows, read out before the numbers.
        is_stacked: values of one label on top of each other.
        width: one of `NARROW`, `MIDDLE`, `WIDE`.
        is_last_open: the last label's time is not over, so its bars are drawn lighter.

    Returns:
        An `<svg>` element with a class for everything, no style, no script and no id.
    """
    tops = [sum(each) if is_stacked else max(each, default=0) for each in _at_each(labels, series)]
    frame, around = _framed(labels, series, tops, width)
    groups = 1 if is_stacked else max(len(series), 1)
    room = frame.band * (0.74 if groups == 1 else 0.84)
    wide = min(room / groups, _MOST_BAR)

    def marks(place: int) -> Iterator[str]:
        left, below = frame.x(place) - wide * groups / 2, 0.0
        for number, values in enumerate(series.values()):
            value = values[place]
            if value is None or value <= 0:
                continue
            x = left + (0 if is_stacked else wide * number)
            y = frame.y(below + value)
            height = frame.y(below) - y
            below += value if is_stacked else 0
            yield (
                f'<rect class="bar color-{number % _COLOURS}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{max(wide - (groups > 1), 0.8):.1f}" height="{max(height, 0.6):.1f}"/>'
            )

    points = _points(frame, labels, series, marks, with_sum=is_stacked, is_last_open=is_last_open)
    return _svg(title, around, points)


def line_chart(
    labels: Sequence[str], series: Series, *, title: str, is_last_open: bool = False
) -> str:
    """Lines over labels, from zero; as `bar_chart`."""
    tops = [max(each, default=0) for each in _at_each(labels, series)]
    frame, around = _framed(labels, series, tops, NARROW)
    lines = []
    for number, values in enumerate(series.values()):
        steps = _steps(frame, values)
        lines.append(f'<path class="line color-{number % _COLOURS}" d="{" ".join(steps)}"/>')

    def marks(place: int) -> Iterator[str]:
        for number, values in enumerate(series.values()):
            value = values[place]
            if value is not None:
                yield (
                    f'<circle class="dot color-{number % _COLOURS}" cx="{frame.x(place):.1f}" '
                    f'cy="{frame.y(value):.1f}" r="3"/>'
                )

    points = _points(frame, labels, series, marks, with_sum=False, is_last_open=is_last_open)
    return _svg(title, around, [*lines, *points])


def markdown_image(svg: str, *, title: str) -> str:
    """A chart as Markdown with the picture and its style inside, as the Dagster UI shows it."""
    style = files("leadpipe").joinpath("web", "static", "charts.css").read_text(encoding="utf-8")
    standalone = svg.replace(">", f"><style>{style}</style>", 1)
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(standalone.encode()).decode()})"


def _at_each(labels: Sequence[str], series: Series) -> Iterator[list[float]]:
    for place in range(len(labels)):
        yield [value for values in series.values() if (value := values[place]) is not None]


def _framed(
    labels: Sequence[str], series: Series, tops: Sequence[float], width: int
) -> tuple[_Frame, list[str]]:
    """The frame that holds the values, and what is around the plot: size, axes, legend."""
    ticks = _ticks(max(tops, default=0))
    left = max(len(_said(tick)) for tick in ticks) * _LETTER + _GAP + 2
    longest = max(map(len, labels), default=0) * _LETTER
    legend = _legend(list(series), width)
    height = _HEIGHT + _LEGEND_ROW * len(legend)
    frame = _Frame(left, width - _EDGE, _HEIGHT - _BELOW, ticks[-1], len(labels))
    around = [f'viewBox="0 0 {width} {height}">', '<g class="grid">']
    for tick in ticks:
        y = f"{frame.y(tick):.1f}"
        kind = "" if tick else ' class="zero"'
        around.append(f'<path{kind} d="M{left:.1f} {y}H{width - _EDGE}"/>')
        around.append(f'<text class="y" x="{left - _GAP:.1f}" y="{y}" dy="4">{_said(tick)}</text>')
    moved = max(longest / 2 + 1 - frame.band / 2 - _EDGE, 0)  # the last one, so that it is whole
    every = max(math.ceil((longest + 12 + moved) / max(frame.band, 0.1)), 1)
    for place in range(len(labels) - 1, -1, -every):
        x = min(max(frame.x(place), longest / 2), width - longest / 2 - 1)
        around.append(
            f'<text class="x" x="{x:.1f}" y="{_HEIGHT - 6}">{escape(labels[place])}</text>'
        )
    around.append("</g>")
    if legend:
        around.append(f'<g class="legend">{"".join(_drawn_legend(legend))}</g>')
    return frame, around


def _legend(names: Sequence[str], width: int) -> list[list[tuple[int, str, float]]]:
    """The names of several series in rows that fit: number, name, and where it begins."""
    rows: list[list[tuple[int, str, float]]] = []
    x = float(width)
    for number, name in enumerate(names if len(names) > 1 else ()):
        needed = len(name) * _LETTER + 30
        if x + needed > width:
            rows.append([])
            x = _EDGE
        rows[-1].append((number, name, x))
        x += needed
    return rows


def _drawn_legend(rows: Sequence[Sequence[tuple[int, str, float]]]) -> Iterator[str]:
    for line, row in enumerate(rows):
        y = _HEIGHT + _LEGEND_ROW * line + 12
        for number, name, x in row:
            yield f'<rect class="color-{number % _COLOURS}" x="{x:.1f}" y="{y - 9}" width="10" height="10"/>'
            yield f'<text x="{x + 15:.1f}" y="{y}">{escape(name)}</text>'


def _points(
    frame: _Frame,
    labels: Sequence[str],
    series: Series,
    marks: Callable[[int], Iterable[str]],
    *,
    with_sum: bool,
    is_last_open: bool,
) -> Iterator[str]:
    """A group a label: its numbers in words, a field that is easily hit, and its marks.

    The last one can be reached with the Tab key, the others from it with arrow keys: charts.js.
    """
    last = len(labels) - 1
    for place, label in enumerate(labels):
        words = escape(f"{label}: {_numbers(place, series, with_sum=with_sum)}")
        is_open = is_last_open and place == last
        yield (
            f'<g class="point{" open" if is_open else ""}" role="img" '
            f'tabindex="{0 if place == last else -1}" aria-label="{words}"><title>{words}</title>'
            f'<rect class="hit" x="{frame.x(place) - frame.band / 2:.1f}" y="{_TOP}" '
            f'width="{frame.band:.1f}" height="{frame.bottom - _TOP:.1f}"/>{"".join(marks(place))}</g>'
        )


def _numbers(place: int, series: Series, *, with_sum: bool) -> str:
    found = [
        (name, value) for name, values in series.items() if (value := values[place]) is not None
    ]
    if not found:
        return "no number"
    if not with_sum or len(series) == 1:
        return ", ".join(f"{_said(value)} {name}" for name, value in found)
    total = sum(value for _, value in found)
    parts = [f"{_said(value)} {name}" for name, value in found if value]
    return ", ".join([f"{_said(total)} in all", *parts])


def _steps(frame: _Frame, values: Iterable[float | None]) -> Iterator[str]:
    """A path's steps; a gap begins it anew."""
    letter = "M"
    for place, value in enumerate(values):
        if value is None:
            letter = "M"
            continue
        yield f"{letter}{frame.x(place):.1f} {frame.y(value):.1f}"
        letter = "L"


def _ticks(most: float) -> list[float]:
    """Round numbers from zero to above the largest value, five of them at most; whole ones for counts."""
    if not most > 0:
        return [0, 1]
    rough = most / _MOST_TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * each for each in (1, 2, 5, 10) if size * each >= rough * (1 - 1e-9))
    step = step if step < 1 and not isinstance(most, int) else max(round(step), 1)
    return [round(step * n, 10) for n in range(math.ceil(most / step - 1e-9) + 1)]


def _said(value: float) -> str:
    return f"{value:,.6g}" if value < 1e6 else f"{value:,.0f}"  # noqa: PLR2004 - six digits


def _svg(title: str, around: Sequence[str], points: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="group" aria-label="{escape(title)}" '
        f"{around[0]}{''.join(around[1:])}{''.join(points)}</svg>"
    )
