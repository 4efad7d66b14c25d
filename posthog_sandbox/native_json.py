"""The text of `properties` as PostHog rebuilds it from its native-JSON events table.

Belongs here: what of a text as it was sent survives the table's JSON column. Does not belong here: which
project has the table (`world.py`), and columns (`hogql_sources.py`).

ClickHouse's own JSON type does the rebuilding: keys come sorted at every depth, `10.0` as `10`, nulls not at
all, of a key sent twice the first. Besides that PostHog leaves empty values out, keeps flags apart and in the
end writes which are active, and forgets some properties 60 days after insertion.
"""

from datetime import datetime

from posthog_sandbox.hogql_literals import instant, quoted

KEPT_DAYS = 60
FORGOTTEN = (
    *("$set", "$set_once", "$unset", "$group_set", "$feature_flag_request_id", "$sent_at"),
    *(
        "$debug_first_full_snapshot_timestamp",
        "$snapshot_max_depth_exceeded",
        "$sess_rec_flush_size",
    ),
    *("$session_recording_remote_config", "$session_recording_network_payload_capture"),
    *("$session_recording_canvas_recording", "$replay_script_config"),
    *("$lib_rate_limit_remaining_tokens", "$lib_custom_api_host"),
)
"""Properties of the event that are gone after so many days, and all whose name begins as below."""
FORGOTTEN_PREFIX = "$sdk_debug_"
UNPARSEABLE = "$unparseable_properties"
SETTINGS = (
    "json_type_escape_dots_in_keys = 1, type_json_skip_duplicated_paths = 1, "
    "input_format_try_infer_dates = 0, input_format_try_infer_datetimes = 0, "
    "input_format_json_try_infer_numbers_from_strings = 0"
)
"""Under which ClickHouse reads the texts as PostHog's ingestion does."""

_FLAG = "$feature/"
_ACTIVE_FLAGS = "$active_feature_flags"
_EMPTY = ("null", '""', "[]", "{}")
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_MARK = "\x01"


def rebuilt_sql(properties: str, inserted_at: str, now: datetime) -> str:
    """The expression for the rebuilt text.

    Args:
        properties: the expression for the text as it was sent.
        inserted_at: when the row came into the table.
        now: the server's clock, aware, in UTC.
    """
    members = f"JSONExtractKeysAndValuesRaw(toJSONString(CAST({_document(properties)} AS JSON)))"
    kept = f"arrayFilter(kv -> kv.2 NOT IN ({_listed(_EMPTY)}), {members})"
    names = f"(kv.1 IN ({_listed(FORGOTTEN)}) OR startsWith(kv.1, {quoted(FORGOTTEN_PREFIX)}))"
    flag = f"startsWith(kv.1, {quoted(_FLAG)})"
    plain = f"NOT {names} AND NOT {flag} AND kv.1 != {quoted(_ACTIVE_FLAGS)}"
    is_kept = f"{inserted_at} + toIntervalDay({KEPT_DAYS}) > {instant(now)}"
    flags = f"arrayFilter(kv -> {flag}, {kept})"
    on = f"arrayFilter(kv -> kv.2 != 'false', {flags})"
    active = f"toJSONString(arrayMap(kv -> substring(kv.1, {len(_FLAG) + 1}), {on}))"
    groups = (
        f"arrayFilter(kv -> {plain}, {kept})",
        flags,
        f"if(empty({flags}), [], [({quoted(_ACTIVE_FLAGS)}, {active})])",
        f"arrayFilter(kv -> {names} AND {is_kept}, {kept})",
    )
    pairs = (
        f"arrayMap(kv -> concat(toJSONString(kv.1), ':', kv.2), arrayConcat({', '.join(groups)}))"
    )
    return f"concat('{{', arrayStringConcat({pairs}, ','), '}}')"


def _document(properties: str) -> str:
    """The object that is stored: what cannot be read is one property, half an emoji a question mark."""
    marked = _replaced(properties, f"({_HIGH}{_LOW})|{_HIGH}|{_LOW}", rf"\1{_MARK}")
    pairs = _replaced(marked, f"({_HIGH}{_LOW}){_MARK}", r"\1")
    mended = f"replaceAll({pairs}, {quoted(_MARK)}, {quoted(chr(0xFFFD))})"
    text = f"if(isValidJSON({properties}), {properties}, {mended})"
    key = quoted(f'{{"{UNPARSEABLE}":')
    unread = f"concat({key}, toJSONString({properties}), '}}')"
    return f"if(isValidJSON({text}) AND JSONType({text}) = 'Object', {text}, {unread})"


def _replaced(text: str, pattern: str, by: str) -> str:
    return f"replaceRegexpAll({text}, {quoted(pattern)}, {quoted(by)})"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(quoted(word) for word in words)
