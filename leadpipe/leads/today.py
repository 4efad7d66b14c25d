"""What leads say of today: the new ones, those that nobody answered, and how fast answers come.

"Since yesterday" is from the beginning of yesterday where the team is, by a lead's first action. "Since you
looked" is by the syncs that brought leads, so that one which a late sync brings is not passed over.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from leadpipe.durations import duration
from leadpipe.errors import LeadpipeError, NotPublished
from leadpipe.leads.book import LeadBook
from leadpipe.leads.edits import kept_edits
from leadpipe.leads.settings import LeadsSettings
from leadpipe.leads.views import AGES, HOT, LIST, LeadsView
from leadpipe.published.reading import Ask
from leadpipe.today.parts import Fact, Line, Look, Row, Section
from leadpipe.warehouse import read_sql

_PLACE = 10
_ROWS = 5
_STEP = "No lead yet. They are here after the first sync that finds contact events: start one under System."
# What a run brings that is under way, or was interrupted, may be published after what a later one brings.
_MARK = """
    SELECT least(
        (SELECT max(created_at) FROM leads),
        (SELECT min(started_at) - INTERVAL 1 MICROSECOND FROM runs
         WHERE status IN ('running', 'interrupted') AND started_at > $recently)
    ) AS mark
"""
_RECENTLY = timedelta(days=1)
_WAITING: Mapping[str, str] = {
    "day": "waiting_day",
    "week": "waiting_week",
    "month": "waiting_month",
    "older": "waiting_older",
}


def today(look: Look) -> Iterator[Section | Line]:
    """New leads, unanswered ones by age, and the best to call first."""
    held = look.held_one(LeadBook)
    if held is not None:
        yield from _said(look, held)
        return
    own = look.settings.of(LeadsSettings)
    book = LeadBook(own.published_dir, kept_edits(own))
    try:
        yield from _said(look, book)
    finally:
        book.close()


def _said(look: Look, book: LeadBook) -> Iterator[Section | Line]:
    try:
        with book.reading() as ask:
            yield _section(look, ask)
    except NotPublished:
        yield Section("Leads", LIST, _PLACE, step=_STEP)
    except LeadpipeError as error:
        yield Line(f"Leads cannot be read: {error}", is_urgent=True)


def _section(look: Look, ask: Ask) -> Section:
    since = look.begin(days_ago=1)
    added = datetime.fromisoformat(look.mark) if look.mark else None
    [counts] = ask(
        read_sql("leads", "today.sql"),
        {"since": since, "added": added, "hot": HOT, "now": look.now},
    ).as_dicts()
    if not counts["leads"]:
        return Section("Leads", LIST, _PLACE, step=_STEP)
    view = LeadsView(
        status=("new",), sort="score", since=since if counts["fresh_waiting"] else None
    )
    where, values = view.where(look.now, look.zone)
    best = ask(
        f"SELECT lead_id, listing, seeker_id, lead_score, lead_types, first_action_at FROM leads_now "
        f"WHERE {where} ORDER BY {view.order} LIMIT {_ROWS}",
        values,
    ).as_dicts()
    [(mark,)] = ask(_MARK, {"recently": look.now - _RECENTLY}).rows
    [(as_of,)] = ask("SELECT max(read_until) FROM event_days").rows
    return Section(
        "Leads",
        LIST,
        _PLACE,
        facts=tuple(_facts(counts, since, added)),
        heading="Call first",
        rows=[_row(row, look.now) for row in best],
        as_of=as_of if isinstance(as_of, datetime) else None,
        mark=mark.isoformat() if isinstance(mark, datetime) else None,
    )


def _facts(counts: Mapping[str, Any], since: datetime, added: datetime | None) -> Iterator[Fact]:
    fresh = LeadsView(since=since)
    yield Fact(
        f"{counts['fresh']:,}",
        f"new lead{'' if counts['fresh'] == 1 else 's'} since yesterday",
        _to(fresh),
        said=None if counts["fresh"] else "no new lead since yesterday",
    )
    if added is not None:
        # Whose look, no message knows.
        yield Fact(
            f"{counts['added']:,}",
            "new since you looked",
            _to(LeadsView(added=added)),
            said="",
        )
    if counts["fresh"]:
        hot = LeadsView(since=since, score=HOT, sort="score")
        yield Fact(f"{counts['fresh_hot']:,}", f"with {HOT} points or more", _to(hot))
        waiting = LeadsView(since=since, status=("new",), sort="score")
        yield Fact(
            f"{counts['fresh_waiting']:,}",
            "not answered",
            _to(waiting),
            is_urgent=counts["fresh_waiting"] > 0,
        )
    if (seconds := counts["response_seconds"]) is not None:
        text = duration(seconds)
        yield Fact(
            text,
            "median time to first response",
            _to(fresh),
            note="of the new leads that were answered",
            said=f"median time to first response {text}",
        )
    unanswered = LeadsView(status=("new",), sort="score")
    yield Fact(
        f"{counts['waiting']:,}",
        "unanswered in all",
        _to(unanswered),
        said=_by_age(counts) if counts["waiting"] else "",
        parts=[
            Fact(
                f"{counts[column]:,}",
                AGES[age][0],
                _to(LeadsView(status=("new",), age=age, sort="score")),
            )
            for age, column in _WAITING.items()
            if counts[column]
        ],
    )


def _by_age(counts: Mapping[str, Any]) -> str:
    ages = [
        f"{AGES[age][0]}: {counts[column]:,}" for age, column in _WAITING.items() if counts[column]
    ]
    return f"{counts['waiting']:,} unanswered in all ({', '.join(ages)})"


def _row(row: Mapping[str, Any], now: datetime) -> Row:
    kinds = str(row["lead_types"]).replace("_", " ")
    waited = duration((now - row["first_action_at"]).total_seconds())
    return Row(
        row["listing"],
        f"{LIST}/{row['lead_id']}",
        f"{row['lead_score']:,} points",
        f"{row['seeker_id']} · {kinds} · waits for {waited}",
        name=f"{row['listing']} · {row['seeker_id']}",
    )


def _to(view: LeadsView) -> str:
    query = view.address()
    return f"{LIST}?{query}" if query else LIST
