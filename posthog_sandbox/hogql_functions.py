"""What HogQL's functions give: kinds, and whether it can be null.

Belongs here: rules by name. Does not belong here: which functions there are (`hogql_signatures.py`), and how
calls are printed (`hogql_calls.py`).
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CASTS = {
    "toInt": "Int64",
    "toFloat": "Float64",
    "toUUID": "UUID",
    "toNullableString": "Nullable(String)",
}
"""Printed as accurateCastOrNull(x, type)."""

SPECIAL = _words(
    """
    toInt toFloat toUUID toNullableString toDecimal toDate to_date toDateTime toDateTime64
    toDateTimeUS parseDateTime parseDateTimeBestEffort toTimeZone now today yesterday
    current_timestamp current_date
    """
)
"""Printed by rules of their own in `hogql_calls.py`."""

ALWAYS_NULLABLE = _words(
    "toInt toFloat toUUID toNullableString nullif toDate to_date toNullable toDateTimeUS "
    "parseDateTime parseDateTimeBestEffort toDecimal toModifiedJulianDay"
)
NEVER_NULLABLE = _words(
    "count countIf countDistinct countDistinctIf uniq uniqIf uniqExact uniqExactIf uniqHLL12 "
    "uniqTheta groupArray groupArrayIf groupUniqArray groupUniqArrayIf isnull isNotNull "
    "assumeNotNull concat toTypeName now today yesterday tuple array"
)
TEMPORAL = _words(
    "now current_timestamp toDateTime toDateTime64 toDateTimeUS parseDateTime toStartOfDay "
    "parseDateTimeBestEffort toTimeZone toStartOfInterval toStartOfHour toStartOfMinute "
    "toStartOfSecond toStartOfFiveMinutes toStartOfTenMinutes toStartOfFifteenMinutes toStartOfYear "
    "toStartOfQuarter toStartOfMonth toMonday toStartOfWeek dateTrunc date_trunc today yesterday "
    "toDate to_date fromUnixTimestamp fromUnixTimestamp64Milli fromUnixTimestamp64Micro "
    "addDays addHours addMinutes addSeconds addWeeks addMonths subtractDays subtractHours "
    "subtractMinutes current_date dateAdd dateSub"
)
"""Calls that give a date or a time."""
NUMERIC = _words(
    "count countIf uniq uniqExact sum avg length toUnixTimestamp toUnixTimestamp64Milli toYYYYMMDD "
    "toInt toFloat JSONExtractInt JSONExtractFloat JSONExtractUInt intDiv round floor"
)
"""Calls that give a number; toDateTime of both is a cast, of anything else it is parsing."""

IN_ARRAY_REDUCE = _words(
    "count countMap countMapState sum sumMap sumMapState min minMap minMapState max maxMap maxMapState avg "
    "avgState avgMap avgMapState median uniq uniqState uniqMap uniqMapState"
)
"""What `arrayReduce` may be asked to do."""
