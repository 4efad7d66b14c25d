"""The filters of a cohort: which PostHog takes, and whom they select.

Belongs here: the shape that PostHog insists on, and conditions on person properties as ClickHouse
SQL. Does not belong here: cohorts (`cohorts.py`). Conditions on behaviour are taken, as PostHog
takes them, but refused when they are to be evaluated: the sandbox does not know who did what how often.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from posthog_sandbox.hogql_literals import instant, quoted
from posthog_sandbox.hogql_sources import Context
from posthog_sandbox.refusals import invalid

_NUMERIC = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_RELATIVE = re.compile(r"-?(\d+)([hdwmy])")
_SPANS = {"h": 1, "d": 24, "w": 7 * 24, "m": 30 * 24, "y": 365 * 24}


class _Behavioral(BaseModel, extra="allow"):
    type: Literal["behavioral"]


class _Members(BaseModel, extra="forbid"):
    type: Literal["cohort"]
    key: Literal["id"]
    value: int
    negation: bool = False


class _Person(BaseModel, extra="forbid"):
    type: Literal["person"]
    key: str
    operator: str | None = None
    value: Any | None = None
    negation: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> "_Person":
        needs_value = self.value is None and self.operator not in {"is_set", "is_not_set"}
        missing = ["value"] * needs_value + ["operator"] * (self.operator is None)
        if missing:
            raise ValueError(f"Missing required keys for person filter: {', '.join(missing)}")
        return self


_Condition = Annotated[_Behavioral | _Members | _Person, Field(discriminator="type")]


class _Group(BaseModel, extra="forbid"):
    type: Literal["AND", "OR"]
    values: list[Annotated["_Condition | _Group", Field(discriminator="type")]]


class _Filters(BaseModel, extra="forbid"):
    properties: _Group


def checked_filters(filters: object) -> dict[str, Any]:
    """The filters as PostHog keeps them.

    Raises:
        Refusal: 400 with the words of PostHog's own validation, for unknown keys too.
    """
    if not isinstance(filters, dict) or "properties" not in filters:
        raise invalid("Must contain a 'properties' key with type and values", attr="filters")
    try:
        return _Filters.model_validate(filters).model_dump(exclude_none=True)
    except ValidationError as error:
        raise invalid(_said(error), attr="filters") from None


def _said(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    for problem in problems:
        where = problem["msg"].find("Missing required keys")
        if where >= 0:
            return problem["msg"][where:]
        if problem["type"] == "missing":
            for kind in ("behavioral", "cohort", "person"):
                if kind in problem["loc"]:
                    return f"Missing required keys for {kind} filter: {problem['loc'][-1]}"
    return str(problems)


def condition_sql(group: dict[str, Any], context: Context) -> str:
    """A condition on `id` and `properties` of a person.

    Raises:
        Refusal: 400, a condition that the sandbox cannot evaluate.
    """
    if group["type"] in {"AND", "OR"}:
        parts = [condition_sql(one, context) for one in group["values"]]
        joined = f" {group['type']} ".join(parts)
        return f"({joined})" if parts else "true"
    if group["type"] == "cohort":
        known = f"SELECT person_id FROM sandbox.cohort_people WHERE cohort_id = {group['value']}"
        members = f"id IN ({known})"
        return f"NOT {members}" if group["negation"] else members
    if group["type"] == "behavioral":
        raise invalid("The sandbox does not evaluate conditions on behaviour.", attr="filters")
    sql = _person_sql(group, context)
    return f"NOT {sql}" if group["negation"] else sql


def _person_sql(condition: dict[str, Any], context: Context) -> str:
    """A condition on one property; who lacks it meets only the `not`s."""
    operator, value = condition["operator"], condition.get("value")
    raw = f"nullIf(nullIf(JSONExtractRaw(properties, {quoted(condition['key'])}), ''), 'null')"
    text = f"replaceRegexpAll({raw}, '^\"|\"$', '')"
    if operator in {"is_set", "is_not_set"}:
        return f"isNotNull({raw})" if operator == "is_set" else f"isNull({raw})"
    if operator in {"exact", "is_not"}:
        listed = ", ".join(quoted(_text(one)) for one in _several(value))
        is_in = f"ifNull({text} IN ({listed}), false)"
        return is_in if operator == "exact" else f"(NOT {is_in})"
    if operator in {"icontains", "not_icontains"}:
        contains = f"ifNull(positionCaseInsensitive({text}, {quoted(_text(value))}) > 0, false)"
        return contains if operator == "icontains" else f"(NOT {contains})"
    if operator in _NUMERIC:
        limit = f"accurateCastOrNull({quoted(_text(value))}, 'Float64')"
        return f"ifNull(accurateCastOrNull({text}, 'Float64') {_NUMERIC[operator]} {limit}, false)"
    if operator in {"is_date_before", "is_date_after"}:
        zone = quoted(context.timezone)
        moment = f"parseDateTime64BestEffortOrNull({text}, 6, {zone})"
        sign, limit = _date_limit(operator, _text(value), context)
        return f"ifNull({moment} {sign} {limit}, false)"
    raise invalid(f"The sandbox does not evaluate the operator '{operator}'.", attr="filters")


def _date_limit(operator: str, value: str, context: Context) -> tuple[str, str]:
    """The sign and the moment; after a day without a time means after its end."""
    relative = _RELATIVE.fullmatch(value)
    sign = "<" if operator == "is_date_before" else ">"
    if relative:
        span = timedelta(hours=int(relative[1]) * _SPANS[relative[2]])
        return sign, instant(context.now - span)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(
            f"Invalid date value '{value}' for operator '{operator}'. Expected a relative date "
            "(e.g., '-7d', '30d') or an ISO 8601 date (e.g., '2024-01-15').",
            attr="filters",
        ) from None
    if operator == "is_date_after" and len(value) == len("2026-11-21"):
        sign, moment = ">=", moment + timedelta(days=1)
    if moment.tzinfo is not None:
        return sign, instant(moment)
    zone = quoted(context.timezone)
    return sign, f"toDateTime64('{moment:%Y-%m-%d %H:%M:%S.%f}', 6, {zone})"


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    """The value as it looks in JSON without its quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)
