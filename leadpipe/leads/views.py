"""Which leads somebody wants to see: a view, which is an address, and its question to `leads_now`.

Pure. A view in an address stays what it means: `period=yesterday` is yesterday tomorrow, too, where the team
is. Addresses have no personal data: one searches by listing, seeker and lister as the events name them, not
by name or phone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from leadpipe.leads.edits import STATUSES
from leadpipe.zones import begin_of, day_in

LIST = "/leads"
PAGE_ROWS = 50
TYPES = ("phone", "whatsapp", "direct_message", "email", "appointment", "website")
SORTS: Mapping[str, str] = {
    "last": "last_action_at",
    "first": "first_action_at",
    "score": "lead_score",
    "actions": "total_actions",
}
AGES: Mapping[str, tuple[str, timedelta | None, timedelta | None]] = {
    "hour": ("under an hour", None, timedelta(hours=1)),
    "day": ("under a day", None, timedelta(days=1)),
    "week": ("1 to 7 days", timedelta(days=1), timedelta(days=7)),
    "month": ("7 to 30 days", timedelta(days=7), timedelta(days=30)),
    "older": ("over 30 days", timedelta(days=30), None),
}
PERIODS: Mapping[str, tuple[str, int, int]] = {
    "today": ("today", 0, 0),
    "yesterday": ("yesterday", 1, 1),
    "week": ("the last 7 days", 6, 0),
    "month": ("the last 30 days", 29, 0),
}
_ANY_ID = (
    "(contains(lower(listing), $q) OR contains(lower(seeker_id), $q) "
    "OR contains(lower(lister_id), $q) OR starts_with(lead_id, $q))"
)
HOT = 50
"""From so many points on a lead is one to call first."""
_LONGEST = 200
_MOST_SCORE = 1_000_000
_MOST_PAGE = 1_000_000


CHOICES: Mapping[str, Sequence[tuple[str, str]]] = {
    "types": [(each, each.replace("_", " ")) for each in TYPES],
    "ages": [(name, label) for name, (label, _, _) in AGES.items()],
    "periods": [(name, label) for name, (label, _, _) in PERIODS.items()],
    "sorts": [
        ("last", "last action"),
        ("score", "score"),
        ("actions", "actions"),
        ("first", "first action"),
    ],
}
"""What a form offers, as values and words."""


@dataclass(frozen=True)
class LeadsView:
    """A view of leads; what is None or empty is not asked for.

    Args:
        q: part of a listing's, seeker's or lister's id, or the start of a lead's.
        status: any of these.
        type: a kind of action that it has.
        score: at least.
        listing: part of its id.
        lister: part of its id.
        source: the utm source of its last action; `none` for none.
        age: since its first action, a name of `AGES`.
        since: its first action was then or later (UTC).
        added: a sync brought it after this moment (UTC): what is new since somebody looked.
        period: when its last action was, a name of `PERIODS`.
        first: the first day of its last action.
        last: and the last one.
        sort: a name of `SORTS`.
        is_up: the least first.
        page: from 1.
    """

    q: str = ""
    status: tuple[str, ...] = ()
    type: str = ""
    score: int | None = None
    listing: str = ""
    lister: str = ""
    source: str = ""
    age: str = ""
    since: datetime | None = None
    added: datetime | None = None
    period: str = ""
    first: date | None = None
    last: date | None = None
    sort: str = "last"
    is_up: bool = False
    page: int = 1

    def address(self, **changes: object) -> str:
        """The query of its address, or of the view that differs by `changes` (on its first page)."""
        view = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        pairs: list[tuple[str, str]] = []
        for name, default in ((field.name, field.default) for field in fields(view)):
            value = getattr(view, name)
            if value == default:
                continue
            if name == "status":
                pairs += [(name, each) for each in value]
            elif name == "is_up":
                pairs.append(("order", "up"))
            elif isinstance(value, datetime):
                pairs.append((name, _moment(value)))
            else:
                pairs.append((_NAMES.get(name, name), str(value)))
        return urlencode(pairs)

    def where(
        self, now: datetime, zone: str, *, but_status: bool = False
    ) -> tuple[str, dict[str, object]]:
        """The condition on `leads_now`, and its parameters.

        Args:
            now: the moment of the look.
            zone: whose days `period`, `first` and `last` are (IANA).
            but_status: of any status.
        """
        _, least, most = AGES.get(self.age, ("", None, None))
        first, last = self.days(now, zone)
        asked: list[tuple[str, str, object]] = [
            (_ANY_ID, "q", self.q.lower() or None),
            (
                "status IN (SELECT unnest($status::VARCHAR[]))",
                "status",
                None if but_status else list(self.status) or None,
            ),
            ("list_contains(string_split(lead_types, ', '), $type)", "type", self.type or None),
            ("lead_score >= $score", "score", self.score),
            ("contains(lower(listing), $listing)", "listing", self.listing.lower() or None),
            ("contains(lower(lister_id), $lister)", "lister", self.lister.lower() or None),
            ("coalesce(last_utm_source, 'none') = $source", "source", self.source or None),
            ("first_action_at <= $born_by", "born_by", None if least is None else now - least),
            ("first_action_at > $born_after", "born_after", None if most is None else now - most),
            ("first_action_at >= $born_from", "born_from", self.since),
            ("added_at > $added", "added", self.added),
            ("last_action_at >= $since", "since", first and begin_of(first, zone)),
            ("last_action_at < $until", "until", last and begin_of(last + timedelta(days=1), zone)),
        ]
        given = [(part, name, value) for part, name, value in asked if value is not None]
        return (
            " AND ".join(["true", *(part for part, _, _ in given)]),
            {name: value for _, name, value in given},
        )

    @property
    def order(self) -> str:
        """How its leads are ordered, as SQL."""
        direction = "ASC" if self.is_up else "DESC"
        return f"{SORTS[self.sort]} {direction}, lead_id"

    def days(self, now: datetime, zone: str) -> tuple[date | None, date | None]:
        """The days of last actions, both inclusive; a period and days together are both."""
        first, last = self.first, self.last
        if self.period:
            _, oldest, newest = PERIODS[self.period]
            today = day_in(zone, now)
            start, end = today - timedelta(days=oldest), today - timedelta(days=newest)
            first = max(first, start) if first else start
            last = min(last, end) if last else end
        return first, last

    @property
    def has_more_filters(self) -> bool:
        """Whether something beside search and status is asked for."""
        return any(
            getattr(self, name)
            for name in ("type", "score", "listing", "lister", "source", "age", "first", "last")
        )


PRESETS: Sequence[tuple[str, LeadsView]] = (
    ("All", LeadsView()),
    ("Unanswered", LeadsView(status=("new",), sort="score")),
    ("Unanswered, yesterday", LeadsView(status=("new",), sort="score", period="yesterday")),
    ("Hot", LeadsView(status=("new", "contacted", "qualified"), score=HOT, sort="score")),
    ("Today", LeadsView(period="today")),
)
_NAMES = {"first": "from", "last": "to"}


def read_view(pairs: Iterable[tuple[str, str]]) -> tuple[LeadsView, list[str]]:
    """The view of an address's parameters, and what of them cannot be used, a sentence each."""
    given = _Given(pairs)
    statuses = given.choices("status", STATUSES)
    view = LeadsView(
        q=given.text("q"),
        status=tuple(each for each in STATUSES if each in statuses),
        type=given.choice("type", TYPES),
        score=given.number("score", _MOST_SCORE),
        listing=given.text("listing"),
        lister=given.text("lister"),
        source=given.text("source"),
        age=given.choice("age", list(AGES)),
        since=given.moment("since"),
        added=given.moment("added"),
        period=given.choice("period", list(PERIODS)),
        first=given.day("from"),
        last=given.day("to"),
        sort=given.choice("sort", list(SORTS)) or "last",
        is_up=given.choice("order", ("up", "down")) == "up",
        page=max(given.number("page", _MOST_PAGE) or 1, 1),
    )
    if view.first and view.last and view.first > view.last:
        given.problems.append("from is after to: there is no such day.")
    return view, given.problems


class _Given:
    """What an address gives, read one by one; `problems` has what cannot be used."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = list(pairs)
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return dict(self._pairs).get(name, "").strip()[:_LONGEST]

    def choice(self, name: str, known: Sequence[str]) -> str:
        given = self.text(name)
        if given and given not in known:
            self.problems.append(f"{name} should be one of {', '.join(known)}; it is left out.")
            return ""
        return given

    def choices(self, name: str, known: Sequence[str]) -> set[str]:
        given = {value for key, value in self._pairs if key == name and value}
        if given - {*known}:
            self.problems.append(
                f"{name} should be any of {', '.join(known)}; others are left out."
            )
        return given & {*known}

    def number(self, name: str, most: int) -> int | None:
        given = self.text(name)
        if not given:
            return None
        if not (given.isascii() and given.isdigit() and int(given[:12]) <= most):
            self.problems.append(f"{name} should be a whole number up to {most:,}; it is left out.")
            return None
        return int(given)

    def day(self, name: str) -> date | None:
        given = self.text(name)
        try:
            return date.fromisoformat(given) if given else None
        except ValueError:
            self.problems.append(f"{name} should be a day such as 2026-11-01; it is left out.")
            return None

    def moment(self, name: str) -> datetime | None:
        given = self.text(name)
        try:
            found = datetime.fromisoformat(given) if given else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            if given:
                self.problems.append(
                    f"{name} should be a moment such as 2026-11-01T08:00:00Z; it is left out."
                )
            return None
        return found.astimezone(UTC)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
