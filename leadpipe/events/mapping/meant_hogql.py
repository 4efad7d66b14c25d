"""Which events mean one thing, as PostHog is asked: a HogQL condition of names and filters.

The same choice as in `typing_sql.py`: of an event's rules the first that fits is its rule. Every name and
value of a mapping is bound; nothing of it stands in the text.
"""

from dataclasses import dataclass, field

from leadpipe.events.mapping.model import EventMapping, Meaning, Path, Rule

_NO_NAMES = [""]  # no event is called so, and an empty list is no HogQL


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
        names = f"event IN {self._bound(by_name or _NO_NAMES)}"
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
            f"lowerUTF8(trim({self._word(path)})) IN {self._bound(some)}"
            if (some := [value for value in values if value])  # what is empty is no value
            else "false"
            for path, values in rule.where.items()
        )

    def _word(self, path: Path) -> str:
        """A property as a text; an empty one where it is missing, null, a list or an object."""
        within = "properties"
        for name in path[:-1]:
            within = self._step("JSONExtractRaw", within, name)
        raw = self._step("JSONExtractRaw", within, path[-1])
        text = self._step("JSONExtractString", within, path[-1])
        return (
            f"multiIf(startsWith({raw}, '\"'), {text}, "
            f"{raw} = 'null' OR startsWith({raw}, '{{') OR startsWith({raw}, '['), '', "
            f"replaceRegexpOne({raw}, '[.]0$', ''))"
        )

    def _step(self, function: str, within: str, name: str) -> str:
        """What lies within; a number counts from 0 in a list, from 1 for ClickHouse."""
        named = f"{function}({within}, {self._bound(name)})"
        if name.isascii() and name.isdecimal():
            return f"if(startsWith({within}, '['), {function}({within}, {int(name) + 1}), {named})"
        return named

    def _bound(self, value: object) -> str:
        name = next((name for name, one in self.values.items() if one == value), None)
        if name is None:
            name = f"{self.meaning}_{len(self.values)}"
            self.values[name] = value
        return f"{{{name}}}"
