"""HogQL as ClickHouse SQL: SELECTs, and PostHog's rules about rows.

Belongs here: FROM, columns, CTEs, UNION, limits. Does not belong here: the grammar
(`hogql_grammar.py`), expressions (`hogql_expressions.py`), tables (`hogql_tables.py`), running the SQL
(`storage.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from posthog_sandbox.hogql_expressions import Expressions, Scope
from posthog_sandbox.hogql_grammar import Node, parse_select
from posthog_sandbox.hogql_literals import identifier
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.hogql_tables import Printed, Source, star, table, unresolved
from posthog_sandbox.hogql_windows import window_sql
from posthog_sandbox.refusals import invalid_query

DEFAULT_ROWS = 100
MAX_ROWS = 50_000
OFFSET_REFUSED = (
    "OFFSET is not supported on queries made with a personal API key. "
    "For pagination, use keyset pagination on the `timestamp` column, e.g. "
    "`WHERE timestamp > :last_seen_timestamp ORDER BY timestamp LIMIT N`. "
    "For bulk data extraction, use batch exports: https://posthog.com/docs/cdp/batch-exports"
)


@dataclass(frozen=True)
class Translation:
    """A query in ClickHouse's terms.

    Attributes:
        sql: one SELECT; columns without an alias are `__c0`, `__c1`, … in it.
        columns: names as PostHog reports them.
        limit: PostHog's own limit if the query had none, else None; then `sql` asks for one more.
        matched_sql: counts the rows that the query's WHERE lets through.
    """

    sql: str
    columns: tuple[str, ...]
    limit: int | None
    matched_sql: str | None


def translate(query: str, values: Mapping[str, Any] | None, context: Context) -> Translation:
    """HogQL of an API key's query as ClickHouse SQL.

    Args:
        query: one SELECT, or several in a UNION.
        values: for `{placeholders}`.
        context: see there.

    Raises:
        Refusal: 400 in PostHog's words.
    """
    tree = parse_select(query)
    _refuse_offset(tree)
    return _Printer(query, values or {}, context).top(tree)


def _refuse_offset(node: object) -> None:
    if isinstance(node, list):
        for item in node:
            _refuse_offset(item)
    elif isinstance(node, dict):
        limit_by = node.get("limit_by") or {}
        is_select = node.get("node") in {"SelectQuery", "SelectSetQuery"}
        if is_select and (node.get("offset") or limit_by.get("offset_value")):
            raise invalid_query(OFFSET_REFUSED)
        for item in node.values():
            _refuse_offset(item)


@dataclass(frozen=True)
class _Selected:
    """A printed SELECT: its columns by name, and the names in order."""

    sql: str
    columns: dict[str, Printed]
    names: list[str]


class _Printer(Expressions):
    def __init__(self, text: str, values: Mapping[str, Any], context: Context) -> None:
        super().__init__(values, context)
        self._text = text
        self._matched: str | None = None

    def top(self, tree: Node) -> Translation:
        limit = None
        if tree["node"] == "SelectQuery":
            limit = DEFAULT_ROWS if tree.get("limit") is None else None
            selected = self._select(tree, Scope(), top=True, extra=int(limit is not None))
        else:
            selected = self._set(tree, Scope(), top=True)
        return Translation(selected.sql, tuple(selected.names), limit, self._matched)

    def _query(self, node: Node, scope: Scope) -> tuple[str, dict[str, Printed]]:
        printer = self._set if node["node"] == "SelectSetQuery" else self._select
        selected = printer(node, scope, top=False)
        return selected.sql, selected.columns

    def _set(self, node: Node, scope: Scope, *, top: bool) -> _Selected:
        first = node["initial_select_query"]
        inner = replace(scope, ctes=scope.ctes | _ctes(first))
        selected = self._part(first, inner, top=top)
        parts = [selected.sql]
        for following in node["subsequent_select_queries"]:
            part = self._part(following["select_query"], inner, top=top)
            parts.append(f"{following['set_operator']} {part.sql}")
        return replace(selected, sql=" ".join(parts))

    def _part(self, node: Node, scope: Scope, *, top: bool) -> _Selected:
        printer = self._set if node["node"] == "SelectSetQuery" else self._select
        selected = printer(node, scope, top=top)
        return replace(selected, sql=f"({selected.sql})")

    def _select(self, node: Node, outer: Scope, *, top: bool, extra: int = 0) -> _Selected:
        if node.get("qualify"):
            raise invalid_query("The sandbox does not know QUALIFY.")
        scope = Scope(ctes=outer.ctes | _ctes(node), arguments=outer.arguments)
        for name, cte in _ctes(node, kind="column").items():
            scope.aliases[name] = self._expression(cte["expr"], scope)
        self._windows = node.get("window_exprs") or {}
        from_sql = self._from(node.get("select_from"), scope)
        if node.get("array_join_op"):
            from_sql += f" {node['array_join_op']} {self._arrays(node['array_join_list'], scope)}"
        select, columns, names = self._columns(node["select"], scope, top=top)
        if self._matched is None and from_sql:
            spelt_out = replace(scope, aliases={**scope.aliases, **columns})
            self._matched = " ".join(
                ("SELECT count()", f"FROM {from_sql}", *self._where(node, spelt_out))
            )
        distinct = "DISTINCT " if node.get("distinct") else ""
        clauses = [f"SELECT {distinct}{', '.join(select)}"]
        if from_sql:
            clauses.append(f"FROM {from_sql}")
        clauses += self._where(node, scope)
        clauses += self._grouping(node, scope)
        clauses += self._ordering(node, scope)
        clauses += self._limit(node, scope, top=top, extra=extra)
        return _Selected(" ".join(clauses), columns, names)

    def _where(self, node: Node, scope: Scope) -> list[str]:
        conditions = [self._sql(node[key], scope) for key in ("prewhere", "where") if node.get(key)]
        return [f"WHERE {' AND '.join(conditions)}"] if conditions else []

    def _grouping(self, node: Node, scope: Scope) -> list[str]:
        clauses = []
        if node.get("group_by"):
            clauses.append(f"GROUP BY {self._list(node['group_by'], scope)}")
        if node.get("having"):
            clauses.append(f"HAVING {self._sql(node['having'], scope)}")
        if node.get("window_exprs"):
            windows = (
                f"{identifier(name)} AS ({window_sql(window, partial(self._sql, scope=scope))})"
                for name, window in node["window_exprs"].items()
            )
            clauses.append(f"WINDOW {', '.join(windows)}")
        return clauses

    def _ordering(self, node: Node, scope: Scope) -> list[str]:
        clauses = []
        if node.get("order_by"):
            ordered = (f"{self._sql(o['expr'], scope)} {o['order']}" for o in node["order_by"])
            clauses.append(f"ORDER BY {', '.join(ordered)}")
        if node.get("limit_by"):
            by = node["limit_by"]
            clauses.append(f"LIMIT {self._sql(by['n'], scope)} BY {self._list(by['exprs'], scope)}")
        return clauses

    def _limit(self, node: Node, scope: Scope, *, top: bool, extra: int) -> list[str]:
        limit = node.get("limit")
        if limit is None:
            return [f"LIMIT {DEFAULT_ROWS + extra}"] if top else []
        asked = self._sql(limit, scope)
        if top and asked.isdigit():
            asked = str(min(int(asked), MAX_ROWS))
        elif top:
            asked = f"least({MAX_ROWS}, {asked})"
        return [f"LIMIT {asked}{' WITH TIES' if node.get('limit_with_ties') else ''}"]

    def _from(self, join: Node | None, scope: Scope) -> str:
        parts: list[str] = []
        while join is not None:
            if join.get("table_final"):
                raise invalid_query(
                    "The FINAL keyword is not supported in HogQL as it causes slow queries"
                )
            source, name = self._source(join, scope)
            alias = join.get("alias") or name or f"source{len(scope.sources)}"
            if alias in scope.sources:
                raise invalid_query(
                    f'Already have joined a table called "{alias}". '
                    "Can't join another one with the same name."
                )
            scope.sources[alias] = source
            kind = f"{join['join_type']} " if join.get("join_type") else ("" if not parts else ", ")
            part = f"{kind}{source.sql} AS {identifier(alias)}"
            constraint = join.get("constraint")
            if constraint:
                part += f" {constraint['constraint_type']} {self._sql(constraint['expr'], scope)}"
            parts.append(part)
            join = join.get("next_join")
        return " ".join(parts)

    def _arrays(self, nodes: Sequence[Node], scope: Scope) -> str:
        """The arrays of an ARRAY JOIN, whose aliases are columns from here on."""
        arrays = []
        for node in nodes:
            printed = self._expression(node["expr"], scope)
            scope.aliases[node["alias"]] = Printed(identifier(node["alias"]))
            arrays.append(f"{printed.sql} AS {identifier(node['alias'])}")
        return ", ".join(arrays)

    def _source(self, join: Node, scope: Scope) -> tuple[Source, str | None]:
        node = join["table"]
        if node["node"] == "Field":
            name = ".".join(str(part) for part in node["chain"])
            if name in scope.ctes:
                visible = {key: cte for key, cte in scope.ctes.items() if key != name}
                sql, columns = self._query(scope.ctes[name]["expr"], Scope(ctes=visible))
                return Source(f"({sql})", columns), name
            if join.get("table_args") is not None:
                raise invalid_query(f"Table '{name}' does not accept arguments")
            return table(name, self._context, _sample(join.get("sample"))), name
        if node["node"] in {"SelectQuery", "SelectSetQuery"}:
            if _sample(join.get("sample")):
                raise invalid_query("Illegal SAMPLE: a subquery doesn't support sampling")
            sql, columns = self._query(node, Scope(ctes=scope.ctes))
            return Source(f"({sql})", columns), None
        raise invalid_query("Only selecting from a table or a subquery is supported.")

    def _columns(
        self, nodes: Sequence[Node], scope: Scope, *, top: bool
    ) -> tuple[list[str], dict[str, Printed], list[str]]:
        select: list[str] = []
        columns: dict[str, Printed] = {}
        names: list[str] = []
        for node in _unstarred(nodes, scope):
            is_alias = node["node"] == "Alias"
            printed = self._expression(node["expr"] if is_alias else node, scope)
            name = self._name(node)
            if is_alias and name in scope.aliases:
                raise invalid_query(f"Cannot redefine an alias with the name: {name}")
            if is_alias:
                scope.aliases[name] = replace(printed, sql=identifier(name))
            internal = f"__c{len(select)}" if top and not is_alias else name
            select.append(f"{printed.sql} AS {identifier(internal)}")
            columns[name] = printed
            names.append(name)
        return select, columns, names

    def _name(self, node: Node) -> str:
        """The column's name as PostHog reports it."""
        if node["node"] == "Alias":
            return str(node["alias"])
        if node["node"] == "Field":
            return str(node["chain"][-1])
        if "start" not in node:
            return "expression"
        return self._text[node["start"]["offset"] : node["end"]["offset"]]


def _sample(node: Node | None) -> tuple[float, float] | None:
    """The share of a table that is wanted, and where it begins; None for all."""
    if node is None:
        return None
    share, offset = _ratio(node["sample_value"]), _ratio(node.get("offset_value"))
    if share > 1:
        raise invalid_query("The sandbox does not know SAMPLE by a number of rows.")
    return None if (share, offset) == (1, 0) else (share, offset)


def _ratio(node: Node | None) -> float:
    if node is None:
        return 0.0
    right = node.get("right")
    return float(node["left"]["value"]) / (float(right["value"]) if right else 1.0)


def _ctes(node: Node, kind: str = "subquery") -> dict[str, Node]:
    ctes = node.get("ctes") or []
    if isinstance(ctes, dict):
        ctes = list(ctes.values())
    return {cte["name"]: cte for cte in ctes if cte["cte_type"] == kind}


def _unstarred(nodes: Sequence[Node], scope: Scope) -> list[Node]:
    """The select list with `*` and `alias.*` written out."""
    found: list[Node] = []
    for node in nodes:
        chain = node.get("chain") if node["node"] == "Field" else None
        if not chain or chain[-1] != "*":
            found.append(node)
            continue
        wanted = chain[:-1] or list(scope.sources)
        for alias in wanted:
            if alias not in scope.sources:
                raise unresolved(str(alias))
            source = scope.sources[alias]
            found += [{"node": "Field", "chain": [alias, name]} for name in star(source)]
    return found
