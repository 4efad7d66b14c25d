"""Whether a lead of the partner's list is ours.

By our key where the partner keeps it, else by person, session and time. What cannot be decided is said so:
it is a person's, never a guess. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from leadpipe.delivery.lead import normal_email, normal_phone
from leadpipe.delivery.outbox import Claimed
from leadpipe.delivery.partner import PartnerLead

CLOCKS_APART = timedelta(minutes=5)
_CLOCKS_WRONG = timedelta(days=1)
_OUR_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Undecided:
    """The partner may have the lead, and its list does not tell; `why` is for people."""

    why: str


def matching(  # noqa: PLR0911 - a list of decisions
    lead: Claimed,
    found: Iterable[PartnerLead],
    *,
    taken: set[str],
    region: str,
    rivals: int = 0,
) -> PartnerLead | Undecided | None:
    """The partner's lead that came of our attempts; None if it has none, as far as its list tells.

    Without our key in the partner's list, the same person counts when it has our session, or when the
    partner made its lead since our first attempt and no other lead of ours has it.

    Args:
        lead: ours.
        found: of the partner's list, whatever it was asked for.
        taken: marks of the partner's leads that belong to a lead of ours already.
        region: of phone numbers without a country code.
        rivals: other leads of this person of which nobody knows whether the partner has them.
    """
    candidates = list(found)
    for candidate in candidates:
        is_named = lead.npa_lead_id is not None and candidate.npa_lead_id == lead.npa_lead_id
        if candidate.key == lead.key or is_named:
            return candidate
    open_ones = [
        each
        for each in candidates
        if each.mark not in taken and not (each.key and _OUR_KEY.fullmatch(each.key))
    ]
    ours = identities(lead.data, region)
    persons = [each for each in open_ones if ours & identities(each.values, region)]
    sessions = [each.values.get("session_id") for each in persons]
    for each, session in zip(persons, sessions, strict=True):
        if session and session == lead.session_id:
            return each
    others = [
        (each, _fits(lead, each))
        for each, session in zip(persons, sessions, strict=True)
        if not (session and lead.session_id)
    ]
    fitting = [each for each, fits in others if fits]
    unsure = [each for each, fits in others if fits is None]
    if unsure:
        return Undecided(
            "the partner has a lead of this person, and its time does not tell whether it is this one"
        )
    if len(fitting) == rivals + 1:
        return fitting[0]
    if fitting:
        return Undecided(
            f"the partner has {len(fitting)} leads of this person that fit, for {rivals + 1} of ours"
        )
    if any(not each.key and not identities(each.values, region) for each in open_ones):
        return Undecided("the partner's list has leads without phone, email and key")
    return None


def identities(values: Mapping[str, Any], region: str) -> set[str]:
    """What a person is known by, as it is compared: the phone in E.164, the email without case."""
    found = (normal_phone(values.get("phone"), region), normal_email(values.get("email")))
    return {each for each in found if each}


def _fits(lead: Claimed, candidate: PartnerLead) -> bool | None:
    """Whether a lead was made by our attempts, by its time; None if that does not tell."""
    first, made = lead.first_sent_at, candidate.made
    if first is None or made is None:
        return None
    last: datetime = lead.last_sent_at or first
    if made[1] < first - _CLOCKS_WRONG:
        return False
    if made[0] >= first - CLOCKS_APART and made[1] <= last + _CLOCKS_WRONG:
        return True
    return None
