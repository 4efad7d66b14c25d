"""Calls and comparisons whose printing has rules of its own.

Belongs here: dates and casts, HogQL's answers for nulls, literals. Does not belong here: walking the
tree (`hogql_expressions.py`).
"""

import re
from collections.abc import Callable, Mapping, Sequence

from posthog_sandbox import hogql_functions as functions
from posthog_sandbox.hogql_grammar import Node
from posthog_sandbox.hogql_literals import instant, quoted
from posthog_sandbox.hogql_signatures import Signature
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.hogql_tables import Kind, Printed
from posthog_sandbox.refusals import invalid_query

COMPARISONS = {
    "==": "equals({}, {})",
    "!=": "notEquals({}, {})",
    ">": "greater({}, {})",
    ">=": "greaterOrEquals({}, {})",
    "<": "less({}, {})",
    "<=": "lessOrEquals({}, {})",
    "like": "like({}, {})",
    "not like": "notLike({}, {})",
    "ilike": "ilike({}, {})",
    "not ilike": "notILike({}, {})",
    "in": "in({}, {})",
    "not in": "notIn({}, {})",
    "global in": "in({}, {})",
    "global not in": "notIn({}, {})",
    "=~": "match({}, {})",
    "!~": "not(match({}, {}))",
    "=~*": "match({}, concat('(?i)', {}))",
    "!~*": "not(match({}, concat('(?i)', {})))",
}
CALLED_COMPARISONS = {
    "equals": "==",
    "notEquals": "!=",
    "greater": ">",
    "greaterOrEquals": ">=",
    "less": "<",
    "lessOrEquals": "<=",
    "like": "like",
    "notLike": "not like",
    "ilike": "ilike",
    "notILike": "not ilike",
    "in": "in",
    "notIn": "not in",
}
CAST_CALLS = {
    "int": "toInt",
    "integer": "toInt",
    "float": "toFloat",
    "double": "toFloat",
    "text": "toString",
    "string": "toString",
    "varchar": "toString",
    "date": "toDate",
    "datetime": "toDateTime",
    "timestamp": "toDateTime",
    "uuid": "toUUID",
    "boolean": "toBool",
    "bool": "toBool",
}
"""What `CAST(x AS type)` calls."""

_IN_A_ZONE = frozenset({"to_char", "make_timestamp"})

_FRACTION = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6}")
_SECONDS = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")
_OF_FIRST_ARGUMENT = frozenset({"max", "min", "any", "argMax", "argMin", "coalesce", "ifnull"})


def literal(value: object) -> Printed:
    """A constant of the query, or a value bound to a placeholder.

    Raises:
        Refusal: 400, the value is no text, number, boolean, null or list of them.
    """
    if value is None:
        return Printed("NULL", nullable=True)
    if isinstance(value, bool):
        return Printed("true" if value else "false")
    if isinstance(value, (int, float)):
        return Printed(repr(value), "number")
    if isinstance(value, str):
        return Printed(quoted(value), "text")
    if isinstance(value, (list, tuple)):
        return Printed(f"[{', '.join(literal(item).sql for item in value)}]")
    raise invalid_query(f"Unsupported type of value: {type(value).__name__}")


def comparison(op: str, left: Printed, right: Printed) -> Printed:
    """A comparison that is never null, with HogQL's answers for nulls."""
    if op in {"==", "!="} and "NULL" in {left.sql, right.sql}:
        other = right if left.sql == "NULL" else left
        return Printed(f"{'isNull' if op == '==' else 'isNotNull'}({other.sql})")
    sql = COMPARISONS[op].format(left.sql, right.sql)
    if not left.nullable and not right.nullable:
        return Printed(sql)
    if left.nullable and right.nullable and op == "==":
        return Printed(f"ifNull({sql}, isNull({left.sql}) and isNull({right.sql}))")
    if left.nullable and right.nullable and op == "!=":
        return Printed(f"ifNull({sql}, isNotNull({left.sql}) or isNotNull({right.sql}))")
    negative = op == "!=" or op.startswith(("not", "!", "global not"))
    return Printed(f"ifNull({sql}, {int(negative)})")


def call_nullable(name: str, args: Sequence[Printed]) -> bool:
    """Whether a call may be null."""
    if name in functions.ALWAYS_NULLABLE:
        return True
    if name in functions.NEVER_NULLABLE:
        return False
    if name in {"coalesce", "ifnull"}:
        return all(arg.nullable for arg in args)
    return any(arg.nullable for arg in args)


def call_kind(name: str, args: Sequence[Printed]) -> Kind:
    """What a call gives."""
    if name in functions.TEMPORAL:
        return "time"
    if name in functions.NUMERIC:
        return "number"
    return args[0].kind if args and name in _OF_FIRST_ARGUMENT else "other"


def check_array_reduce(called: str, nodes: Sequence[Node]) -> None:
    """Refuse what PostHog does not let `arrayReduce` do.

    Raises:
        Refusal: 400.
    """
    if not nodes:
        raise invalid_query(f"Missing arguments in function '{called}'")
    first = nodes[0]
    if first["node"] != "Constant" or not isinstance(first.get("value"), str):
        raise invalid_query(
            f"Expected constant string as first arg in function '{called}', got {first['node']}"
        )
    if first["value"] not in functions.IN_ARRAY_REDUCE:
        raise invalid_query(
            f"Invalid parametric function in '{called}', '{first['value']}' is not supported."
        )


def arguments(
    found: Signature, nodes: Sequence[Node], args: Sequence[Printed], context: Context
) -> list[str]:
    """The arguments of a call as PostHog prints them."""
    sql = [arg.sql for arg in args]
    if found.name == "concat":
        return [text_argument(node, arg) for node, arg in zip(nodes, args, strict=True)]
    if found.name == "toStartOfWeek" and len(sql) == 1:
        return [*sql, "0"]  # the project's week starts on Sunday
    if found.name in _IN_A_ZONE and len(sql) != found.arguments.most:
        return [*sql, quoted(context.timezone)]
    return sql


def text_argument(node: Node, printed: Printed) -> str:
    """An argument of concat: text, and nothing where it is null."""
    if printed.sql == "NULL":
        return "''"
    if node["node"] == "Constant" and isinstance(node["value"], str):
        return printed.sql
    return f"ifNull(toString({printed.sql}), '')"


def special_call(
    name: str, nodes: Sequence[Node], args: Sequence[Printed], context: Context
) -> Printed:
    """A call of one of `hogql_functions.SPECIAL`, with as many arguments as it may have."""
    zone = quoted(context.timezone)
    if name in _CLOCKS:
        return Printed(_CLOCKS[name](context, args[0].sql if args else zone), "time")
    if name in functions.CASTS:
        called = f"accurateCastOrNull({args[0].sql}, '{functions.CASTS[name]}')"
        return Printed(called, "text" if name == "toNullableString" else "number", nullable=True)
    return _DATES[name](nodes, args, zone)


_CLOCKS: Mapping[str, Callable[[Context, str], str]] = {
    "now": lambda context, zone: f"toTimeZone({instant(context.now)}, {zone})",
    "current_timestamp": lambda context, zone: f"toTimeZone({instant(context.now)}, {zone})",
    "today": lambda context, _: f"toDate('{context.now:%Y-%m-%d}')",
    "current_date": lambda context, _: f"toDate('{context.now:%Y-%m-%d}')",
    "yesterday": lambda context, _: f"(toDate('{context.now:%Y-%m-%d}') - 1)",
}


def _to_decimal(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    del zone
    if not args[1].sql.isdigit():
        raise invalid_query("Suffix argument 'Decimal64({0})' expects ast.Constant arguments")
    scale = int(args[1].sql)
    return Printed(f"accurateCastOrNull({args[0].sql}, 'Decimal64({scale})')", nullable=True)


def _to_date(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    del zone
    if args[0].kind == "time":
        return Printed(f"toDate({args[0].sql})", "time", args[0].nullable)
    return Printed(f"toDateOrNull({args[0].sql})", "time", nullable=True)


def _to_date_time(nodes: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    if args[0].kind in {"time", "number"}:
        zone = args[1].sql if len(args) > 1 else zone
        return Printed(f"toDateTime({args[0].sql}, {zone})", "time", args[0].nullable)
    if nodes[0]["node"] == "Constant" and len(args) == 1:
        return Printed(_read_literal(str(nodes[0]["value"]), zone), "time")
    return _parsed(nodes, args, zone)


def _read_literal(text: str, zone: str) -> str:
    if _FRACTION.fullmatch(text):
        return f"toDateTime64({quoted(text)}, 6, {zone})"
    if _SECONDS.fullmatch(text):
        return f"toDateTime({quoted(text)}, {zone})"
    return f"parseDateTime64BestEffort({quoted(text)}, 6, {zone})"


def _to_date_time_64(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    scale = args[1].sql if len(args) > 1 else "6"
    zone = args[2].sql if len(args) > 2 else zone  # noqa: PLR2004
    return Printed(f"toDateTime64({args[0].sql}, {scale}, {zone})", "time", args[0].nullable)


def _to_time_zone(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    zone = args[1].sql if len(args) > 1 else zone
    return Printed(f"toTimeZone({args[0].sql}, {zone})", "time", args[0].nullable)


def _parsed(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    zone = args[1].sql if len(args) > 1 else zone
    called = f"parseDateTime64BestEffortOrNull({args[0].sql}, 6, {zone})"
    return Printed(called, "time", nullable=True)


def _parsed_us(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    zone = args[1].sql if len(args) > 1 else zone
    called = f"parseDateTime64BestEffortUSOrNull({args[0].sql}, 6, {zone})"
    return Printed(called, "time", nullable=True)


def _parsed_by_form(_: Sequence[Node], args: Sequence[Printed], zone: str) -> Printed:
    zone = args[2].sql if len(args) > 2 else zone  # noqa: PLR2004
    called = f"parseDateTimeOrNull({args[0].sql}, {args[1].sql}, {zone})"
    return Printed(called, "time", nullable=True)


_DATES: Mapping[str, Callable[[Sequence[Node], Sequence[Printed], str], Printed]] = {
    "toDecimal": _to_decimal,
    "toDate": _to_date,
    "to_date": _to_date,
    "toDateTime": _to_date_time,
    "toDateTime64": _to_date_time_64,
    "toDateTimeUS": _parsed_us,
    "toTimeZone": _to_time_zone,
    "parseDateTimeBestEffort": _parsed,
    "parseDateTime": _parsed_by_form,
}
