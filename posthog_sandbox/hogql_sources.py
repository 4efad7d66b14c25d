"""What a query reads where HogQL names a table: sub-selects over what the sandbox stores.

Belongs here: visibility, persons resolved at query time, samples. Does not belong here: columns' kinds and
fields (`hogql_tables.py`), storage (`storage.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from posthog_sandbox.hogql_literals import instant, quoted
from posthog_sandbox.native_json import rebuilt_sql

DEFAULT_PROPERTY_TYPES: Mapping[str, str] = {
    "$screen_height": "Numeric",
    "$screen_width": "Numeric",
    "$viewport_height": "Numeric",
    "$viewport_width": "Numeric",
    "$browser_version": "Numeric",
    "$is_identified": "Boolean",
    "amount": "Numeric",
    "is_logged_in": "Boolean",
    "price": "Numeric",
    "recharged_at": "DateTime",
    "loggedAt": "DateTime",
}
"""What PostHog guesses from the first values it sees."""


@dataclass(frozen=True)
class Context:
    """What a query's meaning depends on besides its text.

    Attributes:
        now: the server's clock, aware, in UTC.
        timezone: zone of the project, or UTC if the query's modifiers say so.
        has_overrides: whether any distinct id belongs to another person than when it was ingested.
        property_types: PostHog's property definitions.
        deleted_persons: who is in no table of persons any more.
        visible_until: what became visible later is not there; by default `now`.
        floor: events at this moment or before it are hidden by the plan's retention.
        hidden_properties: what access control hides of events from the key's user.
        has_native_json: whether the project's events are in the native-JSON table.
        team_id: the project's number.
    """

    now: datetime
    timezone: str = "UTC"
    has_overrides: bool = False
    property_types: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_PROPERTY_TYPES))
    deleted_persons: frozenset[str] = frozenset()
    visible_until: datetime | None = None
    floor: datetime | None = None
    hidden_properties: tuple[str, ...] = ()
    has_native_json: bool = False
    team_id: int = 1


def visible(now: datetime) -> str:
    """Which rows of `sandbox.events` a query sees: those that came, and are not deleted yet."""
    return f"visible_at <= {instant(now)} AND gone_at > {instant(now)}"


def person_id(context: Context) -> str:
    """Whose an event is: the override's person, else that of its ingestion."""
    if not context.has_overrides:
        return "stored_person_id"
    found = "joinGetOrNull('sandbox.overrides', 'person_id', distinct_id)"
    return f"ifNull({found}, stored_person_id)"


def events_sql(context: Context, sample: str | None = None) -> str:
    """Events; `sample` is a further condition on their rows."""
    texts = "CAST([] AS Array(String))"
    session = "JSONExtractString(sent_properties, '$session_id')"
    properties = "sent_properties"
    if context.has_native_json:
        properties = rebuilt_sql("sent_properties", "visible_at", context.now)
    if context.hidden_properties:
        properties = _without(properties, context.hidden_properties)
    groups = "".join(f"'' AS `$group_{number}`, " for number in range(5))
    propertyless = "JSONExtractRaw(sent_properties, '$process_person_profile') = 'false'"
    return (
        f"(SELECT uuid, event, {properties} AS properties, timestamp, {context.team_id} AS team_id, "
        f"distinct_id, '' AS elements_chain, created_at, {person_id(context)} AS person_id, "
        f"stored_person_id, {session} AS `$session_id`, "
        f"ifNull(toUInt128(toUUIDOrNull({session})), 0) AS `$session_id_uuid`, "
        "JSONExtractString(sent_properties, '$window_id') AS `$window_id`, "
        f"if({propertyless}, 'propertyless', 'full') AS person_mode, {groups}"
        f"'' AS elements_chain_href, {texts} AS elements_chain_texts, {texts} AS elements_chain_ids, "
        f"{texts} AS elements_chain_elements "
        f"FROM (SELECT * EXCEPT properties, properties AS sent_properties FROM sandbox.events) "
        f"WHERE {visible(context.visible_until or context.now)}"
        f"{_above_floor(context)}{f' AND {sample}' if sample else ''})"
    )


def _without(properties: str, names: tuple[str, ...]) -> str:
    """The text of properties without some: nothing says that there were more."""
    hidden = ", ".join(map(quoted, names))
    kept = f"arrayFilter(kv -> kv.1 NOT IN ({hidden}), JSONExtractKeysAndValuesRaw({properties}))"
    pairs = f"arrayMap(kv -> concat(toJSONString(kv.1), ':', kv.2), {kept})"
    return f"concat('{{', arrayStringConcat({pairs}, ','), '}}')"


def _above_floor(context: Context) -> str:
    """PostHog bounds every read of `events`, and of no other table, whatever the query says."""
    return "" if context.floor is None else f" AND timestamp > {instant(context.floor)}"


def sample_condition(share: float, offset: float) -> str:
    """A sample as PostHog's events table has it: by the hash of the distinct id."""
    place = "cityHash64(distinct_id) / 18446744073709551616."
    return f"({place} >= {offset!r} AND {place} < {offset + share!r})"


def persons_sql(context: Context) -> str:
    """All persons that a query sees: HogQL's columns, and `distinct_ids`."""
    owner = person_id(context)
    return (
        f"(SELECT {owner} AS id, min(sandbox.events.created_at) AS created_at, "
        f"{context.team_id} AS team_id, "
        f"any(joinGet('sandbox.person_properties', 'properties', {owner})) AS properties, "
        "countIf(event = '$identify') > 0 AS is_identified, "
        "arraySort(groupUniqArray(distinct_id)) AS distinct_ids "
        f"FROM sandbox.events WHERE {visible(context.now)} "
        f"{_not_deleted(context)}GROUP BY id)"
    )


def distinct_ids_sql(context: Context) -> str:
    """Every distinct id with its person."""
    return (
        f"(SELECT distinct_id, id AS person_id, {context.team_id} AS team_id "
        f"FROM {persons_sql(context)} ARRAY JOIN distinct_ids AS distinct_id)"
    )


def overrides_sql(context: Context) -> str:
    """The merges that are not written into the events yet."""
    return f"(SELECT distinct_id, person_id, {context.team_id} AS team_id FROM sandbox.overrides)"


def cohort_people_sql(*, is_static: bool) -> str:
    """Members of cohorts."""
    wanted = "is_static" if is_static else "NOT is_static"
    return f"(SELECT cohort_id, person_id FROM sandbox.cohort_people WHERE {wanted})"


def _not_deleted(context: Context) -> str:
    if not context.deleted_persons:
        return ""
    listed = ", ".join(f"toUUID({quoted(one)})" for one in sorted(context.deleted_persons))
    return f"AND {person_id(context)} NOT IN ({listed}) "
