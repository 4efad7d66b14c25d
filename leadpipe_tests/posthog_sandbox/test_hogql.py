"""HogQL: what a query means, what is refused, what it becomes in ClickHouse."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leadpipe_tests.clocks import NOW
from leadpipe_tests.posthog_sandbox.asking import ask, refusal, rows
from posthog_sandbox.hogql import translate
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.process import SandboxProcess
from posthog_sandbox.refusals import Refusal

_CONTEXT = Context(now=datetime(2026, 11, 21, 12, tzinfo=UTC))
_PROPERTY = (
    "replaceRegexpAll(nullIf(nullIf(JSONExtractRaw(`events`.`properties`, 'x'), ''), 'null'), "
    "'^\"|\"$', '')"
)


def _printed(expression: str, **values: Any) -> str:
    """What an expression over events is in ClickHouse."""
    sql = translate(f"SELECT {expression} AS it FROM events LIMIT 1", values, _CONTEXT).sql
    return sql.removeprefix("SELECT ").split(" AS `it` FROM ")[0]


@pytest.mark.parametrize(
    ("expression", "sql"),
    [
        ("1", "1"),
        ("1.5", "1.5"),
        ("true", "true"),
        ("null", "NULL"),
        ("'it''s'", "'it\\'s'"),
        ("event", "`events`.`event`"),
        ("events.event", "`events`.`event`"),
        ("timestamp", "toTimeZone(`events`.`timestamp`, 'UTC')"),
        ("properties.x", _PROPERTY),
        ("properties['x']", _PROPERTY),
        ("event = 'a'", "equals(`events`.`event`, 'a')"),
        ("properties.x = 'a'", f"ifNull(equals({_PROPERTY}, 'a'), 0)"),
        ("properties.x != 'a'", f"ifNull(notEquals({_PROPERTY}, 'a'), 1)"),
        ("properties.x IS NULL", f"isNull({_PROPERTY})"),
        ("properties.x IS NOT NULL", f"isNotNull({_PROPERTY})"),
        ("event IN ('a', 'b')", "in(`events`.`event`, tuple('a', 'b'))"),
        ("event NOT IN ('a', 'b')", "notIn(`events`.`event`, tuple('a', 'b'))"),
        ("event LIKE 'a%'", "like(`events`.`event`, 'a%')"),
        ("event NOT ILIKE 'a%'", "notILike(`events`.`event`, 'a%')"),
        ("event =~ 'a'", "match(`events`.`event`, 'a')"),
        ("1 BETWEEN 0 AND 2", "(1 BETWEEN 0 AND 2)"),
        ("NOT (1 = 2 OR 2 = 2) AND 1 < 2", "and(not(or(equals(1, 2), equals(2, 2))), less(1, 2))"),
        ("1 + 2 * 3", "plus(1, multiply(2, 3))"),
        ("CASE WHEN 1 = 1 THEN 'a' ELSE 'b' END", "if(equals(1, 1), 'a', 'b')"),
        ("(1, 'a').1", "tupleElement(tuple(1, 'a'), 1)"),
        ("[1, 2][1]", "[1, 2][1]"),
        ("arrayMap(x -> x + 1, [1])", "arrayMap((`x`) -> plus(`x`, 1), [1])"),
        ("count(DISTINCT event)", "count(DISTINCT `events`.`event`)"),
        ("quantile(0.5)(1)", "quantile(0.5)(1)"),
        ("COUNT(*)", "count(*)"),
        ("concat(event, 1, null)", ("concat(ifNull(toString(`events`.`event`), ''), "
         "ifNull(toString(1), ''), '')")),
        ("toInt('5')", "accurateCastOrNull('5', 'Int64')"),
        ("'5'::int", "accurateCastOrNull('5', 'Int64')"),
        ("toDate(timestamp)", "toDate(toTimeZone(`events`.`timestamp`, 'UTC'))"),
        ("toDate('2026-01-01')", "toDateOrNull('2026-01-01')"),
        ("toDateTime('2026-01-01 00:00:00')", "toDateTime('2026-01-01 00:00:00', 'UTC')"),
        ("toDateTime('2026-01-01T00:00:00Z')",
         "parseDateTime64BestEffort('2026-01-01T00:00:00Z', 6, 'UTC')"),
        ("toDateTime64('2026-01-01', 6, 'UTC')", "toDateTime64('2026-01-01', 6, 'UTC')"),
        ("now() - INTERVAL 1 DAY",
         ("minus(toTimeZone(toDateTime64('2026-11-21 12:00:00.000000', 6, 'UTC'), 'UTC'), "
         "toIntervalDay(1))")),
        ("today()", "toDate('2026-11-21')"),
        ("coalesce(properties.x, '') = 'a'", f"equals(coalesce({_PROPERTY}, ''), 'a')"),
        ("max2(1, 2)", "max2(1, 2)"),
        ("left(event, 2)", "leftUTF8(`events`.`event`, 2)"),
        ("md5(event)", "hex(MD5(`events`.`event`))"),
        ("timezone('UTC', timestamp)", "toTimeZone(toTimeZone(`events`.`timestamp`, 'UTC'), 'UTC')"),
    ],
)  # fmt: skip
def test_expressions_are_printed(expression: str, sql: str) -> None:
    """One line for each form of expression."""
    assert _printed(expression) == sql


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        ("a'b\\", "'a\\'b\\\\'"),
        (5, "5"),
        (1.5, "1.5"),
        (None, "NULL"),
        (True, "true"),
        (["a", 1], "['a', 1]"),
    ],
)
def test_placeholders_are_bound(value: object, sql: str) -> None:
    """Values stand in the SQL as literals, escaped."""
    assert _printed("{it}", it=value) == sql


@pytest.mark.parametrize(
    ("hogql", "detail"),
    [
        ("SELECT nope FROM events", "Unable to resolve field: nope"),
        ("SELECT events.nope FROM events", "Unable to resolve field: nope"),
        ("SELECT event.nope FROM events", "Unable to resolve field: nope"),
        ("SELECT e.event FROM events", "Unable to resolve field: e"),
        ("SELECT a FROM (SELECT 1 AS b)", "Unable to resolve field: a"),
        ("SELECT visible_at FROM events", "Unable to resolve field: visible_at"),
        ("SELECT 1 FROM nowhere", "Unknown table `nowhere`."),
        ("SELECT 1 FROM system.tables", "Unknown table `system.tables`."),
        ("SELECT zzqqj(1)", "Unsupported function call 'zzqqj(...)'"),
        ("SELECT cuont()", ("Unsupported function call 'cuont(...)'. "
         "Perhaps you meant 'count(...)'?")),
        ("SELECT file('/etc/passwd')", ("Unsupported function call 'file(...)'. "
         "Perhaps you meant 'ilike(...)'?")),
        ("SELECT {x}", "Unresolved placeholder: {x}"),
        ("SELECT event FROM events AS a JOIN events AS b ON a.uuid = b.uuid",
         "Ambiguous query. Found multiple sources for field: event"),
        ("SELECT 1 AS a, 2 AS a", "Cannot redefine an alias with the name: a"),
        ("SELECT person FROM events", "Can't select a table when a column is expected: person"),
        ("SELECT event FROM events FINAL",
         "The FINAL keyword is not supported in HogQL as it causes slow queries"),
        ("SELECT 1 FROM", "no viable alternative at input 'SELECT 1 FROM'"),
    ],
)  # fmt: skip
def test_what_posthog_refuses_is_refused(hogql: str, detail: str) -> None:
    """400 in PostHog's words."""
    with pytest.raises(Refusal) as refused:
        translate(hogql, None, _CONTEXT)
    refusal = refused.value
    assert (refusal.status, refusal.type, refusal.code) == (
        400,
        "validation_error",
        "invalid_input",
    )
    assert refusal.detail == detail


def test_a_placeholder_without_value_lists_the_others() -> None:
    """The message says what could be used."""
    with pytest.raises(Refusal) as refused:
        translate("SELECT {x}", {"a": 1, "b": 2}, _CONTEXT)
    assert refused.value.detail == (
        "Placeholder {x} is not available in this context. You can use the following: a, b"
    )


def test_clickhouses_own_errors_are_named(sandbox: SandboxProcess) -> None:
    """400 with ClickHouse's code in lower case."""
    status, kind, code, detail = refusal(ask(sandbox, "SELECT toHour('no time')"))
    assert (status, kind, code) == (400, "validation_error", "illegal_type_of_argument")
    assert detail.startswith("Illegal type String of argument of function toHour.")


_STORY: list[dict[str, Any]] = [
    {
        "event": "property_view",
        "timestamp": "2026-11-01T10:00:00Z",
        "uuid": "00000000-0000-4000-8000-000000000001",
        "distinct_id": "anna",
        "properties": {
            "text": 'say "hi"',
            "number": 5,
            "flag": True,
            "empty": "",
            "nothing": None,
            "nested": {"deep": ["a", "b"]},
            "is_logged_in": True,
            "price": 12.5,
            "loggedAt": "2026-01-01T00:00:00.5Z",
        },
    },
    {
        "event": "lead",
        "timestamp": "2026-11-01T11:30:00.25Z",
        "uuid": "00000000-0000-4000-8000-000000000002",
        "distinct_id": "ben",
        "properties": "{broken",
    },
    {
        "event": "lead",
        "timestamp": "2026-11-02T09:00:00Z",
        "uuid": "00000000-0000-4000-8000-000000000003",
        "distinct_id": "anna",
        "properties": {"text": "plain"},
    },
]


@pytest.mark.parametrize(
    ("hogql", "expected"),
    [
        ("SELECT properties.text FROM events ORDER BY timestamp", [['say \\"hi\\"'], [None], ["plain"]]),
        (("SELECT properties.number, properties.flag, properties.empty, properties.nothing, "
         "properties.nested.deep.2 FROM events ORDER BY timestamp LIMIT 1"),
         [["5", "true", "", None, "b"]]),
        (("SELECT properties.is_logged_in, properties.price, properties.loggedAt "
         "FROM events ORDER BY timestamp LIMIT 1"), [[True, 12.5, "2026-01-01T00:00:00.500000Z"]]),
        (("SELECT JSONExtractString(properties, 'text'), JSONExtractInt(properties, 'number'), "
         "JSONExtractBool(properties, 'flag'), JSONHas(properties, 'nothing') "
         "FROM events ORDER BY timestamp LIMIT 1"), [['say "hi"', 5, True, 1]]),
        ("SELECT properties FROM events WHERE distinct_id = 'ben'", [["{broken"]]),
        ("SELECT event, count() AS n FROM events GROUP BY event ORDER BY n DESC",
         [["lead", 2], ["property_view", 1]]),
        ("SELECT event FROM events GROUP BY event HAVING count() > 1", [["lead"]]),
        ("SELECT DISTINCT distinct_id FROM events ORDER BY 1", [["anna"], ["ben"]]),
        (("SELECT toDate(timestamp) AS day, countIf(event = 'lead'), uniqExact(distinct_id) "
         "FROM events GROUP BY day ORDER BY day"), [["2026-11-01", 1, 2], ["2026-11-02", 1, 1]]),
        ("SELECT count() FROM events WHERE properties.text != 'plain'", [[2]]),
        ("SELECT count() FROM events WHERE NOT properties.text = 'plain'", [[2]]),
        (("SELECT count() FROM events WHERE timestamp >= '2026-11-01 11:00:00' "
         "AND timestamp < '2026-11-02'"), [[1]]),
        (("SELECT count() FROM events WHERE event IN (SELECT event FROM events WHERE "
         "distinct_id = 'ben')"), [[2]]),
        ("SELECT argMax(distinct_id, timestamp), min(timestamp), any(1) FROM events",
         [["anna", "2026-11-01T10:00:00Z", 1]]),
        ("SELECT groupArray(event) FROM (SELECT event FROM events ORDER BY timestamp)",
         [[["property_view", "lead", "lead"]]]),
        (("WITH leads AS (SELECT distinct_id, count() AS n FROM events WHERE event = 'lead' "
         "GROUP BY distinct_id) SELECT distinct_id, n FROM leads ORDER BY distinct_id"),
         [["anna", 1], ["ben", 1]]),
        ("WITH 'lead' AS wanted SELECT count() FROM events WHERE event = wanted", [[2]]),
        (("SELECT v.distinct_id, l.n FROM events AS v LEFT JOIN (SELECT distinct_id, count() AS n "
         "FROM events WHERE event = 'lead' GROUP BY distinct_id) AS l "
         "ON v.distinct_id = l.distinct_id WHERE v.event = 'property_view'"), [["anna", 1]]),
        ("SELECT 1 AS n UNION ALL SELECT 1 AS n UNION ALL SELECT 1 AS n", [[1], [1], [1]]),
        ("SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2 AS n) ORDER BY n DESC", [[2], [1]]),
        ("SELECT toStartOfHour(timestamp) AS hour, count() FROM events GROUP BY hour ORDER BY hour",
         [["2026-11-01T10:00:00Z", 1], ["2026-11-01T11:00:00Z", 1], ["2026-11-02T09:00:00Z", 1]]),
        ("SELECT dateDiff('minute', min(timestamp), max(timestamp)) FROM events", [[1380]]),
        (("SELECT toUnixTimestamp(timestamp), fromUnixTimestamp(1700000000) FROM events "
         "ORDER BY timestamp LIMIT 1"), [[1793527200, "2023-11-14T22:13:20Z"]]),
        ("SELECT formatDateTime(timestamp, '%Y%m%d') FROM events ORDER BY timestamp LIMIT 1",
         [["20261101"]]),
        ("SELECT multiIf(1 = 2, 'a', 1 = 1, 'b', 'c'), coalesce(null, 'x'), ifNull(null, 'y')",
         [["b", "x", "y"]]),
        ("SELECT distinct_id, event FROM events ORDER BY timestamp LIMIT 1 BY distinct_id",
         [["anna", "property_view"], ["ben", "lead"]]),
        ("SELECT count() FILTER (WHERE event = 'lead') FROM events", [[2]]),
        ("SELECT now(), today(), yesterday()",
         [["2026-11-21T12:00:00Z", "2026-11-21", "2026-11-20"]]),
        ("SELECT (1, 'a') < (1, 'b'), [1, 2] = [1, 2], 1 / 0", [[1, 1, None]]),
        ("SELECT uuid FROM events WHERE uuid = '00000000-0000-4000-8000-000000000002'",
         [["00000000-0000-4000-8000-000000000002"]]),
        ("SELECT count() FROM events WHERE person_id = person.id", [[3]]),
        ("SELECT count(), countIf(is_identified) FROM persons", [[2, 0]]),
    ],
)  # fmt: skip
def test_queries_mean_what_they_mean_in_posthog(
    sandbox: SandboxProcess, hogql: str, expected: list[list[Any]]
) -> None:
    """One line for each thing a query can ask."""
    sandbox.control.insert(_STORY)
    assert rows(sandbox, hogql) == expected


def test_star_is_posthogs_list_of_columns(sandbox: SandboxProcess) -> None:
    """The sandbox's own columns stay hidden."""
    assert ask(sandbox, "SELECT * FROM events").json()["columns"] == [
        "uuid",
        "event",
        "properties",
        "timestamp",
        "distinct_id",
        "elements_chain",
        "created_at",
        "$session_id",
        "$window_id",
        "person_mode",
        "$group_0",
        "$group_1",
        "$group_2",
        "$group_3",
        "$group_4",
        "elements_chain_href",
        "elements_chain_texts",
        "elements_chain_ids",
        "elements_chain_elements",
    ]


def test_columns_without_alias_are_named_by_their_text(sandbox: SandboxProcess) -> None:
    """A field by its last part, anything else as it was written."""
    body = ask(
        sandbox, "SELECT event, properties.$browser, count(), 1 + 1 FROM events GROUP BY 1, 2"
    )
    assert body.json()["columns"] == ["event", "$browser", "count()", "1 + 1"]


def test_property_types_change_what_a_property_is(sandbox: SandboxProcess) -> None:
    """A definition that PostHog guesses turns text into numbers, and what is none into null."""
    sandbox.control.insert(_STORY)
    hogql = "SELECT properties.number, properties.text FROM events ORDER BY timestamp LIMIT 1"
    assert rows(sandbox, hogql) == [["5", 'say \\"hi\\"']]
    sandbox.control.property_types({"number": "Numeric", "text": "Numeric"})
    assert rows(sandbox, hogql) == [[5, None]]


@pytest.fixture(scope="module")
def in_lagos() -> Any:
    """A project whose zone is an hour ahead of UTC."""
    with SandboxProcess.start(project_timezone="Africa/Lagos") as process:
        process.control.set_clock(NOW)
        process.control.insert(_STORY)
        yield process


def test_naive_dates_are_read_in_the_projects_zone(in_lagos: SandboxProcess) -> None:
    """12:00 in Lagos is 11:00 in UTC, so an event at 11:30 UTC is after it."""
    hogql = "SELECT count() FROM events WHERE timestamp > '2026-11-01 12:00:00'"
    assert rows(in_lagos, hogql, modifiers={}) == [[2]]
    assert rows(in_lagos, hogql) == [[1]]


def test_dates_come_in_the_projects_zone_unless_told_otherwise(in_lagos: SandboxProcess) -> None:
    """With an offset by default, in UTC by the modifier."""
    hogql = "SELECT timestamp, toDate(timestamp) FROM events ORDER BY timestamp LIMIT 2"
    assert rows(in_lagos, hogql, modifiers={}) == [
        ["2026-11-01T11:00:00+01:00", "2026-11-01"],
        ["2026-11-01T12:30:00.250000+01:00", "2026-11-01"],
    ]
    assert rows(in_lagos, hogql) == [
        ["2026-11-01T10:00:00Z", "2026-11-01"],
        ["2026-11-01T11:30:00.250000Z", "2026-11-01"],
    ]


def test_todatetime_without_zone_means_the_projects(in_lagos: SandboxProcess) -> None:
    """And one with a zone means that."""
    hogql = (
        "SELECT toDateTime('2026-11-01 00:00:00') = toDateTime64('2026-10-31 23:00:00', 6, 'UTC')"
    )
    assert rows(in_lagos, hogql, modifiers={}) == [[1]]
    assert rows(in_lagos, hogql) == [[0]]
