"""Make a mapping of what a project sends: what each event could mean, which property says what, and why.

Pure functions of a profile. A name alone decides little: a property is the listing when it is named so, or
when many different values come from different people and the same ones come with views and with leads; an
event whose name leaves it open means what its values say (`parts.py`); the kind of a lead is what the name
says, else what the values say (`columns.py`). What is unsure is said so in the reason.
"""

from dataclasses import replace

from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.project.advice import Advice, Line, Suggestion
from leadpipe.events.project.apart import unmapped
from leadpipe.events.project.columns import contact_data, further, recharge
from leadpipe.events.project.listing_ids import Listings
from leadpipe.events.project.parts import (
    Part,
    only_where,
    page_with_listing,
    parts_of,
    with_listing,
)
from leadpipe.events.project.profile import (
    MOST_PROPERTIES,
    Profile,
    SeenEvent,
    SeenProperty,
    is_nameable,
)
from leadpipe.events.project.words import told
from leadpipe.posthog.literals import NAME_LIMIT

_PAGES = "$pageview"
_NO_NAME = f"a mapping takes names of 1 to {NAME_LIMIT} printable characters, which this one is not"
_PAGE = "it sounds like a page view"
_BOTH = 'give it meaning = "pageview" as well if the two never come for one page'
_ALSO_PAGES = (
    "its other events sound like page views; they are not mapped, since an event has one meaning, and who "
    "only views listings would be missing among the visitors"
)
_STAFF = (
    "it sounds like a contact that staff logged; whether it belongs into tenants' leads files is yours to "
    'decide: docs/tenants.md says what meaning = "staff_contact" needs'
)
_DELIVERED = (
    "it holds a person's contact data and no listing, and is delivered to the partner's API with this "
    "meaning (docs/delivery.md): remove it if it should not be"
)


def suggest(profile: Profile, mapping: EventMapping) -> Advice:
    """What the events could mean that a mapping does not name."""
    looked_into = [one for one in unmapped(profile, mapping) if one.name in profile.samples]
    parts = [
        part for one in looked_into if is_nameable(one.name) for part in parts_of(one, profile)
    ]
    listings = Listings(
        {part.label: part.sample for part in parts if part.meaning not in ("signup", "recharge")}
    )
    making = _Making(profile, listings)
    for part in parts:
        making.take(part)
    unnamed = [one for one in looked_into if told(one.name) and not is_nameable(one.name)]
    making.left_out += [(one, _NO_NAME) for one in unnamed]
    return Advice(_once_a_view(making.found), tuple(making.left_out))


class _Making:
    """What is suggested so far, and what is left out."""

    def __init__(self, profile: Profile, listings: Listings) -> None:
        self.profile = profile
        self.listings = listings
        self.found: list[Suggestion] = []
        self.left_out: list[tuple[SeenEvent, str]] = []
        self._has_pages = any(one.name == _PAGES for one in profile.events)

    def take(self, part: Part) -> None:
        """Suggest a part, or say why not."""
        if part.meaning == "staff_contact":
            self._leave(part, _STAFF)
        elif part.meaning == "pageview":
            self._take_pages(part)
        elif part.meaning == "recharge":
            if lines := recharge(part.sample):
                self._add(part, lines)
            else:
                self._leave(part, "it sounds like a recharge, but no property of it is an amount")
        elif part.meaning == "signup":
            self._add(part, _filter(part))
        else:
            self._take_of_listing(part)

    def _take_pages(self, part: Part) -> None:
        listing = self.listings.of(part.label)
        views = page_with_listing(part, listing[0], self.profile) if listing else []
        if views:
            self._take_of_listing(views[0], named=part.label)
        elif self._has_pages:
            self._leave(part, f"{_PAGE}; {_PAGES} counts them already: {_BOTH}")
        else:
            self._add(part, _filter(part))

    def _take_of_listing(self, part: Part, named: str | None = None) -> None:
        named = named or part.label
        if not self.listings.of(named):
            self._take_without_listing(part)
            return
        first = self.listings.of(named)[0]
        narrowed, lacking = with_listing(part, first, self.profile)
        if lacking and narrowed.split is not None:
            self._leave(
                part,
                f"where {narrowed.split.by.text} is {', '.join(lacking)} it sounds like a "
                f"{_plain(part.meaning)}, but {first.text} is mostly missing there",
            )
            if lacking == part.values:
                return
        line = self.listings.line(named, narrowed.sample)
        self._add(narrowed, [*_filter(narrowed, first), *([line] if line else [])])
        if part.meaning == "view" and told(part.event.name) == "pageview" and not self._has_pages:
            self._leave(part, _ALSO_PAGES)

    def _take_without_listing(self, part: Part) -> None:
        data = contact_data(part.sample) if part.meaning == "lead" else []
        if data:
            where = _filter(part)
            part = replace(part, reason=f"{part.reason}; {_DELIVERED}")
            self.found.append(
                Suggestion(
                    part.event,
                    "captured_lead",
                    self._why(part),
                    (*where, *data),
                )
            )
            return
        why = f"it sounds like a {_plain(part.meaning)}, but no property of it holds a listing"
        if len(self.profile.sample(part.event.name).properties) >= MOST_PROPERTIES:
            why += f" among the {MOST_PROPERTIES} that are filled most"
        if part.split is not None:
            why = f"where {part.split.by.text} is {', '.join(part.values)} {why}"
        self._leave(part, why)

    def _add(self, part: Part, lines: list[Line]) -> None:
        taken = [text for line in lines for text in _names(line)]
        name = (
            " ".join([part.event.name, *part.values]) if len(part.values) == 1 else part.event.name
        )
        more = further(name, part.meaning, part.sample, taken)
        self.found.append(Suggestion(part.event, part.meaning, self._why(part), (*lines, *more)))

    def _why(self, part: Part) -> str:
        meaning = _plain(part.meaning)
        count = f"{part.event.events:,} events in {self.profile.period}"
        return f"{count}; a {meaning} {part.reason}"

    def _leave(self, part: Part, why: str) -> None:
        self.left_out.append((part.event, why))


def _filter(part: Part, listing: SeenProperty | None = None) -> list[Line]:
    where = only_where(part, listing)
    return [where] if where else []


def _plain(meaning: str) -> str:
    return "page view" if meaning == "pageview" else meaning.replace("_", " ")


def _names(line: Line) -> list[str]:
    return line.value if isinstance(line.value, list) else []


def _once_a_view(found: list[Suggestion]) -> tuple[Suggestion, ...]:
    """The suggestions; a second event that means a view says that both count."""
    first = next((one for one in found if one.meaning == "view"), None)
    return tuple(
        one
        if one.meaning != "view" or first is None or one.event.name == first.event.name
        else replace(
            one,
            reason=f"{one.reason}; {first.event.name} is a view as well: leave one out if both come with "
            "one visit",
        )
        for one in found
    )
