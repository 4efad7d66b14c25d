"""Whether a lead of the partner's list is ours: by key, session, person and time, and never by a guess."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leadpipe.delivery.lead import spellings
from leadpipe.delivery.matching import Undecided, matching
from leadpipe.delivery.moments import moment, span_of
from leadpipe.delivery.outbox import Claimed
from leadpipe.delivery.partner import PartnerLead

_SENT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_KEY, _OTHER = "a" * 32, "b" * 32
_LEAD = Claimed(
    id=1,
    key=_KEY,
    channel="sms",
    session_id="17",
    data={"phone": "(201) 555-0123", "email": "Ann@Example.org"},
    attempts=1,
    first_sent_at=_SENT,
    last_sent_at=_SENT + timedelta(minutes=1),
)


def there(number: int = 1, at: object = "2026-11-21T12:00:00Z", key: str | None = None, **values):
    """A lead of the partner's list."""
    return PartnerLead(f"npa-{number}", key, span_of(at), {"phone": "+12015550123"} | values)


def decided(*found: PartnerLead, taken: tuple[str, ...] = (), rivals: int = 0, lead=_LEAD) -> str:
    """What is decided about our lead: an id, none or undecided."""
    match = matching(lead, found, taken=set(taken), region="US", rivals=rivals)
    if isinstance(match, Undecided):
        return "undecided"
    return "none" if match is None else str(match.npa_lead_id)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], "none"),
        ([there()], "npa-1"),
        ([there(phone="2015550123")], "npa-1"),
        ([there(phone="12015550123")], "npa-1"),
        ([there(phone="", email="ANN@EXAMPLE.ORG")], "npa-1"),
        ([there(phone="+12015550199")], "none"),
        ([there(2), there(1, key=_KEY, at="2020-01-01T00:00:00Z")], "npa-1"),
        ([there(key=_OTHER)], "none"),
        ([there(key="their-own-reference")], "npa-1"),
        ([there(at="2026-11-01T00:00:00Z")], "none"),
        ([there(at="2026-11-21T11:30:00Z")], "undecided"),
        ([there(at="2026-12-21T11:30:00Z")], "undecided"),
        ([there(at=None)], "undecided"),
        ([there(at="yesterday")], "undecided"),
        ([there(at="2026-11-21T12:00:00")], "undecided"),
        ([there(at="2026-11-21")], "undecided"),
        ([there(at="2026-11-01T12:00:00")], "none"),
        ([there(at=1_795_262_400)], "npa-1"),
        ([there(at="Sat, 21 Nov 2026 12:00:00 GMT")], "npa-1"),
        ([there(1), there(2)], "undecided"),
        ([there(1, at=None, session_id="17")], "npa-1"),
        ([there(1), there(2, session_id="17")], "npa-2"),
        ([there(1, session_id="18")], "none"),
        ([there(phone="")], "undecided"),
    ],
)
def test_what_is_decided_by_what_is_in_the_list(found, verdict):
    """Key first, then session, then person and time; several, or no time, are a person's."""
    assert decided(*found) == verdict


def test_leads_of_ours_with_one_person_share_what_is_there_only_in_full():
    """One there for two of ours: nobody knows which; two for two: both are there."""
    assert decided(there(1), rivals=1) == "undecided"
    assert decided(there(1), there(2), rivals=1) == "npa-1"
    assert decided(there(1), there(2), taken=("npa-1",)) == "npa-2"
    assert decided(there(1), taken=("npa-1",)) == "none"
    named = replace(_LEAD, npa_lead_id="npa-1")
    assert decided(there(1, at=None), taken=("npa-1",), lead=named) == "npa-1"


def test_a_zone_that_is_known_makes_a_time_a_moment():
    """NPA_TIMEZONE; without it a time is a span of 26 hours."""
    assert moment("2026-11-21T07:00:00", "America/New_York") == _SENT
    assert moment("2026-11-21T07:00:00") is None
    assert span_of("2026-11-21T07:00:00") == (
        datetime(2026, 11, 20, 17, tzinfo=UTC),
        datetime(2026, 11, 21, 19, tzinfo=UTC),
    )
    assert span_of("9" * 400) is span_of("2026-13-40") is span_of({}) is None


def test_the_partner_is_asked_in_every_spelling():
    """As given, E.164, digits, national, and as people write it."""
    assert spellings("(201) 555-0123", "US") == [
        "(201) 555-0123",
        "(201)555-0123",
        "+12015550123",
        "12015550123",
        "2015550123",
        "+1 201-555-0123",
    ]
    assert "08031234567" in spellings("+2348031234567", "NG")
