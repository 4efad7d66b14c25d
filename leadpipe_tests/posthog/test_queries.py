"""Every question that leadpipe asks PostHog is HogQL that PostHog takes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leadpipe
from leadpipe.events.mapping.meant_hogql import Condition, means
from leadpipe.events.mapping.reading import from_content
from leadpipe_tests.posthog_sandbox.asking import ask

_PACKAGE = Path(leadpipe.__file__).parent
_MOMENT = "2026-11-20 00:00:00.000000"
_UUID = "00000000-0000-4000-8000-000000000001"
# What a placeholder is bound to, whichever query it stands in.
_VALUES: dict[str, Any] = {
    **dict.fromkeys(
        ("window_start", "window_end", "created_after", "created_until", "copies_start"), _MOMENT
    ),
    **dict.fromkeys(("after_timestamp", "after_created_at"), _MOMENT),
    "events": ["property_view", "lead_phone"],
    "bulky_events": ["property_view"],
    "bulky_properties": ["listing_id"],
    "bucket": "%Y-%m-%d %H",
    "after_uuid": _UUID,
    "uuids": [_UUID],
    "page_rows": 10,
    "tenant": "accra",
    "program_id": "1",
    "escape": "\\ud8",
    "mapped_events": ["followed_up"],
    "names": ["Seen", "Joined"],
    "outers": ["screen", "cta"],
    "inners": ["", "name"],
    "known": ["1:listing"],
    "since": [1_795_000_000, 1_795_000_000],
    "last": "",
    "after": "",
}
# Conditions that a mapping puts in: of names, and of values within properties.
_FILTERED = from_content(
    {
        "builtin": False,
        "events": {
            name: [{"meaning": meaning, "only_where": {"context.1.screen": ["listing"]}}]
            for name, meaning in (("Seen", "pageview"), ("Joined", "signup"))
        },
    }
)
_CONDITIONS = {
    "{is_pageview}": means(_FILTERED, "pageview"),
    "{is_signup}": means(_FILTERED, "signup"),
    "{is_wanted}": Condition(
        f"uuid IN ({(_PACKAGE / 'events' / 'copied_uuids.hogql').read_text()})",
        {"copies_start": _MOMENT},
    ),
}
# What Python puts into a query's text.
_TEXTS = {
    "table": "cohort_people",
    "cohort.id": "1",
    "utc_literal(since - _ROUNDING)": f"toDateTime64('{_MOMENT}', 6, 'UTC')",
    "_DISTINCT_IDS_A_QUERY": "50000",
    "_UUIDS_A_QUERY": "1000",
}


def _calls() -> Iterator[tuple[str, ast.expr]]:
    """The text, as Python has it, of every call of the client's `query`."""
    for path in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "posthog.query":
                yield f"{path.relative_to(_PACKAGE)}:{node.lineno}", node.args[0]


def _inline() -> dict[str, str]:
    """The queries that stand in Python, by their place."""
    return {
        place: "".join(map(_text_of, text.values if isinstance(text, ast.JoinedStr) else [text]))
        for place, text in _calls()
        if not ast.unparse(text).startswith("read_sql(")
    }


def _text_of(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return _TEXTS[ast.unparse(part.value)]
    return str(ast.literal_eval(part))


_QUERIES = {
    str(path.relative_to(_PACKAGE)): path.read_text() for path in sorted(_PACKAGE.rglob("*.hogql"))
} | _inline()


@pytest.mark.parametrize("place", _QUERIES)
def test_the_strict_checker_takes_every_query(sandbox, place):
    """Each compiles with PostHog's counts and columns, and runs, in the project's zone and in UTC."""
    text, given = _QUERIES[place], dict(_VALUES)
    for name, condition in _CONDITIONS.items():
        text = text.replace(name, condition.text)
        given |= condition.values
    values = {name: given[name] for name in re.findall(r"\{(\w+)\}", text)}
    for native in (False, True):
        sandbox.control.native_json(native)
        answer = ask(sandbox, text, values=values)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"] in ([], [[0]])


def test_no_query_is_left_out():
    """Every `.hogql` file is read somewhere; what the client is asked is one of them or stands in place."""
    read = {
        "/".join(ast.literal_eval(part) for part in node.args)
        for path in _PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "read_sql"
        if ast.unparse(node.args[-1]).endswith(".hogql'")
    }
    assert sorted(read) == [place for place in _QUERIES if place.endswith(".hogql")]
    assert [place.partition(":")[0] for place in _inline()] == [
        "posthog/capture.py",
        "posthog/cohort_members.py",
    ]
