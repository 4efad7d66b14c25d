"""Merging contacts into a file: what is written, in which layout, and what is left alone."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadpipe.errors import LeadsFileError
from leadpipe.interactions.merging import Problem
from leadpipe.interactions.reading import Question, Reading
from leadpipe.interactions.syncing import sync_file
from leadpipe.interactions.validation import validate
from leadpipe.text import mended_json
from leadpipe_tests.interactions.builders import (
    AT,
    PROGRAM,
    TENANT,
    contact,
    entry,
    lead,
    lead_updated,
    merged,
    text_of,
)

_OURS = '{"loggedAt":"2026-11-20T14:00:00.000Z","contactOutcome":"conversation"}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            '[{"id":"lead-1","interactions":[]}]',
            f'[{{"id":"lead-1","interactions":[{_OURS}]}}]',
            id="a compact file stays compact",
        ),
        pytest.param(
            '{"v": 1e400, "leads": [{"id": "lead-1", "interactions": [ ]}], "x": [1,2 ]}',
            '{"v": 1e400, "leads": [{"id": "lead-1", "interactions": '
            '[{"loggedAt": "2026-11-20T14:00:00.000Z", "contactOutcome": "conversation"}]}], "x": [1,2 ]}',
            id="leads of an object, on one line",
        ),
        pytest.param(
            '[\r\n\t{\r\n\t\t"id": "lead-1",\r\n\t\t"interactions": [],\r\n'
            '\t\t"n": 12345678901234567890123\r\n\t}\r\n]',
            '[\r\n\t{\r\n\t\t"id": "lead-1",\r\n\t\t"interactions": [\r\n\t\t\t{\r\n\t\t\t\t"loggedAt": '
            '"2026-11-20T14:00:00.000Z",\r\n\t\t\t\t"contactOutcome": "conversation"\r\n\t\t\t}\r\n\t\t],\r\n'
            '\t\t"n": 12345678901234567890123\r\n\t}\r\n]',
            id="tabs and CRLF",
        ),
        pytest.param(
            '[\n {\n  "id": "lead-1",\n  "interactions": [\n'
            '   { "loggedAt": "2026-11-20T13:00:00Z" }\n  ]\n }\n]\n\n',
            '[\n {\n  "id": "lead-1",\n  "interactions": [\n   { "loggedAt": "2026-11-20T13:00:00Z" },\n'
            '   { "loggedAt": "2026-11-20T14:00:00.000Z", "contactOutcome": "conversation" }\n  ]\n }\n]\n\n',
            id="an interaction a line, like its neighbour",
        ),
        pytest.param(
            '[{"id":"a","interactions":[]},\n{"id":"lead-1","interactions":[\n'
            '   {"loggedAt":"2026-11-20T15:00:00Z"}]}]',
            '[{"id":"a","interactions":[]},\n{"id":"lead-1","interactions":[\n   '
            f'{_OURS},\n   {{"loggedAt":"2026-11-20T15:00:00Z"}}]}}]',
            id="before what is later",
        ),
        pytest.param(
            '[\n{\n"id": "b",\n"interactions": [{"loggedAt": "2026-11-20T15:00:00Z"}]\n},\n{\n"id": '
            '"lead-1",\n'
            '"interactions": []\n}\n]',
            '[\n{\n"id": "b",\n"interactions": [{"loggedAt": "2026-11-20T15:00:00Z"}]\n},\n{\n"id": '
            '"lead-1",\n'
            '"interactions": [{"loggedAt": "2026-11-20T14:00:00.000Z", "contactOutcome": "conversation"}]\n'
            "}\n]",
            id="an empty array like the filled one of another lead",
        ),
    ],
)
def test_what_is_written_looks_like_what_is_around_it(before, after):
    """Indentation, line ends and spacing are those of the file; nothing else in it moves."""
    assert merged(before.encode(), contact()).data.decode() == after
    assert merged(after.encode(), contact()).data.decode() == after


def test_every_field_in_the_schemas_order():
    """Fields have the seed's order; letters beyond ASCII are written as the file writes them."""
    one = contact(notes='Sagt "ja",\nZoë 🌿')
    plain = merged(text_of([lead()]), one).data.decode()
    assert '"notes": "Sagt \\"ja\\",\\nZoë 🌿"' in plain
    escaped = merged(text_of([lead()], ensure_ascii=True), one).data
    assert b'"notes": "Sagt \\"ja\\",\\nZo\\u00eb \\ud83c\\udf3f"' in escaped
    assert json.loads(plain) == json.loads(escaped)


def test_an_array_that_is_newest_first_stays_so():
    """Interactions go where the time order of the array wants them."""
    data = text_of([lead("lead-1", entry(300), entry(100))])
    [found] = json.loads(merged(data, contact(200), contact(400), contact(0)).data)
    assert found["interactions"] == [entry(400), entry(300), entry(200), entry(100), entry(0)]


def test_an_array_in_no_order_is_not_sorted():
    """What a person left in no order stays; a new one goes before the first that is later."""
    data = text_of([lead("lead-1", entry(300), entry(100), entry(500))])
    [found] = json.loads(merged(data, contact(200), contact(400)).data)
    assert found["interactions"] == [entry(200), entry(300), entry(100), entry(400), entry(500)]


def test_unknown_leads_and_other_programs_are_reported():
    """An event whose lead is not in the file, or in another program, is not written."""
    data = text_of([lead("lead-1", programId="other"), lead("lead-2", programId=None)])
    result = merged(data, contact(), contact(lead_id="nobody"), contact(lead_id="lead-2"))
    assert [addition.lead_id for addition in result.additions] == ["lead-2"]
    assert result.problems == (
        Problem(
            "lead-1 0.0 conversation ", "unmatched", "lead-1", "the lead belongs to another program"
        ),
        Problem(
            "nobody 0.0 conversation ", "unmatched", "nobody", "no lead of the file has this leadId"
        ),
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({}, "$[0].interactions[1].loggedAt is missing or not an ISO 8601 time"),
        (
            {"loggedAt": "yesterday"},
            "$[0].interactions[1].loggedAt is missing or not an ISO 8601 time",
        ),
        (7, "$[0].interactions[1] is not an interaction: an object with loggedAt"),
    ],
)
def test_a_lead_that_cannot_be_read_stops_the_merge(bad, message):
    """An interaction without a time might be the one an event tells of: nothing is guessed."""
    with pytest.raises(LeadsFileError) as caught:
        merged(text_of([lead("lead-1", entry(), bad)]), contact(60))
    assert str(caught.value) == message


def test_a_repeated_key_stops_the_merge():
    """With two arrays of interactions nobody knows which one holds."""
    data = b'[{"id": "lead-1", "interactions": [], "interactions": []}]'
    with pytest.raises(LeadsFileError, match="the key 'interactions' is there twice"):
        merged(data, contact())
    nested = b'[{"id": "lead-1", "x": {"interactions": 1}, "y": "\\"interactions\\":", "interactions": []}]'
    assert json.loads(merged(nested, contact()).data)[0]["interactions"] == [entry()]


# Halves, several of them, behind a backslash that is itself escaped; and what only looks like one.
_HALVES = [
    rb"\ud83d",
    rb"\uDE00",
    rb"\ud83d\ud83d",
    rb"\\\udc00",
    rb"\\ud83d",
    rb"\ud83d\ude00 \ufffd",
]


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.sampled_from(_HALVES), min_size=1, max_size=6),
    st.integers(0, 5),
    st.booleans(),
)
def test_halves_of_emoji_in_a_file_stay_where_they_are(tmp_path, halves, place, is_escaped):
    """A note that was cut within an emoji stops no sync: it is found again, and its bytes stay."""
    notes = [f"note {number} HALF{number}" for number in range(len(halves))]
    leads = [lead("lead-1", *(entry(60.0 * n, notes=note) for n, note in enumerate(notes)))]
    data = text_of(leads, ensure_ascii=is_escaped)
    for number, half in enumerate(halves):
        data = data.replace(f"HALF{number}".encode(), half)
    path = tmp_path / "leads.json"
    path.write_bytes(data)
    seen = [json.loads(b'"' + mended_json(half) + b'"') for half in halves]
    events = {
        f"e{n}": lead_updated(60.0 * n + 2, notes=f"note {n} {seen[n]}")["properties"]
        for n in range(len(halves))
    }
    events["new"] = lead_updated(60.0 * place + 20, notes="new \ufffd")["properties"]
    given_ = {uuid: json.dumps(properties) for uuid, properties in events.items()}
    question = Question(TENANT, PROGRAM, AT - timedelta(days=1), AT)
    report = sync_file(
        path,
        Reading("warehouse", given_, AT),
        question,
        is_dry_run=False,
        lock_timeout_seconds=5.0,
    )
    assert report.counts == {
        "added": 1,
        "already_there": len(halves),
        "unmatched": 0,
        "rejected": 0,
    }
    changed = path.read_bytes()
    kept = next(
        n for n, (one, other) in enumerate(zip(data, changed, strict=False)) if one != other
    )
    assert changed.endswith(data[kept:])  # one piece was put in, and nothing else is another
    assert validate(changed) == []
    again = sync_file(
        path,
        Reading("warehouse", given_, AT),
        question,
        is_dry_run=False,
        lock_timeout_seconds=5.0,
    )
    assert (again.counts["added"], path.read_bytes()) == (0, changed)
