"""HogQL expressions as ClickHouse SQL.

Belongs here: one method for each kind of node, and finding what a name means. Does not belong here:
SELECTs (`hogql.py`), rules of single functions (`hogql_calls.py`).
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from posthog_sandbox import hogql_calls as calls
from posthog_sandbox import hogql_functions as functions
from posthog_sandbox.hogql_grammar import Node
from posthog_sandbox.hogql_literals import identifier
from posthog_sandbox.hogql_signatures import Signature, signature
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.hogql_tables import Kind, Printed, Source, field_of, is_joined, unresolved
from posthog_sandbox.hogql_windows import window_sql
from posthog_sandbox.refusals import Refusal, invalid_query

_ARITHMETIC = {"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "%": "modulo"}


@dataclass
class Scope:
    """The names that an expression can use.

    Attributes:
        sources: tables and sub-selects in FROM.
        aliases: of the SELECT's columns so far.
        ctes: that FROM may name.
        arguments: of the lambdas around.
        aggregation: the one around, as the query spells it.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    aliases: dict[str, Printed] = field(default_factory=dict)
    ctes: dict[str, Node] = field(default_factory=dict)
    arguments: frozenset[str] = frozenset()
    aggregation: str | None = None


class Expressions(ABC):
    """Prints expressions; a subclass prints the SELECTs in them."""

    def __init__(self, values: Mapping[str, Any], context: Context) -> None:
        self._values = values
        self._context = context
        self._windows: dict[str, Node] = {}

    @abstractmethod
    def _query(self, node: Node, scope: Scope) -> tuple[str, dict[str, Printed]]:
        """A SELECT within another, without parentheses, and its columns."""

    def _sql(self, node: Node, scope: Scope) -> str:
        return self._expression(node, scope).sql

    def _list(self, nodes: Sequence[Node], scope: Scope) -> str:
        return ", ".join(self._sql(node, scope) for node in nodes)

    def _expression(self, node: Node, scope: Scope) -> Printed:
        kind = node["node"]
        printer = getattr(self, f"_print_{kind}", None)
        if printer is None:
            raise invalid_query(f"The sandbox does not know {kind} in HogQL.")
        printed: Printed = printer(node, scope)
        return printed

    def _print_SelectQuery(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        sql, columns = self._query(node, Scope(ctes=scope.ctes))
        first = next(iter(columns.values()), Printed(""))
        return Printed(f"({sql})", first.kind, nullable=True)

    _print_SelectSetQuery = _print_SelectQuery  # noqa: N815

    def _print_Constant(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        del scope
        if node.get("value_type") == "number":  # inf and nan have no JSON form
            return Printed(str(node.get("value")), "number")
        return calls.literal(node.get("value"))

    def _print_Placeholder(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        del scope
        return calls.literal(self._value_of(node))

    def _value_of(self, node: Node) -> object:
        """What is bound to a placeholder."""
        expression = node["expr"]
        if expression["node"] != "Field":
            raise invalid_query("Placeholder expressions are not yet supported")
        name = ".".join(str(part) for part in expression["chain"])
        if not self._values:
            raise invalid_query(f"Unresolved placeholder: {{{name}}}")
        if name not in self._values:
            known = ", ".join(self._values)
            raise invalid_query(
                f"Placeholder {{{name}}} is not available in this context. "
                f"You can use the following: {known}"
            )
        value: object = self._values[name]
        return value

    def _print_Field(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        chain = node["chain"]
        name = str(chain[0])
        for part in chain[1:]:
            _check_index(part, "array.1")
        if name in scope.arguments:
            return Printed(".".join([identifier(name), *(str(part) for part in chain[1:])]))
        if chain == ["*"]:
            return Printed("*")
        if len(chain) == 1 and name in scope.aliases:
            return scope.aliases[name]
        if len(chain) > 1 and name in scope.sources:
            return field_of(scope.sources[name], name, chain[1:], self._context)
        having = [
            alias
            for alias, source in scope.sources.items()
            if name in source.columns or is_joined(source, name)
        ]
        if len(having) > 1:
            raise invalid_query(f"Ambiguous query. Found multiple sources for field: {name}")
        if not having:
            raise unresolved(name)
        return field_of(scope.sources[having[0]], having[0], chain, self._context)

    def _print_Alias(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        printed = self._expression(node["expr"], scope)
        scope.aliases[node["alias"]] = replace(printed, sql=identifier(node["alias"]))
        return replace(printed, sql=f"({printed.sql} AS {identifier(node['alias'])})")

    def _print_And(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        return Printed(f"and({self._list(node['exprs'], scope)})")

    def _print_Or(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        return Printed(f"or({self._list(node['exprs'], scope)})")

    def _print_Not(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        return Printed(f"not({self._sql(node['expr'], scope)})")

    def _print_ArithmeticOperation(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        left = self._expression(node["left"], scope)
        right = self._expression(node["right"], scope)
        kind: Kind = "time" if "time" in {left.kind, right.kind} else "number"
        sql = f"{_ARITHMETIC[node['op']]}({left.sql}, {right.sql})"
        return Printed(sql, kind, left.nullable or right.nullable)

    def _print_CompareOperation(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        op = str(node["op"]).lower()
        if op not in calls.COMPARISONS:
            raise invalid_query(f"The sandbox does not know the operator {op}.")
        left = self._expression(node["left"], scope)
        right = self._expression(node["right"], scope)
        return calls.comparison(op, left, right)

    def _print_BetweenExpr(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        parts = [self._expression(node[key], scope) for key in ("expr", "low", "high")]
        negation = "NOT " if node.get("negated") else ""
        sql = f"{parts[0].sql} {negation}BETWEEN {parts[1].sql} AND {parts[2].sql}"
        return Printed(f"ifNull({sql}, 0)" if any(p.nullable for p in parts) else f"({sql})")

    def _print_Tuple(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        return Printed(f"tuple({self._list(node['exprs'], scope)})")

    def _print_Array(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        return Printed(f"[{self._list(node['exprs'], scope)}]")

    def _print_TupleAccess(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        _check_index(int(node["index"]), "array.1")
        if self._is_property(node["tuple"], scope):
            chain = [*node["tuple"]["chain"], int(node["index"])]
            return self._print_Field({"node": "Field", "chain": chain}, scope)
        return Printed(f"tupleElement({self._sql(node['tuple'], scope)}, {int(node['index'])})")

    def _print_ArrayAccess(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        key = node["property"]
        if key["node"] == "Placeholder":
            _check_index(self._value_of(key), "array[1]")
        if key["node"] == "Constant":
            _check_index(key.get("value"), "array[1]")
        if key["node"] == "Constant" and self._is_property(node["array"], scope):
            chain = [*node["array"]["chain"], key["value"]]
            return self._print_Field({"node": "Field", "chain": chain}, scope)
        return Printed(f"{self._sql(node['array'], scope)}[{self._sql(key, scope)}]")

    def _is_property(self, node: Node, scope: Scope) -> bool:
        """Whether the node is `properties`, or something in it."""
        chain = node.get("chain") or []
        for length in range(1, len(chain) + 1):
            prefix = {"node": "Field", "chain": chain[:length]}
            with contextlib.suppress(Refusal):
                if self._print_Field(prefix, scope).kind == "json":
                    return True
        return False

    def _print_Lambda(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        inner = replace(scope, arguments=scope.arguments | set(node["args"]))
        names = ", ".join(identifier(name) for name in node["args"])
        return Printed(f"({names}) -> {self._sql(node['expr'], inner)}")

    def _print_TypeCast(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        name = calls.CAST_CALLS.get(str(node["type_name"]).lower())
        if name is None:
            raise invalid_query(f"Unsupported type cast to '{node['type_name']}'")
        return self._call(name, {"args": [node["expr"]]}, scope)

    def _print_Call(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        name = node["name"]
        if name in calls.CALLED_COMPARISONS:
            if len(node["args"]) != 2:  # noqa: PLR2004
                raise invalid_query(f"Comparison '{name}' requires exactly two arguments")
            left, right = (self._expression(arg, scope) for arg in node["args"])
            return calls.comparison(calls.CALLED_COMPARISONS[name], left, right)
        return self._call(name, node, scope)

    def _call(self, called: str, node: Node, scope: Scope) -> Printed:
        found = signature(called)
        for key, clause in (("within_group", "WITHIN GROUP"), ("order_by", "ORDER BY in a call")):
            if node.get(key):
                raise invalid_query(f"The sandbox does not know {clause}.")
        params = node.get("params")
        if found.name == "arrayReduce":
            calls.check_array_reduce(called, node["args"])
        found.check(called, len(node["args"]), None if params is None else len(params))
        if found.is_aggregation:
            # PostHog looks no further at a call that it writes out.
            if scope.aggregation is not None and "{" not in found.clickhouse:
                raise invalid_query(
                    f"Aggregation '{called}' cannot be nested inside another aggregation "
                    f"'{scope.aggregation}'."
                )
            scope = replace(scope, aggregation=called)
        args = [self._expression(arg, scope) for arg in node["args"]]
        if found.name in functions.SPECIAL:
            return calls.special_call(found.name, node["args"], args, self._context)
        sql = calls.arguments(found, node["args"], args, self._context)
        printed = self._printed_call(found, node, sql, scope)
        kind = calls.call_kind(found.name, args)
        return Printed(printed, kind, calls.call_nullable(found.name, args))

    def _printed_call(self, found: Signature, node: Node, args: Sequence[str], scope: Scope) -> str:
        if "{" in found.clickhouse:
            return found.clickhouse.format(*args)
        distinct = "DISTINCT " if node.get("distinct") else ""
        params = f"({self._list(node['params'], scope)})" if node.get("params") else ""
        called = f"{found.clickhouse}{params}({distinct}{', '.join(args)})"
        if node.get("filter_expr"):
            called += f" FILTER (WHERE {self._sql(node['filter_expr'], scope)})"
        return called

    def _print_WindowFunction(self, node: Node, scope: Scope) -> Printed:  # noqa: N802
        """A call over a window; its numbers of arguments are left to ClickHouse, as PostHog does."""
        name = node["name"]
        found = signature(name)
        exprs = [self._expression(expr, scope) for expr in node.get("exprs") or []]
        args = [expr.sql for expr in exprs]
        window = node.get("over_expr")
        if name in {"lag", "lead"}:
            args[:1] = [f"toNullable({arg})" for arg in args[:1]]
            window = window or self._windows.get(node.get("over_identifier", ""))
        over = node.get("over_identifier")
        if window or not over:
            is_framed = name in {"lag", "lead"}
            over = f"({window_sql(window or {}, partial(self._sql, scope=scope), is_framed=is_framed)})"
        else:
            over = identifier(over)
        second = f"({self._list(node['args'], scope)})" if node.get("args") else ""
        sql = f"{found.clickhouse}({', '.join(args)}){second} OVER {over}"
        nullable = name in {"lag", "lead"} or calls.call_nullable(found.name, exprs)
        return Printed(sql, calls.call_kind(found.name, exprs), nullable)


def _check_index(index: object, example: str) -> None:
    if index == 0 and not isinstance(index, bool):
        raise invalid_query(f"SQL indexes start from one, not from zero. E.g: {example}")
