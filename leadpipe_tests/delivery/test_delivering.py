"""What becomes of a lead, by what the partner does with it."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leadpipe_tests.delivery.builders import POLICY, accepted, deliver_to, hand_over, lead, states
from leadpipe_tests.events.builders import rows


def test_a_lead_is_delivered_with_the_partners_answer_and_id(partner, warehouse):
    """A success is in succeeded_leads with the answer and the partner's id."""
    assert hand_over(warehouse, lead(1)).new == 1
    report = deliver_to(partner, warehouse)
    assert (report.sent, report.succeeded) == (1, 1)
    [(response, npa_id, channel, session)] = rows(
        warehouse,
        "SELECT npa_response ->> '$.lead.id', npa_lead_id, channel, session_id FROM succeeded_leads",
    )
    assert (response, npa_id, channel, session) == ("npa-1", "npa-1", "sms", "1")
    assert accepted(partner) == ["1"]
    assert deliver_to(partner, warehouse).sent == 0


def test_two_events_of_one_session_are_one_lead(partner, warehouse):
    """The key is the conversation session, whatever comes twice."""
    report = hand_over(warehouse, lead(1), lead(1, full_name="Jane Other"), lead(2))
    assert (report.new, report.duplicate) == (2, 1)
    assert hand_over(warehouse, lead(1)).new == 0
    deliver_to(partner, warehouse)
    assert accepted(partner) == ["1", "2"]


@pytest.mark.parametrize(
    ("behaviour", "state", "reason"),
    [
        ("reject", "failed", "HTTP 422: refused (phone [phone] is not wanted)"),
        ("error_inside", "failed", "HTTP 200 with an error inside (zip code not served)"),
        ("busy", "retrying", "HTTP 503: not available (busy)"),
        ("broken", "unknown", "HTTP 500: failed on the partner's side (internal)"),
        (
            "html",
            "unknown",
            "HTTP 200 with an HTML page instead of an answer; is NPA_API_URL the API's address?",
        ),
        ("stall", "unknown", "no whole answer within 0.5 s (ReadTimeout)"),
        ("late", "unknown", "no whole answer within 0.5 s (ReadTimeout)"),
        ("die", "unknown", "the connection ended before the answer (RemoteProtocolError)"),
        ("die_before", "unknown", "the connection ended before the answer (RemoteProtocolError)"),
        (
            "redirect",
            "retrying",
            (
                "HTTP 302: a redirect, which is not followed as it would show the key to another address. "
                "Correct NPA_API_URL."
            ),
        ),
        ("silent", "succeeded", None),
    ],
)
def test_each_answer_leads_to_its_state_with_a_precise_reason(
    partner, warehouse, behaviour, state, reason
):
    """The lead is kept whatever the partner does, and the reason names no personal data."""
    partner.configure(script=[behaviour], seconds=0.8)
    hand_over(warehouse, lead(1))
    deliver_to(partner, warehouse, options={"deadline_seconds": 0.5})
    assert states(warehouse) == {1: state}
    failed = rows(warehouse, "SELECT error_message, resolved FROM failed_leads")
    assert failed == ([] if reason is None else [(reason, False)])


@pytest.mark.parametrize(
    ("honours_key", "keeps_key"), [(True, True), (False, True), (False, False)]
)
@pytest.mark.parametrize("behaviour", ["late", "die", "die_before"])
def test_what_may_have_been_taken_is_asked_for_before_it_is_sent_again(
    partner, warehouse, behaviour, honours_key, keeps_key
):
    """The partner ends with each lead once, whether it took it or not, and whether it knows keys or not."""
    partner.configure(script=[behaviour], seconds=0.6, honours_key=honours_key, keeps_key=keeps_key)
    hand_over(warehouse, lead(1), lead(2))

    deliver_to(partner, warehouse, options={"deadline_seconds": 0.4})
    time.sleep(0.4)  # the settling time: a late partner takes the lead after our deadline
    deliver_to(partner, warehouse, after=timedelta(minutes=5))
    assert accepted(partner) == ["1", "2"]
    assert states(warehouse) == {1: "succeeded", 2: "succeeded"}
    assert rows(warehouse, "SELECT count(*) FROM succeeded_leads") == [(2,)]
    assert rows(warehouse, "SELECT count(*) FROM failed_leads WHERE NOT resolved") == [(0,)]


@pytest.mark.parametrize("spelling", ["e164", "digits", "national", "pretty"])
@pytest.mark.parametrize(
    "given", ["+12015550001", "(201) 555-0001", "1-201-555-0001", "2015550001"]
)
def test_a_lost_answer_is_found_in_the_partners_own_spelling(partner, warehouse, spelling, given):
    """It finds its leads in the spelling it keeps them in alone, and keeps no key and no session."""
    partner.configure(
        script=["die"],
        honours_key=False,
        keeps_key=False,
        keeps_session=False,
        spelling=spelling,
        is_searched_as_kept=True,
    )
    hand_over(warehouse, lead(1, phone=given, email="Jane@Example.org"))
    deliver_to(partner, warehouse)
    deliver_to(partner, warehouse, after=timedelta(minutes=5))
    assert (partner.requests(), states(warehouse)) == (1, {1: "succeeded"})


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"clock_seconds": 200}, "succeeded"),
        ({"clock_seconds": -1_800}, "unknown"),
        ({"clock_seconds": -1_800, "keeps_session": True}, "succeeded"),
        ({"has_zones": False}, "unknown"),
        ({"has_zones": False, "keeps_key": True}, "succeeded"),
    ],
)
def test_a_time_that_does_not_tell_is_a_persons(partner, warehouse, told, state):
    """A clock that is wrong, or no zone: it is neither taken for ours nor sent again."""
    usual = {"honours_key": False, "keeps_key": False, "keeps_session": False}
    partner.configure(script=["die"], **(usual | told))
    hand_over(warehouse, lead(1))
    for minutes in (0, 5, 500):
        deliver_to(partner, warehouse, after=timedelta(minutes=minutes))
    assert (partner.requests(), states(warehouse)) == (1, {1: state})


def test_two_leads_of_one_person_are_not_mistaken_for_each_other(partner, warehouse):
    """Both answers lost, one of them there: nobody can tell which, so neither is sent."""
    partner.configure(
        script=["die", "die_before"], honours_key=False, keeps_key=False, keeps_session=False
    )
    hand_over(warehouse, lead(1), lead(2, phone="201-555-0001", email=""))
    for minutes in (0, 5):
        deliver_to(partner, warehouse, after=timedelta(minutes=minutes))
    assert (partner.requests(), set(states(warehouse).values())) == (2, {"unknown"})
    assert rows(
        warehouse, "SELECT count(*) FROM delivery_attempts WHERE outcome = 'undecided'"
    ) == [(2,)]


def test_nothing_is_sent_again_before_the_partner_had_its_time(partner, warehouse):
    """A lead that is not in the list yet may still be taken: it waits for the settling time."""
    partner.configure(script=["stall"], seconds=0.6, honours_key=False)
    hand_over(warehouse, lead(1))
    policy = policy_with(settle=timedelta(minutes=2))
    deliver_to(partner, warehouse, options={"deadline_seconds": 0.4})
    deliver_to(partner, warehouse, policy=policy, after=timedelta(minutes=1), ids=[1])
    assert (states(warehouse), partner.requests()) == ({1: "unknown"}, 1)
    deliver_to(partner, warehouse, policy=policy, after=timedelta(minutes=3))
    assert (states(warehouse), partner.requests()) == ({1: "succeeded"}, 2)


def test_what_a_dead_process_left_settles_from_when_it_is_found(partner, warehouse):
    """Its request may have begun long after its claim, so the claim's time says nothing."""
    hand_over(warehouse, lead(1))
    with warehouse.writing("delivery") as connection:
        connection.execute(
            "UPDATE lead_deliveries SET state = 'sent', attempts = 1, "
            "first_sent_at = $at, last_sent_at = $at",
            {"at": datetime.now(UTC) - timedelta(hours=1)},
        )
    policy = policy_with(settle=timedelta(minutes=2))
    deliver_to(partner, warehouse, policy=policy)
    assert (states(warehouse), partner.requests()) == ({1: "unknown"}, 0)
    deliver_to(partner, warehouse, policy=policy, after=timedelta(minutes=3))
    assert (states(warehouse), partner.requests()) == ({1: "succeeded"}, 1)


def test_a_partner_that_cannot_be_asked_leaves_it_to_a_person(partner, warehouse):
    """Without list and without keys nothing is sent again by itself."""
    partner.configure(script=["die"], honours_key=False)
    hand_over(warehouse, lead(1))
    for minutes in (0, 5, 10):
        deliver_to(
            partner, warehouse, after=timedelta(minutes=minutes), options={"list_path": None}
        )
    assert (states(warehouse), partner.requests()) == ({1: "unknown"}, 1)


def test_a_partner_with_keys_but_no_list_is_sent_the_same_key_again(partner, warehouse):
    """Sending with the same key asks and sends at once."""
    partner.configure(script=["die"], honours_key=True, offers_list=False)
    policy = policy_with(honours_key=True)
    hand_over(warehouse, lead(1))
    for minutes in (0, 5):
        deliver_to(
            partner,
            warehouse,
            policy=policy,
            after=timedelta(minutes=minutes),
            options={"list_path": None},
        )
    assert (accepted(partner), states(warehouse)) == (["1"], {1: "succeeded"})


def test_retries_wait_longer_each_time_and_end_with_a_person(partner, warehouse):
    """Attempts are counted, the next time is visible, and the history keeps every error."""
    partner.configure(default="busy")
    policy = policy_with(most_attempts=3, breaker_after=100)
    hand_over(warehouse, lead(1))
    waits = []
    for minutes in (0, 10, 20, 30):
        deliver_to(partner, warehouse, policy=policy, after=timedelta(minutes=minutes))
        [(wait, count)] = rows(
            warehouse,
            "SELECT round(epoch(next_attempt_at - last_sent_at) / 30), attempts FROM lead_deliveries",
        )
        waits.append((wait, count))
    assert waits == [(1, 1), (2, 2), (None, 3), (None, 3)]
    assert states(warehouse) == {1: "failed"}
    [(message, retries, resolved)] = rows(
        warehouse, "SELECT error_message, retry_count, resolved FROM failed_leads"
    )
    assert (message.count("HTTP 503"), retries, resolved) == (3, 2, False)
    partner.configure(default="accept")
    deliver_to(partner, warehouse, policy=policy, ids=[1], after=timedelta(minutes=40))
    assert rows(warehouse, "SELECT retry_count, resolved FROM failed_leads") == [(3, True)]
    assert rows(warehouse, "SELECT id FROM succeeded_leads") == [(1,)]


def test_a_dead_partner_is_left_alone(partner, warehouse):
    """After failures in a row nothing is sent until the rest is over; then one lead decides."""
    partner.configure(default="busy")
    policy = policy_with(breaker_after=5, concurrency=2)
    hand_over(warehouse, *(lead(number) for number in range(1, 61)))
    report = deliver_to(partner, warehouse, policy=policy)
    assert 5 <= partner.requests() <= 7
    assert report.stopped is not None
    assert "busy: HTTP 503 5 times in a row" in report.stopped
    before = partner.requests()
    assert deliver_to(partner, warehouse, policy=policy, after=timedelta(seconds=20)).sent == 0
    deliver_to(partner, warehouse, policy=policy, after=timedelta(seconds=70))
    assert partner.requests() == before + 1
    partner.configure(default="accept")
    deliver_to(partner, warehouse, policy=policy, after=timedelta(minutes=20))
    assert len(accepted(partner)) == len(set(accepted(partner))) == 60
    assert rows(warehouse, "SELECT state FROM breaker_changes ORDER BY changed_at") == [
        ("open",),
        ("open",),
        ("closed",),
    ]


def test_invalid_leads_are_kept_with_a_precise_reason(partner, warehouse):
    """Nothing is sent that the partner could not use, and nothing is lost."""
    hand_over(
        warehouse,
        lead(1, phone=None, email=""),
        lead(2, zip_code="1234"),
        lead(3, channel="fax"),
        lead(4, full_name="x" * 5_000_000),
        lead(5, phone="12"),
        lead(6, email="nobody"),
    )
    deliver_to(partner, warehouse)
    assert partner.requests() == 0
    assert rows(warehouse, "SELECT id, error_message FROM failed_leads ORDER BY id") == [
        (1, "neither phone nor email, so nobody could be reached"),
        (2, "the zip_code is none: 5 digits, or 9"),
        (3, "unknown channel 'fax'; it should be sms or voice"),
        (4, "the field 'full_name' has 5,000,000 characters; 1,000 are the most"),
        (5, "the phone number has 2 digits and is none (US)"),
        (6, "the email address is none"),
    ]
    assert rows(
        warehouse, "SELECT length(lead_data ->> 'full_name') FROM failed_leads WHERE id = 4"
    ) == [(5_000_000,)]


def policy_with(**changes):
    """The tests' policy with changes."""
    return replace(POLICY, **changes)
