"""Properties of a merge that hold for all events and files, by hypothesis."""

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from leadpipe.interactions.merging import Contact
from leadpipe_tests.interactions.builders import contact, entry, lead, merged

_LEADS = ("lead-1", "lead-2", "lead-3")
_SECONDS = st.integers(-24, 24).map(lambda n: n / 2)
_LAYOUTS = st.sampled_from(
    [
        {"indent": 2},
        {"indent": "\t"},
        {"indent": None},
        {"indent": None, "separators": (",", ":")},
        {"indent": 0},
    ]
)


@st.composite
def files(draw):
    """Files in several layouts, with leads that have interactions in any order, some edited by hand."""
    entries = st.lists(
        st.builds(entry, _SECONDS, notes=st.sampled_from(["", "a", "Zoë  ", '\\" [{'])), max_size=4
    )
    leads = [
        lead(name, *draw(entries), deep={"interactions": [{"id": name}]}, 數="\u00e9\\u00e9")
        for name in _LEADS
    ]
    whole = {"$schema": "x", "leads": leads, "n": 1} if draw(st.booleans()) else leads
    options = {"ensure_ascii": draw(st.booleans()), **draw(_LAYOUTS)}
    text = json.dumps(whole, **options) + draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))).encode()


contacts = st.lists(
    st.builds(
        contact,
        _SECONDS,
        st.sampled_from(_LEADS),
        outcome=st.sampled_from(["conversation", "not_reached"]),
        notes=st.sampled_from(["", "a", "Zoë"]),
    ),
    max_size=12,
)


def _key(one: Contact):
    return one.uuid


@settings(max_examples=200, deadline=None)
@given(files(), contacts, st.randoms())
def test_any_order_and_repetition_give_one_file(data, events, shuffle: random.Random):
    """The same events in another order, some twice, give the same bytes; a second time changes nothing."""
    result = merged(data, *events)
    again = events + shuffle.choices(events, k=3) if events else []
    shuffle.shuffle(again)
    assert merged(data, *again).data == result.data
    assert merged(result.data, *again).data == result.data


@settings(max_examples=200, deadline=None)
@given(files(), contacts, st.lists(st.integers(0, 12), max_size=4))
def test_syncs_that_see_more_and_more_end_with_the_same_file(data, events, counts):
    """Each sync sees what the one before saw, and more: the bytes are those of a single sync."""
    synced = data
    for count in [*sorted(counts), len(events)]:
        synced = merged(synced, *events[:count]).data
    assert synced == merged(data, *events).data


@settings(max_examples=200, deadline=None)
@given(files(), contacts, st.sets(st.integers(0, 11)))
def test_events_that_leave_the_window_change_nothing(data, events, kept):
    """After a sync, any of its events alone add nothing: old ones may drop out of the 30 days."""
    synced = merged(data, *events).data
    remaining = [one for number, one in enumerate(events) if number in kept]
    assert merged(synced, *remaining).data == synced


@settings(max_examples=200, deadline=None)
@given(files(), contacts, st.randoms())
def test_any_split_gives_one_file_when_contacts_are_apart(data, events, shuffle: random.Random):
    """Where no two events of a lead are within ten seconds, even single events in any order give it."""
    spread = [
        contact(30.0 * number, one.lead_id, notes=str(number)) for number, one in enumerate(events)
    ]
    expected = merged(data, *spread).data
    shuffle.shuffle(spread)
    synced = data
    for one in spread:
        synced = merged(synced, one).data
    assert synced == expected


@settings(max_examples=200, deadline=None)
@given(files(), contacts)
def test_nothing_else_in_the_file_moves(data, events):
    """What was added, cut out again, leaves the file's own bytes in their order; JSON says the same."""
    result = merged(data, *events)
    before, after = json.loads(data), json.loads(result.data)
    added: dict[str, int] = {}
    for addition in result.additions:
        added[addition.lead_id] = added.get(addition.lead_id, 0) + 1
    for old, new in zip(_leads(before), _leads(after), strict=True):
        kept = list(new["interactions"])
        for addition in result.additions:
            if addition.lead_id == new["id"]:
                kept.remove(dict(addition.interaction.fields()))
        assert len(new["interactions"]) == len(old["interactions"]) + added.get(old["id"], 0)
        assert kept == old["interactions"]
        new["interactions"] = old["interactions"]
    assert before == after
    rest = iter(result.data)
    assert all(byte in rest for byte in data.replace(b" ", b"").replace(b"\r", b""))
    assert len(result.additions) + result.already_there == len(events)


def _leads(whole):
    return whole["leads"] if isinstance(whole, dict) else whole
