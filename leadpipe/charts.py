"""Charts as SVG, for the web page and for the Dagster UI.

What is drawn is the caller's business. Colours are CSS variables where a page has them, with fallbacks.
"""

import base64
from collections.abc import Mapping, Sequence

import pygal
from pygal.style import Style

_COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2")


def bar_chart(
    labels: Sequence[str], series: Mapping[str, Sequence[float | None]], *, is_stacked: bool = False
) -> str:
    """Bars, a group a label.

    Args:
        labels: along the x axis.
        series: a name and a value a label; None leaves a gap.
        is_stacked: values of one label on top of each other.

    Returns:
        An `<svg>` element.
    """
    kind = pygal.StackedBar if is_stacked else pygal.Bar
    return _rendered(kind(**_options(labels)), labels, series)


def line_chart(labels: Sequence[str], series: Mapping[str, Sequence[float | None]]) -> str:
    """Lines over labels; as `bar_chart`."""
    return _rendered(pygal.Line(**_options(labels)), labels, series)


def markdown_image(svg: str, *, title: str) -> str:
    """A chart as Markdown with the picture inside, as the Dagster UI shows it."""
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _options(labels: Sequence[str]) -> dict[str, object]:
    return {
        "style": Style(
            background="transparent",
            plot_background="transparent",
            colors=_COLOURS,
            font_family="system-ui, sans-serif",
        ),
        "js": (),
        "width": 720,
        "height": 280,
        "margin": 8,
        "legend_at_bottom": True,
        "disable_xml_declaration": True,
        "show_minor_x_labels": False,
        "x_labels_major_count": min(len(labels), 8) or None,
        "no_data_text": "nothing yet",
        "value_formatter": lambda value: f"{value:,.6g}",
    }


def _rendered(
    chart: "pygal.graph.graph.Graph",
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
) -> str:
    chart.x_labels = list(labels)
    for name, values in series.items():
        chart.add(name, list(values))
    return str(chart.render(is_unicode=True))
