"""Which property gives a column its value, and why: kind of lead, seeker, lister, origin, contact data.

Pure. Which one is the listing stands in `listing_ids.py`, which events mean what in `suggesting.py`.
"""

from collections.abc import Iterator, Mapping, Sequence

from leadpipe.events.mapping.reading import UNKNOWN
from leadpipe.events.project.advice import Line, Said
from leadpipe.events.project.listing_ids import (
    LEAST_FILL,
    WHOLE,
    is_id,
    is_id_like,
    values_text,
)
from leadpipe.events.project.profile import MOST_VALUES, Sample, SeenProperty
from leadpipe.events.project.vocabulary import has, marks_of, word_marks, words_of
from leadpipe.events.project.words import (
    LEAD_TYPES_TOLD,
    VIEWED_FROM_TOLD,
    Told,
    is_removal,
    lister_of,
    read_as,
)

_CHANNELS = ("sms", "voice")
_CONTACTS = ("phone", "email")
_OF_A_PERSON = (
    *_CONTACTS,
    "full_name",
    "zip_code",
    "vehicle_make",
    "vehicle_model",
    "vehicle_year",
)
_LEAST_CONTACT_FILL = 0.5


def further(name: str, meaning: Told, sample: Sample, taken: Sequence[str]) -> Iterator[Line]:
    """Lines beside the listing.

    Args:
        name: of the event.
        meaning: what it is taken for.
        sample: of these events.
        taken: properties that other lines have.
    """
    others = Sample(sample.events, tuple(one for one in sample.properties if one.text not in taken))
    if meaning == "lead":
        yield _lead_type(name, others)
        yield from _seeker(others)
        yield from _lister(others)
    if meaning == "view":
        yield from _viewed_from(others)
        yield from _lister(others)
    if meaning == "share":
        yield from _platform(others)
    if meaning == "saved_listing":
        yield from _save_action(name, others)
    if meaning == "sale":
        yield from _price(others)
    if meaning in ("view", "lead"):
        yield from _is_logged_in(others)


def _few(sample: Sample) -> list[SeenProperty]:
    """The properties whose values can be told apart and written down: few and open ones."""
    return [
        one
        for one in sample.properties
        if one.is_open
        and one.different <= MOST_VALUES
        and all(isinstance(v, str) and v.isprintable() for v in one.values)
    ]


def _read(one: SeenProperty, kinds: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What its values are read as, and those that say nothing."""
    read = {str(value): read_as(str(value), kinds) for value in one.values}
    known: dict[str, str] = {}
    for value, kind in read.items():
        if kind and value.strip().lower() not in {each.strip().lower() for each in known}:
            known[value] = kind
    return known, [value for value, kind in read.items() if not kind]


def _lead_type(name: str, sample: Sample) -> Line:
    by_name = read_as(name, LEAD_TYPES_TOLD)
    if by_name not in (None, "message"):
        return Line("lead_type", by_name, "by its name")
    tellers: list[tuple[tuple[bool, int, int, str], SeenProperty, dict[str, str], list[str]]] = []
    for one in _few(sample):
        known, unknown = _read(one, LEAD_TYPES_TOLD)
        is_named = "properties.kind" in one.marks
        if not known or len(unknown) > len(known) or "properties.elsewhere" in one.marks:
            continue
        if is_named or (len(known) > 1 and not unknown):
            tellers.append(((is_named, len(known), one.filled, one.text), one, known, unknown))
    if tellers:
        _, one, known, unknown = max(tellers, key=lambda teller: teller[0])
        return _lead_type_by_values(one, known, unknown, sample, by_name)
    if by_name:
        return Line("lead_type", by_name, "by its name")
    return Line(
        "lead_type", "phone", "nothing says of which kind it is; phone is assumed, change it"
    )


def _lead_type_by_values(
    one: SeenProperty,
    known: Mapping[str, str],
    unknown: Sequence[str],
    sample: Sample,
    by_name: str | None,
) -> Line:
    reason = f"{one.text} says {', '.join(map(repr, known))}"
    if len({*known.values()}) == 1 and not unknown and sample.fill(one) >= WHOLE:
        return Line("lead_type", next(iter(known.values())), reason)
    said: dict[str, object] = {"from": [one.text], "values": known, "otherwise": UNKNOWN}
    if unknown:
        reason += f"; rejected until you say what they are: {', '.join(map(repr, unknown))}"
    if sample.fill(one) < WHOLE:
        said["default"] = by_name or "phone"
        reason += "" if by_name else "; phone is assumed where it says nothing"
    return Line("lead_type", said, reason)


def _listers(sample: Sample) -> list[SeenProperty]:
    """Ids whose name says that they are a lister's."""
    return sorted(
        (
            one
            for one in sample.properties
            if one.words
            and any(map(lister_of, one.words))
            and (is_named_id(one.path[-1]) or lister_of(one.words[-1]))
            and is_id_like(one)
        ),
        key=lambda one: (not is_named_id(one.path[-1]), -one.filled, one.text),
    )


def _lister(sample: Sample) -> Iterator[Line]:
    found = _listers(sample)
    if not found:
        return
    one = found[0]
    who = next(kind for word in one.words if (kind := lister_of(word)))
    yield Line("lister_id", [one.text], f"{values_text(one, sample)}, named like a lister")
    yield Line("lister_type", who, "by that name")


def _seeker(sample: Sample) -> Iterator[Line]:
    found = [
        one
        for one in sample.properties
        if has("properties.seeker", one.path[0])
        and is_named_id(one.path[-1])
        and one.values
        and all(map(is_id, one.values))
        and sample.fill(one) >= LEAST_FILL
    ]
    if found and found[0].own <= found[0].filled / 2:
        one = max(found, key=lambda each: (each.filled, each.text))
        yield Line(
            "seeker_id",
            [one.text],
            f"{values_text(one, sample)}; without one it is the distinct_id",
        )


def _viewed_from(sample: Sample) -> Iterator[Line]:
    for one in sorted(_few(sample), key=lambda each: (-each.filled, each.text)):
        known, unknown = _read(one, VIEWED_FROM_TOLD)
        if known and "properties.origin" in one.marks and "utm" not in one.words:
            said: dict[str, object] = {"from": [one.text]}
            if any(value.strip().lower() != kind for value, kind in known.items()):
                said["values"] = known
            if unknown:
                said["otherwise"] = "other"
            yield Line(
                "viewed_from", said, f"{one.text} says {', '.join(f'{value!r}' for value in known)}"
            )
            return


def _is_logged_in(sample: Sample) -> Iterator[Line]:
    for one in sample.properties:
        if (
            has("properties.logged_in", one.text)
            and one.values
            and all(isinstance(v, bool) for v in one.values)
        ):
            said: Said = [one.text]
            if "properties.guest" in one.marks:
                said = {"from": [one.text], "values": {"true": False, "false": True}}
            yield Line("is_logged_in", said, f"{one.text} is true or false")
            return


def _platform(sample: Sample) -> Iterator[Line]:
    for one in _few(sample):
        if "properties.target" in one.marks:
            yield Line("platform", [one.text], values_text(one, sample))
            return


def _save_action(name: str, sample: Sample) -> Iterator[Line]:
    if is_removal(name):
        yield Line("save_action", "remove", "by its name")
        return
    for one in _few(sample):
        removing = [str(value) for value in one.values if is_removal(str(value))]
        if "properties.kind" in one.marks and 0 < len(removing) < len(one.values):
            known = dict.fromkeys(removing, "remove")
            said: Said = {"from": [one.text], "values": known, "otherwise": "add"}
            yield Line("save_action", said, f"{one.text} says {', '.join(map(repr, known))}")
            return


def _price(sample: Sample) -> Iterator[Line]:
    for one in sample.properties:
        if is_amount(one):
            yield Line("price", [one.text], values_text(one, sample))
            return


def recharge(sample: Sample) -> list[Line]:
    """Number, amount and time of a recharge; empty if nothing is its amount."""
    amount = next((one for one in sample.properties if is_amount(one)), None)
    if amount is None:
        return []
    lines = []
    if phone := _field(sample, "phone"):
        lines.append(Line("msisdn", [phone.text], f"{values_text(phone, sample)}, named like it"))
    lines.append(Line("amount", [amount.text], f"{values_text(amount, sample)}; in naira"))
    if at := _field(sample, "recharged_at"):
        lines.append(Line("recharged_at", [at.text], "by that name"))
    return lines


def contact_data(sample: Sample) -> list[Line]:
    """What a lead to deliver holds of a person; empty if it could be nobody's: no phone and no email."""
    found = {field: one for field in _OF_A_PERSON if (one := _field(sample, field))}
    reached = [one for field, one in found.items() if field in _CONTACTS]
    if not any(sample.fill(one) >= _LEAST_CONTACT_FILL for one in reached):
        return []
    lines = [
        Line(field, [one.text], f"in {one.filled:,} of {sample.events:,} events, named like it")
        for field, one in found.items()
    ]
    session = _field(sample, "session_id")
    if session:
        lines.append(Line("session_id", [session.text], "copies of one session are one lead"))
    return [*lines, _channel(sample)]


def _channel(sample: Sample) -> Line:
    for one in sample.properties:
        if one.values and {str(value).strip().lower() for value in one.values} <= {*_CHANNELS}:
            return Line("channel", [one.text], values_text(one, sample))
    return Line(
        "channel", "sms", "a lead to deliver is of sms or voice; nothing says which, change it"
    )


def _field(sample: Sample, field: str) -> SeenProperty | None:
    """The fullest property that is named like a field of a lead, and not like a listing's or lister's."""
    named = [
        one
        for one in sample.properties
        if _is_field(one, field)
        and not _is_anothers(one)
        and not all(isinstance(value, bool | None) for value in one.values)
    ]
    return max(named, key=lambda one: (one.filled, -len(one.words)), default=None)


def _is_field(one: SeenProperty, field: str) -> bool:
    last = one.path[-1]
    if f"fields.{field}" in marks_of(last):
        return field in ("session_id", "phone") or not is_named_id(last)
    return field == "full_name" and len(words_of(last)) == 1 and has("fields.name", last)


def _is_anothers(one: SeenProperty) -> bool:
    is_listers = any(map(lister_of, one.words))
    named = [word for word in one.words if "properties.listing" in word_marks(word)]
    return is_listers or bool({*named} - _OF_A_VEHICLE)


_OF_A_VEHICLE = frozenset(
    {"vehicle", "car", "auto", "vehiculo", "veiculo", "voiture", "veicolo", "fahrzeug"}
)


def is_amount(one: SeenProperty) -> bool:
    """Whether it is an amount of money by its name and its values."""
    return (
        "properties.amount" in one.marks and bool(one.values) and all(map(_is_amount, one.values))
    )


def is_named_id(name: str) -> bool:
    """Whether a name begins or ends as an id's does."""
    words = words_of(name)
    return any("properties.id" in word_marks(word) for word in (*words[:1], *words[-1:]))


def _is_amount(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number or (isinstance(value, str) and any(each.isdigit() for each in value))
