"""Days and their verdicts as readers see them: from the published tables, by the names that are set now."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from leadpipe.events.settings import EventsSettings
from leadpipe.events.verdicts import DayFacts, Verdict, published_facts, verdict_of
from leadpipe.events.vocabulary import event_names
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
    names = event_names(settings)
    return [(one, verdict_of(one, names=names)) for one in facts]


def frozen_before(ask: AskDicts) -> date | None:
    """The first day that retention leaves, None if it takes none."""
    found = ask("SELECT frozen_before FROM retention")
    return found[0]["frozen_before"] if found else None
