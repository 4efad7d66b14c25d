"""What was seen of a project, and what of it may be shown."""

import pytest

from leadpipe.events.project.profile import Sample, samples_of, shape
from leadpipe_tests.events.project.builders import prop


@pytest.mark.parametrize(
    ("property_", "shown"),
    [
        (prop("channel", ["WhatsApp", "call"]), ["WhatsApp", "call"]),
        (prop("ok", [True, False]), ["true", "false"]),
        (prop("price", [450000, 12500000], different=90), ["450000", "12500000"]),
        (prop("ref", ["R-0012", "R-0013"], different=80), ["A-9999"]),
        (prop("phone", ["+233 24 000 1111"]), ["+999 99 999 9999"]),
        (prop("how", ["0244000111", "call"]), ["9999999999", "aaaa"]),
        (prop("who", ["ama@mail.example"]), ["aaa@aaaa.aaaaaaa"]),
        (prop("buyer.full_name", ["Ama Mensah", "Kofi"]), ["Aaa Aaaaaa", "Aaaa"]),
        (prop("buyer", ["Ama", "Kofi"], filled=2), ["Aaa", "Aaaa"]),
        (prop("message", ["hi"]), ["aa"]),
    ],
    ids=lambda each: each.text if hasattr(each, "text") else "",
)
def test_only_few_and_harmless_values_are_shown(property_, shown):
    """Of others the form is, which tells an id from a name and says nothing of anybody."""
    assert property_.examples(5) == shown


def test_a_form_says_nothing_of_its_value():
    """Letters of any script, and digits, are covered; long ones are cut."""
    assert shape("Ωλ-٣ Ж7") == "Aa-9 A9"
    assert len(shape("x" * 500)) == 41


def test_rows_become_samples():
    """A row without names is the sample's size; objects are looked into; cut JSON stays a text."""
    rows: list[list[object]] = [
        ["seen", "", "", 10, 1, 3, 0, [""], [1]],
        ["seen", "ref", "", 8, 2, 8, 0, ['"a"', "7"], [5, 6]],
        ["seen", "buyer", "", 8, 2, 8, 0, ['{"id": 1}'], [9]],
        ["seen", "buyer", "id", "8", "2", "8", "0", ["1"], ["9"]],
        ["seen", "long", "", 1, 1, 1, 0, ['"' + "x" * 199], [4]],
    ]
    sample = samples_of(rows)["seen"]
    assert sample.events == 10
    assert [(one.text, one.filled, one.values) for one in sample.properties] == [
        ("buyer.id", 8, (1,)),
        ("ref", 8, ("a", 7)),
        ("long", 1, ("x" * 199,)),
    ]
    assert sample.fill(sample.properties[1]) == 0.8


def test_nothing_was_looked_at():
    """An event without a sample has no properties, and no division by nothing."""
    assert Sample().fill(prop("a", ["b"], filled=0)) == 0
