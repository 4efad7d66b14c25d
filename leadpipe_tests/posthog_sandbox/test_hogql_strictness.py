"""The sandbox's HogQL is no kinder than PostHog's: counts of arguments, columns, tables, clauses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import ask, refusal, rows
from posthog_sandbox.hogql import translate
from posthog_sandbox.hogql_signatures import AGGREGATIONS, FUNCTIONS
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.process import SandboxProcess
from posthog_sandbox.refusals import Refusal

_CONTEXT = Context(now=datetime(2026, 11, 21, 12, tzinfo=UTC))
_ONE_INDEX = "SQL indexes start from one, not from zero. E.g: {}"


def _refused(hogql: str, **values: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as refused:
        translate(hogql, values, _CONTEXT)
    return refused.value.status, refused.value.detail


@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        ("toDate(timestamp, 'UTC')", "Function 'toDate' expects 1 argument, found 2"),
        ("cityHash64(event, uuid)", "Function 'cityHash64' expects 1 argument, found 2"),
        ("notEmpty(event, event)", "Function 'notEmpty' expects 1 argument, found 2"),
        ("substring(event, 1)", "Function 'substring' expects 3 arguments, found 2"),
        ("greatest(1, 2, 3)", "Function 'greatest' expects 2 arguments, found 3"),
        ("concat('a')", "Function 'concat' expects at least 2 arguments, found 1"),
        ("toDateTime64(now(), 6, 'UTC', 1)", "Function 'toDateTime64' expects at most 3 arguments, found 4"),
        ("today('UTC')", "Function 'today' expects 0 arguments, found 1"),
        ("isNull(1, 2)", "Function 'isNull' expects 1 argument, found 2"),
        ("reinterpretAsUInt64()", "Function 'reinterpretAsUInt64' expects 1 argument, found 0"),
        ("uniqExactIf(uuid)", "Aggregation 'uniqExactIf' expects at least 2 arguments, found 1"),
        ("count(uuid, event)", "Aggregation 'count' expects at most 1 argument, found 2"),
        ("COUNT(uuid, event)", "Aggregation 'COUNT' expects at most 1 argument, found 2"),
        ("groupBitXor(1, 2)", "Aggregation 'groupBitXor' expects 1 argument, found 2"),
        ("groupBitXorIf(1)", "Aggregation 'groupBitXorIf' expects 2 arguments, found 1"),
        ("argMax(event)", "Aggregation 'argMax' expects 2 arguments, found 1"),
        ("sumOrNullIf(1)", "Aggregation 'sumOrNullIf' expects 2 arguments, found 1"),
        ("quantile(1)", "Aggregation 'quantile' requires parameters in addition to arguments"),
        ("quantile(0.5, 0.9)(1)", "Aggregation 'quantile' expects 1 parameter, found 2"),
        ("md5(event, event)", "Function 'md5' requires exactly 1 argument"),
        ("equals(1)", "Comparison 'equals' requires exactly two arguments"),
        ("sum(count())", "Aggregation 'count' cannot be nested inside another aggregation 'sum'."),
        ("arrayReduce('file', [1])",
         "Invalid parametric function in 'arrayReduce', 'file' is not supported."),
        ("event[0]", _ONE_INDEX.format("array[1]")),
        ("properties['a'][0]", _ONE_INDEX.format("array[1]")),
        ("[1][{zero}]", _ONE_INDEX.format("array[1]")),
        ("(1, 2).0", _ONE_INDEX.format("array.1")),
        ("properties.a.0", _ONE_INDEX.format("array.1")),
        # ClickHouse has these, PostHog's mapping has not.
        ("xxHash64(event)",
         "Unsupported function call 'xxHash64(...)'. Perhaps you meant 'cityHash64(...)'?"),
        ("toUnixTimestamp64Micro(timestamp)", ("Unsupported function call 'toUnixTimestamp64Micro(...)'. "
         "Perhaps you meant 'toUnixTimestamp64Milli(...)'?")),
        ("generateUUIDv4()", "Unsupported function call 'generateUUIDv4(...)'"),
        ("CityHash64(event)",
         "Unsupported function call 'CityHash64(...)'. Perhaps you meant 'cityHash64(...)'?"),
        # PostHog has these, the sandbox has not, and says so.
        ("getBotName('x')", "The sandbox does not know the function 'getBotName'; PostHog does."),
        ("h3ToGeo(1)", "The sandbox does not know the function 'h3ToGeo'; PostHog does."),
    ],
)  # fmt: skip
def test_calls_that_posthog_refuses_are_refused(expression: str, detail: str) -> None:
    """400 in PostHog's words, though ClickHouse would take many of them."""
    assert _refused(f"SELECT {expression} FROM events", zero=0) == (400, detail)


def test_every_function_has_its_counts() -> None:
    """A call of any function with one argument more than it may have is refused, and with one less."""
    for found in (FUNCTIONS | AGGREGATIONS).values():
        if "{" in found.clickhouse:
            continue
        least, most = found.arguments.least, found.arguments.most
        found.check(found.name, least, found.parameters.least)
        for wrong in [least - 1] * (least > 0) + ([] if most is None else [most + 1]):
            with pytest.raises(Refusal) as refused:
                found.check(found.name, wrong, found.parameters.least)
            assert refused.value.detail.startswith(
                ("Function", "Aggregation")[found.is_aggregation] + f" '{found.name}' expects "
            )
            assert refused.value.detail.endswith(f", found {wrong}")


def test_clickhouse_refuses_what_posthog_lets_through(sandbox: SandboxProcess) -> None:
    """PostHog's mapping says one to three arguments; ClickHouse wants two: 400 all the same."""
    answer = refusal(ask(sandbox, "SELECT JSONExtractKeysAndValues(properties) FROM events"))
    assert answer[:3] == (400, "validation_error", "number_of_arguments_doesnt_match")


@pytest.mark.parametrize(
    ("hogql", "detail"),
    [
        ("SELECT inserted_at FROM events", "Unable to resolve field: inserted_at"),
        ("SELECT _timestamp FROM events", "Unable to resolve field: _timestamp"),
        ("SELECT stored_person_id FROM events", "Unable to resolve field: stored_person_id"),
        ("SELECT sent_properties FROM events", "Unable to resolve field: sent_properties"),
        ("SELECT gone_at FROM events", "Unable to resolve field: gone_at"),
        ("SELECT version FROM person_distinct_id_overrides", "Unable to resolve field: version"),
        ("SELECT distinct_id FROM persons", "Unable to resolve field: distinct_id"),
        ("SELECT poe FROM events", "Can't select a table when a column is expected: poe"),
        ("SELECT session.id FROM events",
         "The sandbox does not know the field 'session' of events; PostHog does."),
        ("SELECT 1 FROM sessions", "The sandbox does not know the table 'sessions'; PostHog does."),
        ("SELECT 1 FROM events(5)", "Table 'events' does not accept arguments"),
        ("SELECT a FROM events ARRAY JOIN [1]", "ARRAY JOIN arrays must have an alias"),
        ("SELECT a ARRAY JOIN [1] AS a", "Using ARRAY JOIN without a FROM clause is not permitted"),
        ("SELECT 1 FROM persons SAMPLE 0.1", "Illegal SAMPLE: table persons doesn't support sampling"),
        ("SELECT groupArray(event ORDER BY timestamp) FROM events",
         "The sandbox does not know ORDER BY in a call."),
        ("SELECT count() WITHIN GROUP (ORDER BY event) FROM events",
         "The sandbox does not know WITHIN GROUP."),
        ("SELECT event FROM events QUALIFY row_number() OVER () = 1", "The sandbox does not know QUALIFY."),
        ("SELECT 1 FROM events SAMPLE 500", "The sandbox does not know SAMPLE by a number of rows."),
        ("SELECT zzqqj() OVER () FROM events", "Unsupported function call 'zzqqj(...)'"),
    ],
)  # fmt: skip
def test_tables_have_posthogs_columns_and_no_others(hogql: str, detail: str) -> None:
    """400 for a field, table or clause that PostHog has not, or that only PostHog has."""
    assert _refused(hogql) == (400, detail)


_PERSON = "00000000-0000-4000-8000-00000000aaaa"
_STORY: list[dict[str, Any]] = [
    {
        "event": name,
        "timestamp": NOW - timedelta(hours=3 - number),
        "distinct_id": who,
        "properties": {"$session_id": "s-1", "tags": ["a", "b"]} if number == 0 else {},
    }
    for number, (name, who) in enumerate([("view", "anna"), ("lead", "anna"), ("view", "ben")])
]


@pytest.mark.parametrize(
    ("hogql", "expected"),
    [
        ("SELECT $session_id, $window_id, person_mode, $group_0, team_id FROM events ORDER BY timestamp",
         [["s-1", "", "full", "", 1], ["", "", "full", "", 1], ["", "", "full", "", 1]]),
        ("SELECT elements_chain, elements_chain_texts FROM events LIMIT 1", [["", []]]),
        (("SELECT event, row_number() OVER (PARTITION BY event ORDER BY timestamp) AS n FROM events "
         "ORDER BY timestamp"),
         [["view", 1], ["lead", 1], ["view", 2]]),
        ("SELECT event, lag(event) OVER (ORDER BY timestamp) AS before FROM events ORDER BY timestamp",
         [["view", None], ["lead", "view"], ["view", "lead"]]),
        (("SELECT lead(event, 1, 'none') OVER w AS after FROM events WINDOW w AS (ORDER BY timestamp) "
         "ORDER BY timestamp"),
         [["lead"], ["view"], ["none"]]),
        (("SELECT count() OVER (ORDER BY timestamp ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS n "
         "FROM events ORDER BY timestamp"), [[1], [2], [2]]),
        ("SELECT distinct_id, n FROM events ARRAY JOIN [1, 2] AS n WHERE n = 2 ORDER BY timestamp",
         [["anna", 2], ["anna", 2], ["ben", 2]]),
        ("SELECT tag FROM events ARRAY JOIN JSONExtract(properties, 'tags', 'Array(String)') AS tag",
         [["a"], ["b"]]),
        (("SELECT event, tag FROM events LEFT ARRAY JOIN JSONExtractArrayRaw(properties, 'tags') AS tag "
         "WHERE event = 'lead'"), [["lead", ""]]),
        ("SELECT count() FROM events SAMPLE 1", [[3]]),
        (("SELECT (SELECT count() FROM events SAMPLE 1/2) "
         "+ (SELECT count() FROM events SAMPLE 1/2 OFFSET 1/2)"), [[3]]),
        (("SELECT DISTINCT e.distinct_id FROM events AS e SAMPLE 0.5 WHERE e.distinct_id NOT IN "
         "(SELECT distinct_id FROM events SAMPLE 0.5)"), []),
        ("SELECT count() FROM person_distinct_id_overrides", [[0]]),
        ("SELECT distinct_id, person_id = person.id FROM person_distinct_ids ORDER BY distinct_id",
         [["anna", 1], ["ben", 1]]),
        ("SELECT uniqExact(id), count(), min(team_id) FROM persons", [[2, 2, 1]]),
        ("SELECT * FROM person_distinct_ids WHERE false", []),
    ],
)  # fmt: skip
def test_clauses_mean_what_they_mean_in_posthog(
    sandbox: SandboxProcess, hogql: str, expected: list[list[Any]]
) -> None:
    """Windows, ARRAY JOIN, SAMPLE by the hash of the distinct id, and the columns of each table."""
    sandbox.control.insert(_STORY)
    assert rows(sandbox, hogql) == expected
