"""PostHog's own HogQL grammar: text in, syntax tree out, as plain dictionaries.

Belongs here: making `hogql-parser` importable without PostHog, and reading its answers. Does not
belong here: what fields and functions mean (`hogql.py`).
"""

import json
import sys
import types
from functools import lru_cache
from typing import Any

from posthog_sandbox.refusals import invalid_query

Node = dict[str, Any]

_ERRORS = (
    "BaseHogQLError",
    "ExposedHogQLError",
    "ImpossibleASTError",
    "InternalHogQLError",
    "NotImplementedError",
    "ParsingError",
    "QueryError",
    "ResolutionError",
    "SyntaxError",
)


class _ParserError(Exception):
    """What the parser raises; it looks its classes up in PostHog's package."""

    def __init__(self, message: str = "", start: int | None = None, end: int | None = None) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


def _import_parser() -> Any:  # noqa: ANN401 - the parser has no types
    """Import the parser beside a stand-in for PostHog's errors, which is gone afterwards.

    The real `posthog` package on PyPI is the SDK; the stand-in must not be in its way.
    """
    errors = types.ModuleType("posthog.hogql.errors")
    for name in _ERRORS:
        setattr(errors, name, type(name, (_ParserError,), {}))
    stand_ins = {
        "posthog": types.ModuleType("posthog"),
        "posthog.hogql": types.ModuleType("posthog.hogql"),
        "posthog.hogql.errors": errors,
    }
    hidden = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)
    try:
        import hogql_parser  # noqa: PLC0415 - only now can it be imported

        return hogql_parser
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(hidden)


_PARSER = _import_parser()


@lru_cache(maxsize=256)
def _parsed(text: str) -> str:
    parsed: str = _PARSER.parse_select_json(text)
    return parsed


def parse_select(text: str) -> Node:
    """The tree of a SELECT; every node has its class name under `node`.

    Raises:
        Refusal: 400 with the grammar's own words.
    """
    tree: Node = json.loads(_parsed(text))
    if tree.get("error"):
        raise invalid_query(str(tree.get("message", "Syntax error")))
    return tree
