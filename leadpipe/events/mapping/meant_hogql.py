"""Which events mean one thing, as PostHog is asked: a HogQL condition of names and filters.

The same choice as in `typing_sql.py`: of an event's rules the first that fits is its rule. Every name and
value of a mapping is bound; nothing of it stands in the text.
"""

from dataclasses import dataclass, field

from leadpipe.events.mapping.model import EventMapping, Meaning, Path, Rule
from leadpipe.posthog import NO_NAMES

_MOST_STEPS = 5
_WORD = (
    "JSONType({place}) = 'String' AND lowerUTF8(trim(JSONExtractString({place}))) IN {known} "
    "OR JSONType({place}) NOT IN ('String', 'Array', 'Object', 'Null') "
    "AND replaceRegexpOne(lower(JSONExtractRaw({place})), '[.]0$', '') IN {known}"
)


@dataclass(frozen=True)
class Condition:
    """A HogQL condition on `events`, and the values of the placeholders in it."""

    text: str
    values: dict[str, object]


def means(mapping: EventMapping, meaning: Meaning) -> Condition:
    """Whether an event means it."""
    return _Asked(mapping, meaning).condition()


@dataclass
class _Asked:
    mapping: EventMapping
    meaning: Meaning
    values: dict[str, object] = field(default_factory=dict)

    def condition(self) -> Condition:
        by_name: list[str] = []
        filtered: list[str] = []
        for event in self.mapping.names_of(self.meaning):
            if self.meaning == "signup" and event == self.mapping.signup_event:
                by_name.append(event)  # whatever else it means
                continue
            choices = self._choices(self.mapping.events[event])
            if "" in choices:
                by_name.append(event)
            else:
                filtered.append(f"event = {self._bound(event)} AND ({' OR '.join(choices)})")
        names = f"event IN {self._bound(by_name or NO_NAMES)}"
        return Condition(" OR ".join([names, *(f"({one})" for one in filtered)]), self.values)

    def _choices(self, rules: tuple[Rule, ...]) -> list[str]:
        """A condition for each rule that gives the meaning; empty for one that every event fits."""
        found: list[str] = []
        earlier: list[str] = []
        for rule in rules:
            fits = self._fits(rule)
            if rule.meaning == self.meaning:
                found.append(" AND ".join([*([fits] if fits else []), *earlier]))
            if not fits:
                break
            earlier.append(f"NOT ({fits})")
        return found

    def _fits(self, rule: Rule) -> str:
        return " AND ".join(
            self._is_one_of(path, [value for value in values if value])  # what is empty is no value
            for path, values in rule.where.items()
        )

    def _is_one_of(self, path: Path, values: list[str]) -> str:
        """Whether a property as a word is one of these; a list, an object or null is none."""
        if not values:
            return "false"
        known = self._bound(values)
        ways = [
            " AND ".join([*conditions, f"({_WORD.format(place=place, known=known)})"])
            for conditions, place in self._ways(path)
        ]
        return ways[0] if len(ways) == 1 else f"({' OR '.join(ways)})"

    def _ways(self, path: Path) -> list[tuple[list[str], str]]:
        """The arguments that lead to a property, and when; a number leads into a list and into an object.

        Calls are not nested but where PostHog takes no more arguments: the time its grammar takes grows by
        a factor with every level (10 s for two).
        """
        ways: list[tuple[list[str], list[str]]] = [([], ["properties"])]
        for name in path:
            found: list[tuple[list[str], list[str]]] = []
            for conditions, given in ways:
                place = given
                if len(given) > _MOST_STEPS:
                    place = [f"JSONExtractRaw({', '.join(given)})"]
                if name.isascii() and name.isdecimal():  # from 0 in a list, from 1 for ClickHouse
                    is_list = f"JSONType({', '.join(place)}) = 'Array'"
                    found.append(([*conditions, is_list], [*place, str(int(name) + 1)]))
                    conditions = [*conditions, f"NOT {is_list}"]  # noqa: PLW2901 - the other way
                found.append((conditions, [*place, self._bound(name)]))
            ways = found
        return [(conditions, ", ".join(given)) for conditions, given in ways]

    def _bound(self, value: object) -> str:
        name = next((name for name, one in self.values.items() if one == value), None)
        if name is None:
            name = f"{self.meaning}_{len(self.values)}"
            self.values[name] = value
        return f"{{{name}}}"
