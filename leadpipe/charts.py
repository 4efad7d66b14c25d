"""Charts as SVG, for the web page and for the Dagster UI.

What is drawn is the caller's business; what it looks like is `web/static/charts.css`'s, so that a chart on
the page follows the page's colours, and the page needs no inline styles.
"""

import base64
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

import pygal

# pygal's finder for its maps speaks a protocol that Python has dropped, and warns at every failing import.
sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, pygal.PluginImportFixer)]

Series = Mapping[str, Sequence[float | None]]

_HEIGHT = 180
_LEGEND_ROW = 18
_NARROW, _WIDE = 360, 1_080  # about the pixels they get, so that the text has its size
_MOST_LABELS = {_NARROW: 7, _WIDE: 15}
_LEGEND_COLUMNS = {_NARROW: 2, _WIDE: 6}
_PLACES = {"x", "y", "width", "height", "cx", "cy", "d"}
_DECIMALS = re.compile(r"(\.\d)\d+")  # a tenth of a pixel is enough, and halves what is stored
_TEXT = pygal.style.Style(label_font_size=12, major_label_font_size=12, legend_font_size=12)


def bar_chart(
    labels: Sequence[str],
    series: Series,
    *,
    title: str,
    is_stacked: bool = False,
    is_wide: bool = False,
    is_last_open: bool = False,
) -> str:
    """Bars, a group a label.

    Args:
        labels: along the x axis, each once; as many as fit are written, the last one among them.
        series: a name and a value a label; None leaves a gap.
        title: what it shows, read out instead of the picture.
        is_stacked: values of one label on top of each other.
        is_wide: thrice as wide, for many labels.
        is_last_open: the last label's time is not over, so its bars are drawn lighter.

    Returns:
        An `<svg>` element with a class for everything, no style, no script and no id.
    """
    kind = pygal.StackedBar if is_stacked else pygal.Bar
    chart = kind(**_options(labels, series, _WIDE if is_wide else _NARROW), rounded_bars=1)
    return _drawn(chart, labels, series, title, open_label=labels[-1] if is_last_open else None)


def line_chart(labels: Sequence[str], series: Series, *, title: str) -> str:
    """Lines over labels, from zero; as `bar_chart`."""
    chart = pygal.Line(**_options(labels, series, _NARROW), include_x_axis=True)
    return _drawn(chart, labels, series, title)


def markdown_image(svg: str, *, title: str) -> str:
    """A chart as Markdown with the picture and its style inside, as the Dagster UI shows it."""
    style = files("leadpipe").joinpath("web", "static", "charts.css").read_text(encoding="utf-8")
    standalone = svg.replace(">", f"><style>{style}</style>", 1)
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(standalone.encode()).decode()})"


def _options(labels: Sequence[str], series: Series, width: int) -> dict[str, object]:
    every = -(-len(labels) // _MOST_LABELS[width]) or 1
    # pygal leaves room for all rows of a legend only when they are full.
    most = min(len(series), _LEGEND_COLUMNS[width]) or 1
    columns = max(number for number in range(1, most + 1) if len(series) % number == 0)
    return {
        "style": _TEXT,
        "width": width,
        "height": _HEIGHT + _LEGEND_ROW * (len(series) // columns if len(series) > 1 else 0),
        "margin": 4,
        "margin_right": 14,  # half a label
        "spacing": 8,
        "js": (),
        "show_legend": len(series) > 1,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": columns,
        "legend_box_size": 10,
        "truncate_label": -1,
        "show_minor_x_labels": False,
        "x_labels_major": list(labels)[::-1][::every],
        "min_scale": 3,
        "max_scale": 5,
        "dots_size": 3,
        "no_data_text": "",
        "value_formatter": lambda value: f"{value:,.6g}",
        "disable_xml_declaration": True,
    }


def _drawn(
    chart: pygal.graph.graph.Graph,
    labels: Sequence[str],
    series: Series,
    title: str,
    *,
    open_label: str | None = None,
) -> str:
    chart.x_labels = list(labels)
    for name, values in series.items():
        chart.add(name, list(values))

    def plain(root: Element) -> Element:
        for parent in list(root.iter()):
            for child in [child for child in parent if _is_surplus(child, is_top=parent is root)]:
                parent.remove(child)
        for node in root.iter():
            for attribute in ("id", "style"):
                node.attrib.pop(attribute, None)
            for attribute in _PLACES & set(node.attrib):
                node.attrib[attribute] = _DECIMALS.sub(r"\1", node.attrib[attribute])
        for number, name in enumerate(series):
            for mark in _marks(root, number):
                _hint(mark, name, open_label)
        root.attrib.update({"class": "chart", "role": "img", "aria-label": title})
        return root

    chart.add_xml_filter(plain)
    return str(chart.render(is_unicode=True))


def _is_surplus(node: Element, *, is_top: bool) -> bool:
    """Whether a node is for pygal's own scripts and styles: comments, definitions, boxes for tooltips."""
    kind = node.attrib.get("class", "")
    return (
        (is_top and not kind)
        or _name(node) in {"", "script", "style"}
        or kind == "background"
        or kind.endswith("tooltip-overlay")
    )


def _marks(root: Element, number: int) -> Iterable[Element]:
    """The bars or dots of a series."""
    for node in root.iter():
        if f"serie-{number}" in node.attrib.get("class", "").split():
            yield from (mark for mark in node.iter() if mark.attrib.get("class") in {"bar", "dots"})


def _hint(mark: Element, name: str, open_label: str | None) -> None:
    """Make a hover title of pygal's notes for its script."""
    notes = [child for child in mark if _name(child) == "desc"]
    texts = {note.attrib["class"]: note.text for note in notes}
    for note in notes:
        mark.remove(note)
    title = mark.makeelement(mark.tag.removesuffix("g") + "title", {})
    title.text = f"{texts['x_label']}: {texts['value']} {name}"
    mark.insert(0, title)
    if texts["x_label"] == open_label:
        mark.attrib["class"] += " open"


def _name(node: Element) -> str:
    """An element's name without its namespace; empty for a comment."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
