"""Whatever a project sends: the suggested file is one that the reader takes, and means what was suggested."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.sources import parsed_path
from leadpipe.events.project.advice import Advice
from leadpipe.events.project.apart import to_take_apart, unmapped, values_of
from leadpipe.events.project.profile import (
    Profile,
    Sample,
    SeenEvent,
    SeenProperty,
    Split,
    merged,
)
from leadpipe.events.project.suggesting import suggest
from leadpipe.events.project.words import told
from leadpipe.events.project.written import read_back, toml_text

_AT = datetime(2026, 11, 20, tzinfo=UTC)
_TELLING = (
    "listing viewed",
    "screen",
    "button clicked",
    "interaction",
    "contact agent",
    "recharge",
    "form submitted",
    "visita solicitada",
    "user registered",
    "item shared",
    "car sold",
    "lead updated",
)
_PROPERTIES = (
    "listing_id",
    "vin",
    "screen",
    "button",
    "kind",
    "channel",
    "amount",
    "phone",
    "email",
    "name",
    "agent_id",
    "buyer id",
    "source",
    "logged_in",
)
_LABELS = ("screen", "button", "kind", "action", "channel", "source", "network", "status")
_SAID = (
    "call",
    "WhatsApp",
    "share",
    "save",
    "listing",
    "profile",
    "agent",
    "home",
    "Google",
    "sms",
)
_PRINTABLE = "\"'\\#=[]{}., éЖ𝄞aZ0_-"
_UNPRINTABLE = "\n\r\t\0\x7f\u2028\ud800"
_FILLS = st.sampled_from([100, 100, 99, 50, 1])


def _amid(known: tuple[str, ...], characters: str) -> st.SearchStrategy[str]:
    """Known texts, alone and amid any others."""
    others = st.text(st.sampled_from(characters), max_size=3)
    amid = st.tuples(others, st.sampled_from(known), others).map("".join)
    return st.one_of(st.sampled_from(known), st.sampled_from(known), amid)


def _anything(known: tuple[str, ...]) -> st.SearchStrategy[str]:
    """The same, with what no line can hold; now and then very long."""
    long = st.sampled_from(known).map(lambda text: text + "x" * 10_000)
    return st.one_of(_amid(known, _PRINTABLE), _amid(known, _PRINTABLE + _UNPRINTABLE), long)


def _seen(path: list[str], values: list[object], filled: int, own: int) -> SeenProperty:
    once = tuple({repr(value): value for value in values}.values())
    sketch = frozenset(hash(repr(value)) for value in once)
    return SeenProperty(tuple(path), filled, len(once), filled, own, once, sketch)


def _properties(
    names: tuple[str, ...], values: st.SearchStrategy[list[object]]
) -> st.SearchStrategy[SeenProperty]:
    path = st.lists(_amid(names, _PRINTABLE), min_size=1, max_size=2)
    return st.builds(_seen, path, values, _FILLS, st.sampled_from([0, 0, 0, 60]))


_IDS = _properties(
    ("listing_id", "vin"), st.integers(1, 8).map(lambda n: [f"H-{each:03}" for each in range(n)])
)
_WORDS = _properties(_LABELS, st.lists(_anything(_SAID), min_size=2, max_size=4))
_VALUES = st.one_of(_anything(_SAID), st.integers(), st.floats(allow_nan=True), st.booleans())
_ANY = _properties(_PROPERTIES, st.lists(_VALUES, min_size=1, max_size=4))
_SAMPLES = (
    st.tuples(
        st.lists(_IDS, min_size=1, max_size=1),
        st.lists(_WORDS, min_size=1, max_size=2),
        st.lists(_ANY, max_size=2),
    )
    .map(lambda lists: {one.path: one for each in lists for one in each})
    .map(lambda by_path: Sample(100, tuple(by_path.values())))
)


@st.composite
def _profiles(draw: st.DrawFn) -> Profile:
    known = st.lists(st.sampled_from(_TELLING), min_size=1, max_size=3)
    names = list(dict.fromkeys(draw(known) + draw(st.lists(_anything(_TELLING), max_size=1))))
    events = tuple(SeenEvent(name, draw(st.integers(1, 10**9)), _AT, _AT) for name in names)
    profile = Profile(30, events, {name: draw(_SAMPLES) for name in names})
    # Of an event's part: what the whole has, none of it, or something else.
    others = [Sample(100), draw(_SAMPLES)]
    splits = {
        name: tuple(
            Split(
                one,
                {
                    value: draw(st.sampled_from([profile.sample(name), *others]))
                    for value in values_of(one)
                },
            )
            for one in properties
        )
        for name, properties in to_take_apart(profile, built_in()).items()
    }
    return Profile(30, events, profile.samples, splits)


def _suggested(advice: Advice) -> dict[str, list[dict[str, object]]]:
    """The rules by event as a mapping would say them: what is compared is in lower case."""
    rules: dict[str, list[dict[str, object]]] = {}
    for one in advice.suggestions:
        said: dict[str, object] = {"meaning": one.meaning}
        for line in one.lines:
            value: Any = line.value
            if line.key == "only_where":
                value = {
                    path: [_compared(each) for each in values] for path, values in value.items()
                }
            elif isinstance(value, dict) and "values" in value:
                value = value | {"values": {_compared(k): v for k, v in value["values"].items()}}
            said[line.key] = value
        rules.setdefault(one.event.name, []).append(said)
    return rules


def _compared(value: object) -> str:
    return str(value).strip().lower()


@given(_profiles())
def test_the_file_reads_back_as_what_was_suggested(profile):
    """Any names, values and numbers: each rule is there, in order, with its filter and its columns."""
    advice = suggest(profile, built_in())
    text = toml_text(advice, profile)
    assert text.encode()
    if not advice.suggestions:
        return
    mapping = read_back(text)
    found = {
        name: [rule.as_content() for rule in mapping.events[name]] for name in _suggested(advice)
    }
    assert found == _suggested(advice)
    assert {*mapping.events} == {*built_in().events, *_suggested(advice)}


@given(_profiles())
def test_every_event_that_sounds_like_something_is_suggested_or_told(profile):
    """None vanishes: it has a rule, or a line that says why it has none; each line is one line."""
    advice = suggest(profile, built_in())
    text = toml_text(advice, profile)
    named = {event.name for event, _ in advice.left_out} | {*_suggested(advice)}
    sounding = {one.name for one in unmapped(profile, built_in()) if told(one.name)}
    assert sounding <= named <= {one.name for one in profile.events}
    for line in text.splitlines():
        assert line == "" or line[0] in "#[" or " = " in line
    for path in (one.path for sample in profile.samples.values() for one in sample.properties):
        assert parsed_path(SeenProperty(path, 1).text) == path


@given(st.lists(_SAMPLES, min_size=1, max_size=4))
def test_samples_together_have_every_property_once(samples):
    """Their sizes add up, and no value or property is lost."""
    whole = merged(samples)
    assert whole.events == sum(one.events for one in samples)
    paths = [one.path for one in whole.properties]
    assert sorted(paths) == sorted({one.path for each in samples for one in each.properties})
