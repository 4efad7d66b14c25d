"""What `leadpipe check` says of delivery: how the partner is read, and what is set aside."""

from collections.abc import Iterator
from datetime import datetime

from leadpipe.cli.findings import Finding
from leadpipe.delivery.answer_rules import read_answer_rules
from leadpipe.delivery.connecting import connect_partner
from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.errors import LeadpipeError
from leadpipe.posthog import PostHog
from leadpipe.settings import Settings


def findings(settings: Settings, posthog: PostHog | None, *, now: datetime) -> Iterator[Finding]:
    """Whether the partner's settings can be used, and what a person has to look at; sends nothing."""
    del posthog, now
    own = settings.of(DeliverySettings)
    if own.npa_api_url is None:
        return
    try:
        connect_partner(own).close()
        rules = read_answer_rules(own.npa_answers_file)
    except LeadpipeError as error:
        yield Finding("wrong", "partner", str(error))
        return
    can_ask = own.npa_list_path != "none" or own.npa_honours_key
    text = (
        f"list {own.npa_list_path} ({own.npa_list_paging}); {len(rules.own)} rules of yours and "
        f"{len(rules.built_in)} built in say what its answers mean (`leadpipe delivery answers`)"
    )
    if not can_ask:
        text += "; it can be asked neither by list nor by key, so a lost answer is a person's"
    yield Finding("ok" if can_ask else "warning", "partner", text)
    try:
        aside = len(HandOvers(own.hand_overs_path).aside())
    except LeadpipeError as error:
        yield Finding("wrong", "hand-overs", str(error))
        return
    if aside:
        yield Finding(
            "warning", "hand-overs", f"{aside} are set aside; see `leadpipe failed aside`"
        )
