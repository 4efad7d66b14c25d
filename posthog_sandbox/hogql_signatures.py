"""Which functions HogQL has, and with how many arguments and parameters.

Belongs here: PostHog's mapping as one table, and looking a name up in it. Does not belong here: what a
call becomes in ClickHouse beyond its name (`hogql_calls.py`), what it gives (`hogql_functions.py`).
"""

from dataclasses import dataclass
from difflib import get_close_matches

from posthog_sandbox.refusals import Refusal, invalid_query


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTIONS = """
0    e pi rand yesterday today current_date current_timestamp rank dense_rank row_number
0    rowNumberInBlock rowNumberInAllBlocks
0-1  now
0-   array map tuple
1    negate abs exp log ln exp2 log2 exp10 log10 sqrt cbrt erf erfc lgamma tgamma sin cos tan asin acos
1    atan intExp2 intExp10 cosh acosh sinh asinh atanh log1p sign degrees radians factorial roundToExp2
1    roundDuration roundAge not isFinite isInfinite ifNotFinite isNaN bitNot bitCount
1    empty notEmpty isEmpty isNotEmpty length reverse arrayEnumerate arrayPopBack arrayPopFront arrayJoin
1    arrayDifference arrayDistinct arrayEnumerateDense arrayReverse arrayFlatten arrayCompact arrayProduct
1    hex unhex reinterpretAsUInt8 reinterpretAsUInt16 reinterpretAsUInt32 reinterpretAsUInt64
1    reinterpretAsUInt128 reinterpretAsUInt256 reinterpretAsInt8 reinterpretAsInt16 reinterpretAsInt32
1    reinterpretAsInt64 reinterpretAsInt128 reinterpretAsInt256 reinterpretAsFloat32 reinterpretAsFloat64
1    reinterpretAsUUID toInt toIntOrZero _toInt8 _toInt16 _toInt32 _toInt64 _toUInt64 _toUInt128 toFloat
1    toFloatOrZero _toDate toUUID toNullableString toBool _toNullableBool toJSONString toTypeName
1    cityHash64 UUIDv7ToDateTime toDate to_date isnull isNotNull assumeNotNull toNullable isValidJSON
1    timeZoneOf timeZoneOffset toYear toQuarter toMonth toDayOfYear toDayOfMonth toHour toMinute toSecond
1    toUnixTimestamp64Milli fromUnixTimestamp64Milli toStartOfYear toStartOfISOYear toStartOfQuarter
1    toStartOfMonth toLastDayOfMonth toMonday toStartOfHour toStartOfMinute toStartOfSecond
1    toStartOfFiveMinutes toStartOfTenMinutes toStartOfFifteenMinutes toTime toISOYear toISOWeek
1    nowInBlock timeSlot toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss monthName fromUnixTimestamp
1    toModifiedJulianDay fromModifiedJulianDay toIntervalSecond toIntervalMinute toIntervalHour
1    toIntervalDay toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear
1    lengthUTF8 lower upper lowerUTF8 upperUTF8 isValidUTF8 toValidUTF8 reverseUTF8 base58Encode
1    base58Decode tryBase58Decode base64Encode base64Decode tryBase64Decode encodeXMLComponent
1    decodeXMLComponent extractTextFromHTML ascii regexpQuoteMeta tokens initcap
1    protocol domain domainWithoutWWW topLevelDomain firstSignificantSubdomain
1    cutToFirstSignificantSubdomain cutToFirstSignificantSubdomainWithWWW path pathFull queryString
1    fragment queryStringAndFragment extractURLParameters extractURLParameterNames URLHierarchy
1    URLPathHierarchy encodeURLComponent decodeURLComponent encodeURLFormComponent decodeURLFormComponent
1    netloc cutWWW cutQueryString cutFragment cutQueryStringAndFragment mapKeys mapValues untuple
1    tupleToNameValuePairs tupleNegate bitmapBuild bitmapToArray bitmapCardinality bitmapMin bitmapMax
1    formatReadableDecimalSize formatReadableSize formatReadableQuantity indexHint extractIPv4Substrings
1    L1Norm L2Norm LinfNorm L1Normalize L2Normalize LinfNormalize first_value last_value geohashDecode
1-2  floor ceil trunc round roundBankers arrayMin arrayMax arraySum arrayAvg arrayStringConcat
1-2  toFloatOrDefault toString parseDateTimeBestEffort toDateTime toDateTimeUS toUnixTimestamp
1-2  toStartOfWeek toStartOfDay toLastDayOfWeek to_timestamp toTimeZone splitByWhitespace splitByNonAlpha
1-2  alphaTokens ltrim trimLeft rtrim trimRight btrim trim port formatReadableTimeDelta
1-3  range toDateTime64 toDayOfWeek toWeek toYearWeek JSONExtractKeysAndValues mapPopulateSeries
1-3  lagInFrame leadInFrame lag lead
1-   coalesce arrayCount arraySort arrayReverseSort arrayUniq arrayIntersect arrayExists arrayAll
1-   arrayCumSum arrayCumSumNonNegative JSONExtractKey
1-5  JSONExtractKeys
1-6  JSONLength JSONArrayLength JSONType
2    plus minus multiply divide intDiv intDivOrZero modulo moduloOrZero positiveModulo gcd lcm max2 min2
2    pow power atan2 hypot roundDown equals notEquals less greater lessOrEquals greaterOrEquals in notIn
2    like ilike notLike notILike arrayElement has hasAll hasAny hasSubstr indexOf countEqual arrayPushBack
2    arrayPushFront arrayAUC arrayWithConstant arrayRotateLeft arrayRotateRight toDecimal toUUIDOrDefault
2    ifnull nullif date_add date_subtract timeStampAdd timeStampSub addYears addMonths addWeeks addDays
2    addHours addMinutes addSeconds addQuarters subtractYears subtractMonths subtractWeeks subtractDays
2    subtractHours subtractMinutes subtractSeconds subtractQuarters dateName timezone left right
2    appendTrailingCharIfAbsent endsWith startsWith multiSearchAllPositions multiSearchAllPositionsUTF8
2    multiSearchAllPositionsCaseInsensitive multiSearchAllPositionsCaseInsensitiveUTF8
2    multiSearchFirstPosition multiSearchFirstPositionUTF8 multiSearchFirstPositionCaseInsensitive
2    multiSearchFirstPositionCaseInsensitiveUTF8 multiSearchFirstIndex multiSearchFirstIndexUTF8
2    multiSearchFirstIndexCaseInsensitive multiSearchFirstIndexCaseInsensitiveUTF8 multiSearchAny
2    multiSearchAnyUTF8 multiSearchAnyCaseInsensitive multiSearchAnyCaseInsensitiveUTF8 match
2    multiMatchAny multiMatchAnyIndex multiMatchAllIndices extract extractAll extractAllGroups
2    extractAllGroupsHorizontal extractAllGroupsVertical extractGroups ngramDistance
2    ngramDistanceCaseInsensitive ngramDistanceUTF8 ngramDistanceCaseInsensitiveUTF8 ngramSearch
2    ngramSearchCaseInsensitive ngramSearchUTF8 ngramSearchCaseInsensitiveUTF8 countMatches
2    countMatchesCaseInsensitive hasSubsequence hasSubsequenceCaseInsensitive hasSubsequenceUTF8
2    hasSubsequenceCaseInsensitiveUTF8 hasToken hasTokenCaseInsensitive hasTokenOrNull
2    hasTokenCaseInsensitiveOrNull hasAllTokens hasAnyTokens ngrams repeat mapFromArrays mapContains
2    mapContainsKeyLike mapExtractKeyLike mapApply mapFilter mapUpdate bitAnd bitOr bitXor bitShiftLeft
2    bitShiftRight bitRotateLeft bitRotateRight bitTest bitHammingDistance bitmapContains bitmapHasAny
2    bitmapHasAll bitmapAnd bitmapOr bitmapXor bitmapAndnot bitmapAndCardinality bitmapOrCardinality
2    bitmapXorCardinality bitmapAndnotCardinality extractURLParameter cutURLParameter
2    tupleHammingDistance tuplePlus tupleMinus tupleMultiply tupleDivide tupleMultiplyByNumber
2    tupleDivideByNumber dotProduct least greatest LpNorm L1Distance L2Distance LinfDistance LpNormalize
2    cosineDistance nth_value
2-   pointInPolygon
2-3  multiplyDecimal divideDecimal arrayResize arraySlice parseDateTime toStartOfInterval dateAdd dateSub
2-3  timeSlots formatDateTime date_trunc dateTrunc to_char leftPad rightPad leftPadUTF8 rightPadUTF8
2-3  position positionCaseInsensitive positionUTF8 positionCaseInsensitiveUTF8 locate countSubstrings
2-3  countSubstringsCaseInsensitive countSubstringsCaseInsensitiveUTF8 regexpExtract splitByChar
2-3  splitByString splitByRegexp tupleElement geohashEncode
2-   arrayConcat arrayEnumerateUniq arrayReduce arrayFilter arrayZip arrayMap arrayFill arraySplit
2-   arrayReverseFill arrayReverseSplit arrayFirst arrayLast arrayFirstIndex arrayLastIndex
2-7  JSONExtract
2-   JSON_VALUE format concat concatWithSeparator and or xor mapAdd mapSubtract
2-6  JSONHas JSONExtractUInt JSONExtractInt JSONExtractFloat JSONExtractBool JSONExtractString
2-6  JSONExtractRaw JSONExtractArrayRaw JSONExtractKeysAndValuesRaw
3    date_diff dateDiff age date_bin make_date substring substringUTF8 convertCharset multiFuzzyMatchAny
3    multiFuzzyMatchAnyIndex multiFuzzyMatchAllIndices replace replaceAll replaceOne replaceRegexpAll
3    replaceRegexpOne translate translateUTF8 lpad rpad split_part if bitSlice bitmapSubsetInRange
3    bitmapSubsetLimit subBitmap bitmapTransform LpDistance
3-4  transform
3-   arrayFold multiIf bitTestAll bitTestAny
4    width_bucket bar greatCircleDistance geoDistance greatCircleAngle
5    geohashesInBox
6-   pointInEllipses
6-7  make_timestamp
"""
_AGGREGATIONS = """
0-1  count countState
1    min max sum avg any anyHeavy anyLast countMerge countDistinct stddevPop stddevSamp varPop varSamp
1    array_agg groupArray json_agg every groupUniqArray groupArrayMovingAvg groupArrayMovingSum
1    groupBitAnd groupBitOr groupBitXor groupBitmap groupBitmapAnd groupBitmapOr groupBitmapXor
1    groupBitmapState groupBitmapAndState groupBitmapOrState argMinMerge argMaxMerge avgMap avgMapMerge
1    avgArray sumWithOverflow deltaSum sumMapMerge medianArray skewSamp skewPop kurtSamp kurtPop
1    uniqMerge uniqMap uniqMapMerge uniqState median medianExact medianExactLow medianExactHigh
1    medianExactWeighted medianTiming medianTimingWeighted medianDeterministic medianTDigest
1    medianTDigestWeighted medianBFloat16 md5
1(1) topK quantile quantileExact uniqUpToMerge
1(1-2) groupArraySample
1(1-) quantilesState quantilesMerge
1(0-1) groupUniqArrayArray
1-2  countIf countDistinctIf countStateIf sumMap minMap maxMap
1-   uniq uniqExact uniqExactState uniqExactMerge uniqHLL12 uniqTheta quantiles
1-99 windowFunnel
2    minIf maxIf sumIf avgIf anyIf anyHeavyIf anyLastIf stddevPopIf stddevSampIf varPopIf varSampIf
2    covarPop covarSamp corr string_agg argMin argMax argMinState argMaxState avgWeighted groupArrayIf
2    groupUniqArrayIf groupArrayInsertAt groupArrayMovingAvgIf groupArrayMovingSumIf groupBitAndIf
2    groupBitOrIf groupBitXorIf groupBitmapIf groupBitmapAndIf groupBitmapOrIf groupBitmapXorIf
2    sumWithOverflowIf deltaSumIf deltaSumTimestamp sumMapMergeIf avgMapMergeIf skewSampIf skewPopIf
2    kurtSampIf uniqMergeIf uniqMapMergeIf uniqStateIf medianIf medianExactIf medianExactLowIf
2    medianExactHighIf medianExactWeightedIf medianTimingIf medianTimingWeightedIf medianDeterministicIf
2    medianTDigestIf medianTDigestWeightedIf medianBFloat16If simpleLinearRegression contingency cramersV
2    cramersVBiasCorrected theilsU maxIntersections maxIntersectionsPosition
2(1) quantileIf quantilesIf
2(1-2) groupArraySampleIf
2(1-) quantilesStateIf quantilesMergeIf
2(0-1) groupUniqArrayArrayIf
2-3  countMapIf avgMapIf avgMapState sumMapIf minMapIf maxMapIf
2-   uniqIf uniqExactIf uniqHLL12If uniqThetaIf
3    argMinIf argMaxIf covarPopIf covarSampIf avgWeightedIf groupArrayInsertAtIf deltaSumTimestampIf
3    simpleLinearRegressionIf contingencyIf cramersVIf cramersVBiasCorrectedIf theilsUIf
3    maxIntersectionsIf maxIntersectionsPositionIf
"""
"""Each line: least and most arguments (nothing after the dash: any number), parameters in brackets, names."""

_COMBINED = ("avg", "sum", "min", "max", "count", "countDistinct", "median")
_SUFFIXES = (
    ("If", "OrDefault", "OrNull", "OrDefaultIf", "OrNullIf"),
    ("Array", "Map", "State", "Merge", "ForEach", "ArgMin", "ArgMax"),
)
"""The first stand at the end, also after one of the second."""

_MISSING = _words(
    """
    percentile_cont percentile_disc date_part make_interval make_timestamptz generateSeries
    languageCodeToName tumble tumbleStart tumbleEnd hop hopStart hopEnd matchesAction sparkline
    recordingButton explainCSPReport sortablesemver embedText lookupDomainType lookupPaidSourceType
    lookupPaidMediumType lookupOrganicSourceType lookupOrganicMediumType convertCurrency
    getSurveyResponse uniqueSurveySubmissionsFilter getTrafficType getTrafficCategory isLikelyBot
    getBotType getBotName getBotOperator
    """
)
"""PostHog's that the sandbox does not have, besides those of H3 and of funnels."""
_MISSING_FAMILIES = ("h3", "geoToH3", "stringToH3", "aggregate_funnel")

_ANY_CASE = _words(
    """
    count min max sum avg not if now coalesce isnull ifnull nullif abs max2 min2 exp log ln log2 log10
    sqrt sin cos tan asin acos atan pow power sign degrees radians factorial floor ceil trunc round
    length reverse lower upper concat substring ascii position extract replace btrim trim least greatest
    """
)
_RENAMED = {
    "isnull": "isNull",
    "ifnull": "ifNull",
    "nullif": "nullIf",
    "isEmpty": "empty",
    "isNotEmpty": "notEmpty",
    "arrayReverseSort": "arraySort",  # PostHog's own slip
    "toIntOrZero": "toInt64OrZero",
    "toFloatOrZero": "toFloat64OrZero",
    "toFloatOrDefault": "toFloat64OrDefault",
    "toModifiedJulianDay": "toModifiedJulianDayOrNull",
    "fromModifiedJulianDay": "fromModifiedJulianDayOrNull",
    "date_subtract": "date_sub",
    "date_diff": "dateDiff",
    "date_trunc": "dateTrunc",
    "to_char": "formatDateTime",
    "make_timestamp": "makeDateTime",
    "make_date": "makeDate",
    "left": "leftUTF8",
    "right": "rightUTF8",
    "ltrim": "trimLeft",
    "rtrim": "trimRight",
    "btrim": "trim",
    "lag": "lagInFrame",
    "lead": "leadInFrame",
    "array_agg": "groupArray",
    "avgArray": "avgArrayOrNull",
    "medianArray": "medianArrayOrNull",
    # Written out, with the arguments in their places.
    "json_agg": "toJSONString(groupArray({}))",
    "string_agg": "arrayStringConcat(groupArray({}), {})",
    "every": "toBool(min({}))",
    "md5": "hex(MD5({}))",
    "to_timestamp": "toDateTime(fromUnixTimestamp({}))",
    "date_bin": "toStartOfInterval({1}, {0}, {2})",
    "timezone": "toTimeZone({1}, {0})",
    "split_part": "arrayElement(splitByString({1}, {0}), {2})",
}


@dataclass(frozen=True)
class Counts:
    """How many there may be; `most` is None for any number."""

    least: int
    most: int | None

    def check(self, found: int, name: str, *, kind: str, of: str = "argument") -> None:
        """Refuse another number, in PostHog's words.

        Raises:
            Refusal: 400.
        """
        if found < self.least:
            wanted, bound = self.least, "" if self.least == self.most else "at least "
        elif self.most is not None and found > self.most:
            wanted, bound = self.most, "" if self.least == self.most else "at most "
        else:
            return
        plural = "" if wanted == 1 else "s"
        raise invalid_query(f"{kind} '{name}' expects {bound}{wanted} {of}{plural}, found {found}")


@dataclass(frozen=True)
class Signature:
    """A function as PostHog's mapping has it.

    Attributes:
        name: as the mapping spells it.
        clickhouse: ClickHouse's name, or a pattern with `{}` for the arguments.
        arguments: how many.
        parameters: how many, as in `quantile(0.5)(x)`.
        is_aggregation: over rows.
    """

    name: str
    clickhouse: str
    arguments: Counts
    parameters: Counts
    is_aggregation: bool

    def check(self, called: str, arguments: int, parameters: int | None) -> None:
        """Refuse a call with other numbers of arguments or parameters (None: no brackets for them).

        Raises:
            Refusal: 400 in PostHog's words.
        """
        places = self.clickhouse.count("{}")
        if places:
            if arguments != places:
                plural = "" if places == 1 else "s"
                raise invalid_query(
                    f"Function '{called}' requires exactly {places} argument{plural}"
                )
            return
        if "{" in self.clickhouse:
            if arguments < self.arguments.least:
                raise invalid_query(
                    f"Invalid argument reference in function '{called}': Replacement index "
                    f"{arguments} out of range for positional args tuple"
                )
            return
        kind = "Aggregation" if self.is_aggregation else "Function"
        self.arguments.check(arguments, called, kind=kind)
        if not self.parameters.least:
            return
        if parameters is None:
            raise invalid_query(f"{kind} '{called}' requires parameters in addition to arguments")
        self.parameters.check(parameters, called, kind=kind, of="parameter")


def _counts(text: str) -> Counts:
    least, dash, most = text.partition("-")
    if not dash:
        return Counts(int(least), int(least))
    return Counts(int(least), int(most) if most else None)


def _read(table: str, *, is_aggregation: bool) -> dict[str, Signature]:
    found: dict[str, Signature] = {}
    for line in table.strip().splitlines():
        numbers, *names = line.split()
        arguments, _, parameters = numbers.rstrip(")").partition("(")
        for name in names:
            found[name] = Signature(
                name,
                _RENAMED.get(name, name),
                _counts(arguments),
                _counts(parameters or "0"),
                is_aggregation,
            )
    return found


def _combinations() -> dict[str, Signature]:
    """`sumIf`, `countDistinctStateOrNullIf` and so on, which PostHog generates too."""
    ends, middles = _SUFFIXES
    found: dict[str, Signature] = {}
    for base in _COMBINED:
        least, most = (0, 1) if base == "count" else (1, 1)
        for suffix in (*ends, *middles, *(middle + end for middle in middles for end in ends)):
            more = suffix.endswith("If") + suffix.startswith("Arg")
            counts = Counts(least + more, most + more)
            found[base + suffix] = Signature(
                base + suffix, base + suffix, counts, Counts(0, 0), is_aggregation=True
            )
    return found


AGGREGATIONS = _combinations() | _read(_AGGREGATIONS, is_aggregation=True)
FUNCTIONS = _read(_FUNCTIONS, is_aggregation=False)
_SUGGESTED = tuple(
    name for name in (*FUNCTIONS, *_MISSING, *AGGREGATIONS) if not name.startswith("_")
)


def signature(name: str) -> Signature:
    """The function that a query calls by this name: an aggregation first, then any other.

    Raises:
        Refusal: 400, HogQL has no such function, or the sandbox does not have it.
    """
    for table in (AGGREGATIONS, FUNCTIONS):
        found = table.get(name)
        if found is None and name.lower() in _ANY_CASE:
            found = table.get(name.lower())
        if found is not None:
            return found
    if name in _MISSING or name.startswith(_MISSING_FAMILIES):
        raise invalid_query(f"The sandbox does not know the function '{name}'; PostHog does.")
    raise _unsupported(name)


def _unsupported(name: str) -> Refusal:
    close = get_close_matches(name, _SUGGESTED, 1)
    hint = f". Perhaps you meant '{close[0]}(...)'?" if close else ""
    return invalid_query(f"Unsupported function call '{name}(...)'{hint}")
