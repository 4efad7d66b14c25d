"""The SQL that a mapping becomes: a column of ours from the properties that a team's events have.

Only what a mapping decides is made here: which rule an event has, and each column's text as it was sent,
cleaned and read through the mapping's values. What those texts mean (kinds of leads, prices, what is
rejected) is in `typed_events.sql`, which reads the rows this gives. Every name and value of a mapping goes
through `quoted`.

All paths are looked up in one pass over a row's JSON. Those of all events are made texts once, whatever reads
them; a rule's own where it is the rule, for there may be hundreds. A column is cheap where it is empty or
plain: DuckDB looks at further spellings, and at what a text is, only for rows that need it.
"""

from collections.abc import Callable, Iterable

from leadpipe.events.mapping.model import (
    COLUMNS,
    IDENTIFIERS,
    PASSED_IDENTIFIERS,
    Constant,
    EventMapping,
    Path,
    Rule,
    Source,
)

_LONGEST = 200
_SPACE = "E' \\t\\n\\r'"


def quoted(value: Constant) -> str:
    """A value as an SQL literal; the only way into a statement.

    >>> quoted("O'Brien"), quoted(True), quoted(5)
    ("'O''Brien'", 'true', '5')
    """
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with NUL is no SQL literal")
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def pointer(path: Path) -> str:
    """A path as a JSON pointer, in which every name can be said.

    >>> pointer(("property", "a/b"))
    '/property/a~1b'
    """
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def mapped_events(mapping: EventMapping, rows: str) -> str:
    """A SELECT that gives the rows of a relation with the columns that the mapping finds in their properties.

    Args:
        mapping: whose names and properties.
        rows: what to select from, with the columns `event` and `properties` at least.

    Beside the columns of `rows` and those of `COLUMNS` it gives `properties_problem`, `meaning`,
    `has_long_listing_id` (asked only where there is no listing), `price_type`, and `mapped_properties`: the
    properties with those that a rule passes on under our names, null where none does.
    """
    return _Select(mapping).text(rows)


class _Select:
    """One mapping's paths by their places in `raw`, and its rules by their numbers."""

    def __init__(self, mapping: EventMapping) -> None:
        self.mapping = mapping
        self.rules: list[tuple[str, Rule]] = [
            (event, rule) for event, rules in mapping.events.items() for rule in rules
        ]
        self.places: dict[Path, int] = {}
        self.texts: dict[str, str] = {}
        """Names of columns that are texts, as they are read by the others, and their expressions."""
        for source in mapping.shared.values():
            for path in source.paths:
                self._place(path)
        self.shared = tuple(self.places)
        for _, rule in self.rules:
            for source in rule.sources.values():
                for path in source.paths:
                    self._place(path)
        for _, rule in self.rules:
            for path in rule.where:
                self._place(path)

    def _place(self, path: Path) -> int:
        return self.places.setdefault(path, len(self.places) + 1)

    def text(self, rows: str) -> str:
        number = self._rule_number()
        columns = ",\n    ".join(
            f"{self._per_rule(column, self._column)} AS {column}"
            for column in COLUMNS
            if column not in ("lister_type", "price", "lead_type")
        )
        lister_type = self._per_rule("lister_type", self._lister_type)
        lead_type = self._per_rule("lead_type", self._column)
        price = self._per_rule("price", self._price)
        price_type = self._per_rule("price", self._price_type)
        is_long = self._per_rule("listing_id", self._is_long)
        passed = self._passed()
        pointers = ", ".join(quoted(pointer(path)) for path in self.places) or quoted("/")
        sent = [f"raw[{self.places[path]}] AS {self._raw(path)}" for path in self.shared]
        texts = [f"{expression} AS {name}" for name, expression in self.texts.items()]
        ours = ", ".join(["raw", "rule", *map(self._raw, self.shared), *self.texts])
        return f"""
WITH looked_up AS (
    SELECT *, CASE WHEN starts_with(properties, '{{') OR starts_with(ltrim(properties, {_SPACE}), '{{')
        THEN TRY(json_extract_string(properties, [{pointers}])) END AS raw
    FROM {rows}
),
sent AS (
    SELECT {", ".join(["*", *sent])}
    FROM looked_up
),
texts AS (
    SELECT {f",{chr(10)}    ".join(["*", *texts])}
    FROM sent
),
ruled AS (
    SELECT *, {number} AS rule FROM texts
),
read_columns AS (
    SELECT *,
    {self._meaning()} AS meaning,
    {columns}
    FROM ruled
)
SELECT * EXCLUDE ({ours}),
    CASE WHEN raw IS NULL AND properties IS NOT NULL THEN
        CASE
            WHEN json_valid(properties) THEN 'properties are no object' ELSE 'properties are not valid JSON'
        END
    END AS properties_problem,
    {lister_type} AS lister_type,
    CASE WHEN meaning = 'lead' THEN {lead_type} END AS lead_type,
    CASE WHEN meaning = 'sale' THEN {price} END AS price,
    CASE WHEN meaning = 'sale' THEN {price_type} END AS price_type,
    CASE WHEN listing_id IS NULL THEN {is_long} END AS has_long_listing_id,
    {passed} AS mapped_properties
FROM read_columns"""

    def _rule_number(self) -> str:
        """Which rule an event has: by its name, and by its filter where it has one."""
        by_event: dict[str, list[tuple[int, Rule]]] = {}
        for number, (event, rule) in enumerate(self.rules):
            by_event.setdefault(event, []).append((number, rule))
        cases = []
        for event, rules in by_event.items():
            filters = [(self._fits(rule) or "true", str(number)) for number, rule in rules]
            cases.append(f"WHEN {quoted(event)} THEN {_case(filters)}")
        return f"CASE event {' '.join(cases)} END" if cases else "NULL"

    def _fits(self, rule: Rule) -> str:
        return " AND ".join(
            f"lower({self._word(path)}) IN ({', '.join(map(quoted, values))})"
            for path, values in rule.where.items()
        )

    def _meaning(self) -> str:
        meanings: dict[str, list[int]] = {}
        for number, (_, rule) in enumerate(self.rules):
            if rule.meaning:
                meanings.setdefault(quoted(rule.meaning), []).append(number)
        return _case([(_among(numbers), meaning) for meaning, numbers in meanings.items()])

    def _per_rule(self, column: str, expression: Callable[[str, Source], str]) -> str:
        """A column's expression: the shared one, but where rules say otherwise."""
        shared = expression(column, self.mapping.source(None, column))
        others: dict[str, list[int]] = {}
        for number, (_, rule) in enumerate(self.rules):
            if column in rule.sources:
                own = expression(column, rule.sources[column])
                if own != shared:
                    others.setdefault(own, []).append(number)
        return _case([(_among(numbers), own) for own, numbers in others.items()], shared)

    def _raw(self, path: Path) -> str:
        place = self.places[path]
        return f"sent_{place}" if path in self.shared else f"raw[{place}]"

    def _word(self, path: Path) -> str:
        """A property as a text without NUL and outer spaces; null when empty, long, a list or object."""
        raw = self._raw(path)
        return self._once(
            "word",
            path,
            f"CASE WHEN {raw} IS NULL OR length({raw}) > {_LONGEST} OR {_may_be_list(raw)} THEN NULL "
            f"WHEN {self._is_whole_number(path)} THEN {_without_decimals(raw)} ELSE {_cleaned(raw)} END",
        )

    def _identifier(self, path: Path) -> str:
        """The same, but that a text may look like a list or object: {{3F2504E0-…}} is one."""
        raw = self._raw(path)
        return self._once(
            "identifier",
            path,
            f"CASE WHEN {raw} IS NULL OR length({raw}) > {_LONGEST} THEN NULL WHEN {_may_be_list(raw)} "
            f"THEN CASE WHEN {self._type(path)} = 'VARCHAR' THEN {_cleaned(raw)} END "
            f"WHEN {self._is_whole_number(path)} THEN {_without_decimals(raw)} ELSE {_cleaned(raw)} END",
        )

    def _once(self, kind: str, path: Path, expression: str) -> str:
        """A path's text, which is a column if the path is one of all events."""
        if path not in self.shared:
            return expression
        name = f"{kind}_{self.places[path]}"
        self.texts[name] = expression
        return name

    def _is_whole_number(self, path: Path) -> str:
        """Whether it is the number 7.0, as PostHog prints 7 in some of its answers; the text 7.0 is none."""
        return f"ends_with({self._raw(path)}, '.0') AND {self._type(path)} = 'DOUBLE'"

    def _type(self, path: Path) -> str:
        return f"json_type(properties, {quoted(pointer(path))})"

    def _column(self, column: str, source: Source) -> str:
        """A column's value as a text."""
        read = self._identifier if column in IDENTIFIERS else self._word
        found = _first([read(path) for path in source.paths])
        if column in IDENTIFIERS:
            return found
        found = _read_through(source, f"lower({found})") if source.paths else "NULL"
        return found if source.default is None else _first([found, _text(source.default)])

    def _lister_type(self, column: str, source: Source) -> str:
        """As other columns; without a value what the name says under which lister_id came."""
        found = self._column(column, source)
        if not source.by_lister_id:
            return found

        def said(_: str, lister: Source) -> str:
            named = [(path, source.by_lister_id.get(path)) for path in lister.paths]
            return _case(
                [
                    (f"{self._identifier(path)} IS NOT NULL", quoted(of) if of else "NULL")
                    for path, of in named
                ]
            )

        name_says = self._per_rule("lister_id", said)
        return _first([found, f"CASE WHEN lister_id IS NOT NULL THEN {name_says} END"])

    def _price(self, _: str, source: Source) -> str:
        found = [self._raw(path) for path in source.paths]
        return _first([*found, _text(source.default)] if source.default is not None else found)

    def _price_type(self, _: str, source: Source) -> str:
        return _case(
            [(f"{self._raw(path)} IS NOT NULL", self._type(path)) for path in source.paths],
            "NULL" if source.default is None else "'DOUBLE'",
        )

    def _is_long(self, _: str, source: Source) -> str:
        return (
            " OR ".join(
                f"CASE WHEN length({self._raw(path)}) > {_LONGEST} THEN {self._type(path)} = 'VARCHAR' "
                "ELSE false END"
                for path in source.paths
            )
            or "false"
        )

    def _passed(self) -> str:
        """The properties with those in place that tables read from them under our names."""
        cases = []
        for number, (_, rule) in enumerate(self.rules):
            passed = {name: source for name, source in rule.sources.items() if name not in COLUMNS}
            if passed:
                pairs = ", ".join(
                    f"{quoted(name)}, {self._json(name, source)}" for name, source in passed.items()
                )
                cases.append(
                    (
                        f"rule = {number} AND raw IS NOT NULL",
                        f"CAST(json_merge_patch(properties, json_object({pairs})) AS VARCHAR)",
                    )
                )
        return _case(cases, "CAST(NULL AS VARCHAR)")

    def _json(self, name: str, source: Source) -> str:
        """A passed property as JSON, as it was sent; as a text where it is an id or read through values."""
        if name in PASSED_IDENTIFIERS or source.values or source.otherwise is not None:
            read = self._identifier if name in PASSED_IDENTIFIERS else self._word
            word = _first([read(path) for path in source.paths])
            found = [f"to_json({_read_through(source, word)})"] if source.paths else []
        else:
            found = [self._as_sent(path) for path in source.paths]
        if source.default is not None:
            default = source.default
            found.append(
                f"to_json({_text(default) if name in PASSED_IDENTIFIERS else quoted(default)})"
            )
        return _first(found)

    def _as_sent(self, path: Path) -> str:
        """A property as JSON, but that a whole number has no decimals, however PostHog prints it."""
        raw = self._raw(path)
        return (
            f"CASE WHEN {raw} IS NULL THEN NULL "
            f"WHEN {self._is_whole_number(path)} THEN CAST({_without_decimals(raw)} AS JSON) "
            f"ELSE json_extract(properties, {quoted(pointer(path))}) END"
        )


def _without_decimals(raw: str) -> str:
    return f"left({raw}, length({raw}) - 2)"


def _may_be_list(raw: str) -> str:
    """Whether it begins as a list or object does."""
    return f"unicode({raw}) IN (unicode('{{'), unicode('['))"


def _cleaned(raw: str) -> str:
    """Without NUL and outer spaces, which Unicode has more of; nearly all texts are plain, and stay as is."""
    return (
        f"CASE WHEN {raw} >= '!' AND NOT ends_with({raw}, ' ') AND NOT contains({raw}, chr(0)) "
        f"AND strlen({raw}) = length({raw}) THEN {raw} "
        f"ELSE nullif(trim(replace({raw}, chr(0), '')), '') END"
    )


def _read_through(source: Source, text: str) -> str:
    if not (source.values or source.otherwise is not None):
        return text
    compared = text if text.startswith("lower(") else f"lower({text})"
    cases = [(f"{compared} = {quoted(key)}", _text(value)) for key, value in source.values.items()]
    if source.otherwise is not None:
        cases.append((f"{text} IS NOT NULL", _text(source.otherwise)))
    return _case(cases, text)


def _text(value: Constant) -> str:
    return quoted(value if isinstance(value, str) else quoted(value))


def _first(expressions: list[str]) -> str:
    if not expressions:
        return "CAST(NULL AS VARCHAR)"
    return expressions[0] if len(expressions) == 1 else f"coalesce({', '.join(expressions)})"


def _among(numbers: Iterable[int]) -> str:
    return f"rule IN ({', '.join(map(str, numbers))})"


def _case(cases: list[tuple[str, str]], otherwise: str = "NULL") -> str:
    if not cases:
        return otherwise
    if cases[0][0] == "true":
        return cases[0][1]
    whens = " ".join(f"WHEN {condition} THEN {value}" for condition, value in cases)
    return f"CASE {whens} ELSE {otherwise} END"
