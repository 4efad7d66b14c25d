"""Functions that HogQL knows, what they are in ClickHouse, and whether they can be null.

Belongs here: the allow-list. Does not belong here: how calls are printed (`hogql.py`).
"""

from difflib import get_close_matches

from posthog_sandbox.refusals import Refusal, invalid_query


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGGREGATIONS = _words(
    """
    count countIf countDistinct countDistinctIf uniq uniqIf uniqExact uniqExactIf uniqHLL12
    uniqTheta sum sumIf avg avgIf min minIf max maxIf any anyIf anyLast anyLastIf argMin argMinIf
    argMax argMaxIf groupArray groupArrayIf groupUniqArray groupUniqArrayIf groupArraySorted median
    medianIf medianExact quantile quantileIf quantileExact quantileExactIf quantiles quantilesIf
    stddevPop stddevSamp varPop varSamp covarPop covarSamp corr topK topKIf sumMap minMap maxMap
    first_value last_value groupBitAnd groupBitAndIf groupBitOr groupBitOrIf groupBitXor
    groupBitXorIf avgWeighted sumDistinct
    entropy simpleLinearRegression skewPop kurtPop deltaSum argMinOrNull boundingRatio
    """
)

_PLAIN = _words(
    """
    plus minus multiply divide intDiv intDivOrZero modulo moduloOrZero positiveModulo negate abs gcd
    lcm greatest least equals notEquals less greater lessOrEquals greaterOrEquals and or xor not if
    multiIf like notLike ilike notILike match in notIn
    array range length empty notEmpty reverse has hasAll hasAny hasSubstr indexOf countEqual
    arrayConcat arrayElement arrayEnumerate arrayEnumerateUniq arrayPopBack arrayPopFront
    arrayPushBack arrayPushFront arrayResize arraySlice arraySort arrayReverseSort arrayShuffle
    arrayUniq arrayDistinct arrayIntersect arrayReduce arrayReverse arrayFlatten arrayCompact
    arrayZip arrayMap arrayFilter arrayFill arraySplit arrayExists arrayAll arrayFirst arrayLast
    arrayFirstIndex arrayLastIndex arrayMin arrayMax arraySum arrayAvg arrayCount arrayCumSum
    arrayProduct arrayJoin arrayStringConcat arrayWithConstant arrayDifference arrayRotateLeft
    tuple tupleElement untuple map mapKeys mapValues mapContains mapFromArrays mapAdd mapFilter
    lower upper lowerUTF8 upperUTF8 reverseUTF8 leftPad rightPad leftPadUTF8 rightPadUTF8 repeat
    concat substring substringUTF8 appendTrailingCharIfAbsent base58Encode base58Decode base64Encode
    base64Decode tryBase64Decode endsWith startsWith trim trimLeft trimRight encodeXMLComponent
    extract extractAll extractAllGroups extractTextFromHTML format lengthUTF8 position positionUTF8
    positionCaseInsensitive multiSearchAny multiSearchAnyCaseInsensitive multiSearchFirstIndex
    multiMatchAny replace replaceAll replaceOne replaceRegexpOne replaceRegexpAll
    regexpQuoteMeta splitByChar splitByString splitByRegexp splitByWhitespace splitByNonAlpha
    alphaTokens extractGroups ngrams tokens left right ascii levenshteinDistance isValidUTF8
    toValidUTF8 char generateUUIDv4 hex unhex bitAnd bitOr bitXor bitNot bitShiftLeft bitShiftRight
    bitTest
    reinterpretAsUInt8 reinterpretAsUInt16 reinterpretAsUInt32 reinterpretAsUInt64 reinterpretAsUInt128
    reinterpretAsUInt256 reinterpretAsInt8 reinterpretAsInt16 reinterpretAsInt32 reinterpretAsInt64
    reinterpretAsInt128 reinterpretAsInt256 reinterpretAsFloat32 reinterpretAsFloat64 reinterpretAsUUID
    JSONHas JSONLength JSONArrayLength JSONType JSONExtract JSONExtractUInt JSONExtractInt
    JSONExtractFloat JSONExtractBool JSONExtractString JSONExtractKey JSONExtractKeys
    JSONExtractRaw JSONExtractArrayRaw JSONExtractKeysAndValues JSONExtractKeysAndValuesRaw
    JSON_VALUE isValidJSON toJSONString
    exp log ln exp2 log2 exp10 log10 sqrt cbrt sin cos tan asin acos atan atan2 pow power sign pi e
    round floor ceil ceiling trunc truncate roundBankers roundDown factorial degrees radians isFinite
    isInfinite ifNotFinite isNaN bar toBool toTypeName cityHash64 sipHash64 MD5 SHA1 SHA256 xxHash64
    murmurHash3_64 halfMD5 toUUIDOrDefault UUIDNumToString UUIDStringToNum
    timeZoneOf timeZoneOffset toYear toQuarter toMonth toDayOfYear toDayOfMonth toDayOfWeek toHour
    toMinute toSecond toUnixTimestamp toUnixTimestamp64Milli toUnixTimestamp64Micro
    fromUnixTimestamp64Milli fromUnixTimestamp64Micro fromUnixTimestamp toStartOfInterval
    toStartOfYear toStartOfISOYear toStartOfQuarter toStartOfMonth toLastDayOfMonth toMonday
    toStartOfWeek toStartOfDay toLastDayOfWeek toStartOfHour toStartOfMinute toStartOfSecond
    toStartOfFiveMinutes toStartOfTenMinutes toStartOfFifteenMinutes toTime toISOYear toISOWeek
    toWeek toYearWeek age dateAdd dateSub dateDiff date_diff dateTrunc date_trunc timeStampAdd
    timeStampSub timeSlot toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss addYears addMonths addWeeks addDays
    addHours addMinutes addSeconds addQuarters subtractYears subtractMonths subtractWeeks
    subtractDays subtractHours subtractMinutes subtractSeconds subtractQuarters formatDateTime
    dateName monthName toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay
    toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear
    isNull isNotNull coalesce ifNull nullIf assumeNotNull toNullable toString
    domain domainWithoutWWW topLevelDomain protocol path pathFull queryString fragment cutWWW
    cutQueryString extractURLParameter extractURLParameters extractURLParameterNames
    cutURLParameter decodeURLComponent encodeURLComponent URLHierarchy firstSignificantSubdomain
    rowNumberInAllBlocks runningDifference neighbor transform isIPv4String isIPv6String
    """
)

_RENAMED = {
    "min2": "least",
    "max2": "greatest",
    "toIntOrZero": "toInt64OrZero",
    "toFloatOrZero": "toFloat64OrZero",
    "toFloatOrDefault": "toFloat64OrDefault",
    "toModifiedJulianDay": "toModifiedJulianDayOrNull",
    "fromModifiedJulianDay": "fromModifiedJulianDayOrNull",
    "generateUUIDv4": "generateUUIDv4",
    "toStartOfISOWeek": "toMonday",
    "date_add": "date_add",
    "date_subtract": "date_sub",
}

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
"""Printed by rules of their own in `hogql.py`."""

KNOWN = AGGREGATIONS | _PLAIN | frozenset(_RENAMED) | SPECIAL
_BY_LOWER = {name.lower(): name for name in sorted(KNOWN)}
_CASE_INSENSITIVE = _words(
    """
    count sum avg min max any coalesce ifnull nullif isnull lower upper concat substring length
    round floor ceil abs now replace trim if cast position left right greatest least sqrt exp ln log
    power pow datediff not and or xor
    """
)

ALWAYS_NULLABLE = _words(
    "toInt toFloat toUUID toNullableString nullIf toDate to_date toNullable toDateTimeUS "
    "parseDateTime parseDateTimeBestEffort toDecimal toModifiedJulianDay"
)
NEVER_NULLABLE = _words(
    "count countIf countDistinct countDistinctIf uniq uniqIf uniqExact uniqExactIf uniqHLL12 "
    "uniqTheta groupArray groupArrayIf groupUniqArray groupUniqArrayIf isNull isNotNull "
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


def known_name(name: str) -> str:
    """The name as it is spelled in the lists above.

    Raises:
        Refusal: 400, HogQL has no such function.
    """
    if name in KNOWN:
        return name
    if name.lower() in _CASE_INSENSITIVE and name.lower() in _BY_LOWER:
        return _BY_LOWER[name.lower()]
    raise _unsupported(name)


def clickhouse_name(name: str) -> str:
    """ClickHouse's name of a known function."""
    return _RENAMED.get(name, name)


def _unsupported(name: str) -> Refusal:
    close = get_close_matches(name, sorted(KNOWN), 1)
    hint = f". Perhaps you meant '{close[0]}(...)'?" if close else ""
    return invalid_query(f"Unsupported function call '{name}(...)'{hint}")
