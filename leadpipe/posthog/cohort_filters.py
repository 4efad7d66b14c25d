"""The conditions of a filter cohort, as PostHog wants them: it refuses keys that it does not know.

Belongs here: building conditions. Does not belong here: which conditions a cohort should have.
"""

from collections.abc import Mapping
from typing import Any, Literal

Operator = Literal[
    "exact", "is_not", "icontains", "not_icontains", "gt", "gte", "lt", "lte",
    "is_set", "is_not_set", "is_date_before", "is_date_after",
]  # fmt: skip


def person_filter(
    key: str, operator: Operator, value: str | float | list[str] | None = None
) -> dict[str, Any]:
    """A condition on a person property: `person_filter("points", "gt", 0)`.

    A person without the property fails every operator except `is_not` and `is_not_set`.
    """
    condition: dict[str, Any] = {"type": "person", "key": key, "operator": operator}
    return condition if value is None else {**condition, "value": value}


def all_of(*conditions: Mapping[str, Any]) -> dict[str, Any]:
    """A group: persons who meet every condition; groups may be conditions of groups."""
    return {"type": "AND", "values": [dict(condition) for condition in conditions]}


def any_of(*conditions: Mapping[str, Any]) -> dict[str, Any]:
    """A group: persons who meet at least one condition."""
    return {"type": "OR", "values": [dict(condition) for condition in conditions]}
