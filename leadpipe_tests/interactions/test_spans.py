"""Where the parts of a JSON text lie, to the byte."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadpipe.interactions.spans import RepeatedKey, elements, members

_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _FLOATS | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
_LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"indent": 0}, {"separators": (" , ", " : ")}])


@given(st.dictionaries(st.text(max_size=4), _VALUES, max_size=5), _LAYOUTS, st.booleans())
def test_members_lie_where_they_say(value, layout, is_ascii):
    """Key and value of each member are what is at their place, in order."""
    text = json.dumps(value, ensure_ascii=is_ascii, **layout).encode()
    found = members(text)
    assert [json.loads(text[part.key_start : part.key_end]) for part in found] == list(value)
    assert [json.loads(text[part.start : part.end]) for part in found] == list(value.values())
    assert [part.key for part in found] == list(value)


@given(st.lists(_VALUES, max_size=5), _LAYOUTS, st.sampled_from(["", " ", "\r\n\t"]))
def test_elements_lie_where_they_say(value, layout, before):
    """Each element is what is at its place, wherever the array begins."""
    text = (before + json.dumps(value, **layout) + before).encode()
    _, spans = elements(text, len(before))
    assert [json.loads(text[start:end]) for start, end in spans] == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"a":22}',
        b'{"a":22,"a":1}',
        b'{"a":{"p":12,"b":2},"b":2,"a":"12345"}',
        b'{"a":[],"\\u0061":[]}',
    ],
)
def test_a_repeated_key_is_found(text):
    """Also where the values have other lengths, or the key is spelled differently."""
    with pytest.raises(RepeatedKey) as caught:
        members(text)
    assert caught.value.key == "a"


@pytest.mark.parametrize("text", [b"[]", b'{"a":01}', b'{"a":1', b"{'a':1}", b""])
def test_what_is_no_object_is_refused(text):
    """Broken JSON has no places."""
    with pytest.raises(msgspec.DecodeError):
        members(text)
