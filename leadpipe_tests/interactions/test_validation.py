"""What is wrong with a file, by JSON path."""

from typing import Any, cast

import pytest

from leadpipe.interactions.validation import validate
from leadpipe_tests.interactions.builders import entry, lead, text_of


def test_nothing_is_wrong_with_a_good_file():
    """Unknown fields, any layout and leads without contacts are fine."""
    assert validate(text_of([lead("a", entry(notes="", x=1)), lead("b", more=[1])])) == []
    assert validate(b'{"leads":[],"version":1e400}') == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty; a file without leads is []"),
        (b"\xef\xbb\xbf[]", "the file begins with a byte-order mark; save it as UTF-8 without one"),
        ("[]".encode("utf-16"), "the file begins with a byte-order mark; save it as UTF-8 without one"),
        (b'["\xff"]', "the file is not UTF-8 (invalid start byte near byte 2)"),
        (b'[\n{"id": }]', "this is not JSON: Expecting value, line 2, column 8"),
        (b'[{"id": "a", "interactions": []}', "this is not JSON: Expecting ',' delimiter, line 1, column 33"),
        (b"[" * 100_000, "this JSON cannot be read"),
        (b"7", "the file is neither an array of leads nor an object with leads"),
        (b'{"lead": []}', "the object has no leads"),
        (b'{"leads": {}}', "leads is not an array"),
        (b'{"leads": [], "leads": []}', "the key 'leads' is there twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_leads_file(data, message):
    """One problem, at the root."""
    [problem] = validate(data)
    assert problem.path == "$"
    assert problem.message.startswith(message)


def test_every_problem_has_its_path():
    """Leads and interactions are numbered from 0, in the order of the file; no value is shown."""
    leads = [
        lead(
            "a",
            entry(),
            {"loggedAt": "Jane", "contactOutcome": "Jane", "notes": 1},
            cast("Any", "x"),
        ),
        {"id": "b"},
        {"id": 7, "interactions": []},
        lead("a"),
        lead("c", blocker="x"),
        lead("d", {"blocker": None}),
        {"id": "e", "interactions": {}},
        {"id": "f", "programId": 5, "interactions": []},
        "g",
        *(lead(str(number)) for number in range(2)),
        {"id": "", "interactions": []},
    ]
    blockers = (
        "different_program, timing, needs_time, needs_approval, needs_visit, price_uncertainty, "
        "comparing, not_serious"
    )
    assert [f"{path}: {message}" for path, message in validate(text_of({"leads": leads}))] == [
        "$.leads[0].interactions[1].contactOutcome: none of not_reached, brief_contact, conversation",
        "$.leads[0].interactions[1].loggedAt: not an ISO 8601 time",
        "$.leads[0].interactions[1].notes: not a text",
        "$.leads[0].interactions[2]: this is not an interaction: an object with loggedAt",
        "$.leads[1].interactions: missing; a lead without contacts has []",
        "$.leads[2].id: the id is missing or not a text",
        "$.leads[3].id: the id 'a' is that of $.leads[0] too",
        f"$.leads[5].interactions[0].blocker: none of {blockers}",
        "$.leads[5].interactions[0].contactOutcome: missing",
        "$.leads[5].interactions[0].loggedAt: missing",
        "$.leads[6].interactions: this is not an array",
        "$.leads[7].programId: the program's id is not a text",
        "$.leads[8]: this is not a lead: an object with id and interactions",
        "$.leads[11].id: the id is missing or not a text",
    ]


def test_repeated_keys_are_found():
    """A key that is there twice in a lead or an interaction."""
    data = (
        b'[{"id": "a", "id": "b", "interactions": []}, '
        b'{"id": "c", "interactions": [{"loggedAt": 1, "loggedAt": 2}]}]'
    )
    assert [f"{path}: {message}" for path, message in validate(data)] == [
        "$[0]: the key 'id' is there twice",
        "$[1].interactions[0]: the key 'loggedAt' is there twice",
    ]
