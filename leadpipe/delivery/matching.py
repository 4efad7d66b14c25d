"""Whether a lead of the partner's list is ours.

By our key where the partner keeps it, else by person and time. Pure.
"""

from collections.abc import Iterable
from datetime import timedelta

from leadpipe.delivery.lead import e164
from leadpipe.delivery.outbox import Claimed
from leadpipe.delivery.partner import PartnerLead

_CLOCKS_APART = timedelta(minutes=5)


def matching(
    lead: Claimed, found: Iterable[PartnerLead], *, taken: set[str], region: str
) -> PartnerLead | None:
    """The partner's lead that came of our attempts; None if there is none.

    Without our key in the partner's list, the same phone or email counts when the partner made its lead
    since our first attempt, and no other lead of ours has it (`taken`).
    """
    candidates = list(found)
    for candidate in candidates:
        if candidate.key == lead.key:
            return candidate
    ours = (e164(lead.data.get("phone"), region), _email(lead.data.get("email")))
    for candidate in candidates:
        if candidate.key or candidate.npa_lead_id in taken:
            continue
        is_late_enough = (
            candidate.created_at is None
            or lead.first_sent_at is None
            or candidate.created_at >= lead.first_sent_at - _CLOCKS_APART
        )
        theirs = (
            e164(candidate.values.get("phone"), region),
            _email(candidate.values.get("email")),
        )
        if is_late_enough and any(
            a is not None and a == b for a, b in zip(ours, theirs, strict=True)
        ):
            return candidate
    return None


def _email(value: object) -> str | None:
    return str(value).strip().casefold() or None if value is not None else None
