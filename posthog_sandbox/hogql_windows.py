"""Windows of HogQL as ClickHouse SQL: what stands in the brackets after OVER.

Belongs here: partitions, order, frames. Does not belong here: the calls over them (`hogql_expressions.py`).
"""

from collections.abc import Callable

from posthog_sandbox.hogql_grammar import Node


def window_sql(node: Node, printed: Callable[[Node], str], *, is_framed: bool = False) -> str:
    """A window.

    Args:
        node: may be empty, which is all rows.
        printed: prints an expression in it.
        is_framed: without a frame of its own it has one of all rows, as PostHog gives `lag` and `lead`.
    """
    parts = []
    if node.get("partition_by"):
        parts.append(f"PARTITION BY {', '.join(map(printed, node['partition_by']))}")
    if node.get("order_by"):
        ordered = (f"{printed(by['expr'])} {by['order']}" for by in node["order_by"])
        parts.append(f"ORDER BY {', '.join(ordered)}")
    if node.get("frame_method"):
        bounds = _bound(node["frame_start"])
        if node.get("frame_end"):
            bounds = f"BETWEEN {bounds} AND {_bound(node['frame_end'])}"
        parts.append(f"{node['frame_method']} {bounds}")
    elif is_framed:
        parts.append("ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING")
    return " ".join(parts)


def _bound(frame: Node) -> str:
    if frame["frame_type"] == "CURRENT ROW":
        return "CURRENT ROW"
    value = frame.get("frame_value")
    return f"{'UNBOUNDED' if value is None else int(value)} {frame['frame_type']}"
