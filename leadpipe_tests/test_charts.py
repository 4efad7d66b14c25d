"""Charts: plain shapes with classes, their numbers in words, and nothing that runs or styles."""

import base64
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from leadpipe.charts import WIDE, bar_chart, line_chart, markdown_image

_NAMESPACE = "{http://www.w3.org/2000/svg}"
WEEKS = ["2–8 Nov", "9–15 Nov", "16–22 Nov"]


def of_class(svg, name):
    """The elements that have a class."""
    return [node for node in ET.fromstring(svg).iter() if name in node.get("class", "").split()]


def hints(svg):
    """What the points are called, which is also what their hover titles say."""
    points = of_class(svg, "point")
    names = [point.get("aria-label") for point in points]
    assert names == [point.findtext(_NAMESPACE + "title") for point in points]
    return names


def written(svg, name):
    """The texts of a class."""
    return [node.text for node in of_class(svg, name)]


def test_each_point_says_its_label_and_the_value_of_each_series():
    """Thousands are separated; a series without a value is left out, and a label without any says so."""
    svg = bar_chart(WEEKS, {"visitors": [1_200, None, 3], "signups": [7, None, 9.5]}, title="weeks")
    assert hints(svg) == [
        "2–8 Nov: 1,200 visitors, 7 signups",
        "9–15 Nov: no number",
        "16–22 Nov: 3 visitors, 9.5 signups",
    ]
    assert len(of_class(svg, "bar")) == 4


def test_a_stack_says_its_sum_first():
    """Of stacked values the sum counts, and those that are none are not read out."""
    svg = bar_chart(WEEKS, {"phone": [3, 0, 1], "email": [2, 0, 0]}, title="t", is_stacked=True)
    assert hints(svg) == [
        "2–8 Nov: 5 in all, 3 phone, 2 email",
        "9–15 Nov: 0 in all",
        "16–22 Nov: 1 in all, 1 phone",
    ]


def test_bars_are_as_high_as_their_values():
    """A bar stands on zero, twice the value is twice the height, and a stack lies upon itself."""
    one, two = (
        (float(bar.get("y", "")), float(bar.get("height", "")))
        for bar in of_class(bar_chart(WEEKS[:2], {"a": [40, 80]}, title="a"), "bar")
    )
    assert one[0] + one[1] == two[0] + two[1] == 158
    assert two[1] == 2 * one[1] == 150
    lower, upper = of_class(
        bar_chart(WEEKS[:1], {"a": [40], "b": [40]}, title="a", is_stacked=True), "bar"
    )
    assert float(upper.get("y", "")) + float(upper.get("height", "")) == float(lower.get("y", ""))


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, ["0", "1"]),
        (0.37, ["0", "0.1", "0.2", "0.3", "0.4"]),
        (1.0, ["0", "0.5", "1"]),
        (1, ["0", "1"]),
        (2, ["0", "1", "2"]),
        (3, ["0", "1", "2", "3"]),
        (476, ["0", "200", "400", "600"]),
        (1_234_567, ["0", "500,000", "1,000,000", "1,500,000"]),
    ],
)
def test_the_axis_has_round_numbers_from_zero_to_above_the_largest(most, ticks):
    """Five at most, whatever the size of the values; of counts only whole ones."""
    assert written(line_chart(["a", "b"], {"a": [most, 0]}, title="a"), "y") == ticks


def test_a_gap_begins_a_line_anew():
    """A line goes through the values that are there, and not over one that is not."""
    svg = line_chart(WEEKS, {"rate": [12.5, None, 14]}, title="rate")
    [line] = of_class(svg, "line")
    assert [
        step[0] for step in line.get("d", "").replace("M", "|M").replace("L", "|L").split("|")[1:]
    ] == ["M", "M"]
    assert hints(svg)[0] == "2–8 Nov: 12.5 rate"


@pytest.mark.parametrize("draw", [bar_chart, line_chart])
def test_a_chart_brings_no_style_script_or_id(draw):
    """The page's content policy allows no inline style and no script; ids would repeat on a page."""
    svg = draw(WEEKS, {"a": [1, 2, 3], "b": [3, 2, 1]}, title="two series")
    root = ET.fromstring(svg)
    assert (root.get("role"), root.get("aria-label")) == ("group", "two series")
    assert re.findall(r"<(?:script|style|defs|desc|!--)|\b(?:style|id|on\w+|href)=", svg) == []


def test_one_point_can_be_reached_with_the_tab_key():
    """A chart is one stop on the way through a page; arrow keys go on from it."""
    stops = [
        point.get("tabindex")
        for point in of_class(bar_chart(WEEKS, {"a": [1, 2, 3]}, title="a"), "point")
    ]
    assert stops == ["-1", "-1", "0"]


def test_names_are_escaped():
    """A title, a label or a series cannot break out of the picture."""
    svg = bar_chart(["<b>", "&"], {'"x"': [1, 2]}, title='<script>"')
    assert ET.fromstring(svg).get("aria-label") == '<script>"'
    assert hints(svg) == ['<b>: 1 "x"', '&: 2 "x"']


def test_as_many_labels_as_fit_are_written_the_last_one_among_them():
    """With a bar a day only some days are written, none over another, and none beyond the picture."""
    days = [f"day {number}" for number in range(30)]
    svg = bar_chart(days, {"leads": list(range(30))}, title="leads")
    labels = of_class(svg, "x")
    assert labels[0].text == "day 29"
    places = sorted(float(node.get("x", "")) for node in labels)
    assert len(places) > 3
    assert min(right - left for left, right in pairwise(places)) > 6 * 6.6
    assert places[-1] + 3 * 6.6 <= 360
    assert (
        len(written(bar_chart(days, {"leads": list(range(30))}, title="leads", width=WIDE), "x"))
        > 10
    )


def test_a_bar_of_a_time_that_is_not_over_is_marked():
    """Only the last point is drawn as unfinished."""
    svg = bar_chart(WEEKS, {"visitors": [1, 2, 3]}, title="weeks", is_last_open=True)
    assert [point.get("class") for point in of_class(svg, "point")] == [
        "point",
        "point",
        "point open",
    ]


def test_a_legend_is_there_for_several_series_only_and_inside_the_picture():
    """One series has its name in the heading; several get a legend that is not cut off."""
    assert of_class(bar_chart(WEEKS, {"a": [1, 2, 3]}, title="one"), "legend") == []
    for count in (2, 3, 5, 6, 14):
        svg = bar_chart(WEEKS, {f"series {n}": [1, 2, 3] for n in range(count)}, title="several")
        [legend] = of_class(svg, "legend")
        texts = list(legend.iter(_NAMESPACE + "text"))
        assert [text.text for text in texts] == [f"series {n}" for n in range(count)]
        height = float(ET.fromstring(svg).get("viewBox", "").split()[3])
        assert max(float(text.get("y", "")) for text in texts) < height
        assert max(float(text.get("x", "")) + 8 * 6.6 for text in texts) < 360


@pytest.mark.parametrize("values", [[], [None], [0]])
@pytest.mark.parametrize("draw", [bar_chart, line_chart])
def test_nothing_to_draw_is_a_picture_too(draw, values):
    """Without labels, without numbers, with zeros only: axes, and no error."""
    svg = draw(WEEKS[: len(values)], {"a": values}, title="empty", is_last_open=bool(values))
    assert ET.fromstring(svg).get("class") == "chart"
    assert written(svg, "y") == ["0", "1"]


def test_a_markdown_image_stands_alone():
    """The picture for the Dagster UI has its style inside, and colours without the page's variables."""
    markdown = markdown_image(bar_chart(WEEKS, {"a": [1, 2, 3]}, title="a"), title="weeks")
    found = re.fullmatch(r"!\[weeks\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found
    svg = base64.b64decode(found[1]).decode()
    style = ET.fromstring(svg).findtext(_NAMESPACE + "style") or ""
    assert "--series: var(--series-0, #0d9488)" in style
