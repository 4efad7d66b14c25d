"""Days and their verdicts as readers see them: from the published tables, by the names that are set now."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any

from leadpipe.events.connecting import event_mapping
from leadpipe.events.settings import EventsSettings
from leadpipe.events.verdicts import FROZEN, DayFacts, Verdict, published_facts, verdict_of
from leadpipe.published import reading

AskDicts = Callable[[str], list[dict[str, Any]]]


def read_days(settings: EventsSettings, *, now: datetime) -> list[tuple[DayFacts, Verdict]]:
    """Every day that is to be here, in order, with its verdict.

    Raises:
        NotPublished: nothing was published yet.
    """
    return reading.read_together(
        settings.published_dir,
        lambda ask: days_of(lambda sql: ask(sql).as_dicts(), settings, now=now),
    )


def days_of(
    ask: AskDicts, settings: EventsSettings, *, now: datetime
) -> list[tuple[DayFacts, Verdict]]:
    """The same, of a publication that is open."""
    facts = published_facts(
        ask("SELECT * FROM event_days"),
        first_day=settings.first_day(now),
        today=now.astimezone(UTC).date(),
        frozen_before=frozen_before(ask),
    )
    names = event_mapping(settings).names
    return [(one, verdict_of(one, names=names)) for one in facts]


def frozen_before(ask: AskDicts) -> date | None:
    """The first day that retention leaves, None if it takes none."""
    found = ask("SELECT frozen_before FROM retention")
    return found[0]["frozen_before"] if found else None


def settings_changes(
    judged: Sequence[tuple[DayFacts, Verdict]], *, names: Collection[str]
) -> str | None:
    """What the next sync reads because event names were added or the start date moved; None if nothing.

    Args:
        judged: the days that are to be here, in order.
        names: the event names that are set.
    """
    visible = [one for one, verdict in judged if verdict.word != FROZEN]
    lacking = [
        (one, added)
        for one in visible
        if one.event_names is not None and (added := {*names} - {*one.event_names})
    ]
    read = [one.event_date for one in visible if one.read_until is not None]
    earlier = [one.event_date for one in visible if read and one.event_date < min(read)]
    changes = []
    if lacking:
        all_added = sorted(set[str]().union(*(added for _, added in lacking)))
        changes.append(
            f"compares {len(lacking)} days, {lacking[0][0].event_date} to {lacking[-1][0].event_date}, for "
            f"{', '.join(all_added)}, which they were not read for, and reads where there are some"
        )
    if earlier:
        changes.append(
            f"reads {len(earlier)} days, {earlier[0]} to {earlier[-1]}, as the start date moved"
        )
    return "; it ".join(changes) or None
