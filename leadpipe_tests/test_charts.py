"""Charts: plain shapes with classes, hover titles and a name, and nothing that runs or styles."""

import base64
import re
from xml.etree import ElementTree as ET

import pytest

from leadpipe.charts import bar_chart, line_chart, markdown_image

_NAMESPACE = "{http://www.w3.org/2000/svg}"
WEEKS = ["W45", "W46", "W47"]


def texts(svg, name):
    """The texts of all elements of a name."""
    return [node.text for node in ET.fromstring(svg).iter(_NAMESPACE + name) if node.text]


def hints(svg):
    """The hover titles of bars and dots."""
    marks = (
        node
        for node in ET.fromstring(svg).iter(_NAMESPACE + "g")
        if node.get("class", "").split()[:1] in (["bar"], ["dots"])
    )
    return [mark.findtext(_NAMESPACE + "title") for mark in marks]


def test_each_bar_says_its_label_value_and_series():
    """The hover title of a bar is its numbers in words; thousands are separated, gaps have none."""
    svg = bar_chart(WEEKS, {"visitors": [1_200, None, 3], "signups": [7, 8, 9.5]}, title="weeks")
    assert hints(svg) == [
        "W45: 1,200 visitors",
        "W47: 3 visitors",
        "W45: 7 signups",
        "W46: 8 signups",
        "W47: 9.5 signups",
    ]


def test_each_dot_of_a_line_says_its_value():
    """A line's points have hover titles, and its axis begins at zero."""
    svg = line_chart(WEEKS, {"conversion": [12.5, None, 14]}, title="conversion")
    assert hints(svg) == ["W45: 12.5 conversion", "W47: 14 conversion"]
    assert "0" in texts(svg, "text")


@pytest.mark.parametrize("draw", [bar_chart, line_chart])
def test_a_chart_brings_no_style_script_or_id(draw):
    """The page's content policy allows no inline style and no script; ids would repeat on a page."""
    svg = draw(WEEKS, {"a": [1, 2, 3], "b": [3, 2, 1]}, title="two series")
    root = ET.fromstring(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", "two series")
    assert re.findall(r"<(?:script|style|defs|desc|!--)|\b(?:style|id|on\w+|href)=", svg) == []


def test_the_same_numbers_give_the_same_chart():
    """Nothing in a chart depends on when or how often it is drawn."""
    first, second = (bar_chart(WEEKS, {"a": [1, 2, 3]}, title="a") for _ in range(2))
    assert first == second


def test_names_are_escaped():
    """A title, a label or a series cannot break out of the picture."""
    svg = bar_chart(["<b>", "&"], {'"x"': [1, 2]}, title='<script>"')
    assert ET.fromstring(svg).get("aria-label") == '<script>"'
    assert hints(svg) == ['<b>: 1 "x"', '&: 2 "x"']


def test_as_many_labels_as_fit_are_written_the_last_one_among_them():
    """With a bar a day only some days are written."""
    days = [f"day {number}" for number in range(30)]
    svg = bar_chart(days, {"leads": list(range(30))}, title="leads")
    assert [text for text in texts(svg, "text") if text.startswith("day")] == [
        f"day {number}" for number in (4, 9, 14, 19, 24, 29)
    ]


def test_a_bar_of_a_time_that_is_not_over_is_marked():
    """Only the bars of the last label are drawn as unfinished."""
    svg = bar_chart(WEEKS, {"visitors": [1, 2, 3]}, title="weeks", is_last_open=True)
    assert re.findall(r'class="(bar(?: \w+)?)"', svg) == ["bar", "bar", "bar open"]


def test_a_legend_is_there_for_several_series_only_and_inside_the_picture():
    """One series has its name in the heading; several get a legend that is not cut off."""
    one = bar_chart(WEEKS, {"a": [1, 2, 3]}, title="one")
    assert "legend" not in one
    for count in (2, 3, 5, 6):
        svg = bar_chart(WEEKS, {f"s{n}": [1, 2, 3] for n in range(count)}, title="several")
        root = ET.fromstring(svg)
        (legend,) = (node for node in root.iter() if node.get("class") == "legends")
        top = float(legend.get("transform", "").rpartition(", ")[2].rstrip(")"))
        lowest = max(float(node.get("y", 0)) for node in legend.iter(_NAMESPACE + "text"))
        assert top + lowest < float(root.get("viewBox", "").split()[3])


@pytest.mark.parametrize("values", [[], [None], [0]])
def test_nothing_to_draw_is_a_picture_too(values):
    """Without labels, without numbers, with zeros only: axes, and no error."""
    svg = bar_chart(WEEKS[: len(values)], {"a": values}, title="empty", is_last_open=bool(values))
    assert ET.fromstring(svg).get("class") == "chart"


def test_a_markdown_image_stands_alone():
    """The picture for the Dagster UI has its style inside, and colours without the page's variables."""
    markdown = markdown_image(bar_chart(WEEKS, {"a": [1, 2, 3]}, title="a"), title="weeks")
    found = re.fullmatch(r"!\[weeks\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found
    svg = base64.b64decode(found[1]).decode()
    style = ET.fromstring(svg).findtext(_NAMESPACE + "style") or ""
    assert "--series: var(--series-0, #0d9488)" in style
