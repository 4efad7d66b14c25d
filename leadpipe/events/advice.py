"""What somebody can do about a day that is not proved: in words, with the command, or by a button.

What is right and wrong with a day is the business of `verdicts.py`.
"""

from dataclasses import dataclass

from leadpipe.events.verdicts import FROZEN, DayFacts, Verdict


@dataclass(frozen=True)
class Advice:
    """What to do about a day.

    Args:
        text: in a sentence or two.
        command: for who decides to.
        can_read_again: whether reading the day whole may mend it.
    """

    text: str
    command: str | None = None
    can_read_again: bool = False


def advice_of(facts: DayFacts, verdict: Verdict) -> Advice:
    """What to do about a day, by its verdict."""
    day = facts.event_date
    whole = f"leadpipe sync --from {day} --to {day} --full"
    if verdict.is_complete:
        return Advice("Nothing: both sides have the same events.")
    if verdict.word == FROZEN:
        return Advice(
            "Nothing can be done: PostHog no longer shows the day, and what is here is kept."
        )
    if verdict.word in {"never read", "unproved"}:
        does = "reads" if verdict.word == "never read" else "compares"
        return Advice(
            f"The next sync {does} it: sync now, or read it alone.", whole, can_read_again=True
        )
    return _of_difference(facts, whole)


def _of_difference(facts: DayFacts, whole: str) -> Advice:
    if facts.is_questioned:
        return Advice(
            "The next sync asks PostHog why, and follows it or keeps what is here.", "leadpipe sync"
        )
    if facts.has_same_events and facts.shared_uuids:
        return Advice(
            "Two events share a uuid, and one of them is here. Reading again does not help: what sends them "
            "has to give each event a uuid of its own."
        )
    if facts.events_surplus > 0:
        return Advice(
            "More is gone in PostHog than a sync follows by itself. If it was deleted there on purpose, "
            "accept it, and the next sync deletes it here too; if not, look at the key and the project: "
            "`leadpipe check`.",
            f"leadpipe days accept {facts.event_date}",
        )
    return Advice(
        "Every sync reads what differs. If it stays so, read the day whole again.",
        whole,
        can_read_again=True,
    )
