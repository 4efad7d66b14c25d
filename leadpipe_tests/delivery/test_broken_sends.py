"""A send that breaks in any way is `unknown`, and takes nobody else's outcome with it."""

import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest

from leadpipe.delivery import delivering, outbox
from leadpipe.delivery import partner as client
from leadpipe.delivery.breaker import Breaker
from leadpipe.errors import WarehouseLocked
from leadpipe_tests.delivery.builders import accepted, deliver_to, hand_over, lead, states
from leadpipe_tests.events.builders import rows

_LEADS = 12
_IN_TIME = {"deadline_seconds": 30.0}  # what is late on a busy machine is not broken
_UNREADABLE = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
_LAYERS = {
    "the lead's JSON": (client, "to_partner"),
    "its text": (client, "written"),
    "the pace": (client._Pace, "wait"),
    "the exchange": (client.Partner, "_exchange"),
    "making the request": (httpx.Client, "build_request"),
    "sending it": (httpx.Client, "send"),
    "the connection": (httpx.HTTPTransport, "handle_request"),
    "the answer's cookies": (httpx.Cookies, "extract_cookies"),
    "the answer's body": (client, "body_pieces"),
    "the answer's meaning": (client, "read_answer"),
    "the blanked key": (client.Partner, "_blanked"),
    "the breaker": (Breaker, "note"),
    "the whole submission": (client.Partner, "submit"),
    "the outcome's text": (delivering, "scrubbed"),
}
_AFTER = {"the answer's cookies", "the answer's body", "the answer's meaning", "the blanked key"}


def break_once(monkeypatch, place: Any, name: str, error: BaseException) -> None:
    """Let the third call of a function raise, before it did anything."""
    real = getattr(place, name)
    lock = threading.Lock()
    calls = [0]

    def broken(*given: Any, **named: Any) -> Any:
        with lock:
            calls[0] += 1
            is_third = calls[0] == 3
        if is_third:
            raise error
        return real(*given, **named)

    monkeypatch.setattr(place, name, broken)


@pytest.mark.parametrize(
    ("layer", "error"),
    [
        pytest.param(layer, error, id=f"{layer}-{type(error).__name__}")
        for layer in _LAYERS
        for error in (TypeError("odd"), KeyError("odd"), _UNREADABLE)
        if layer != "the outcome's text"
        # An address that cannot be written is no lead's fault: it stops them all.
        if (layer, error) != ("making the request", _UNREADABLE)
    ],
)
def test_whatever_a_send_raises_is_that_leads_alone(partner, warehouse, monkeypatch, layer, error):
    """Of twelve under way eleven are delivered; the one is not sent again before the partner was asked."""
    hand_over(warehouse, *(lead(number) for number in range(1, _LEADS + 1)))
    with monkeypatch.context() as patched:
        break_once(patched, *_LAYERS[layer], error)
        report = deliver_to(partner, warehouse, options=_IN_TIME)
    found = sorted(states(warehouse).values())
    wrong = [state for state in found if state != "succeeded"]
    assert len(found) - len(wrong) == _LEADS - 1
    # What cannot be written was never sent, and what cannot be asked for neither.
    assert wrong[0] in ({"unknown"} if layer in _AFTER else {"unknown", "failed", "retrying"})
    assert report.succeeded == _LEADS - 1
    assert rows(
        warehouse, "SELECT count(*) FROM failed_leads WHERE error_message ILIKE '%odd%'"
    ) == [(0,)]
    deliver_to(partner, warehouse, after=timedelta(minutes=5))
    deliver_to(partner, warehouse, after=timedelta(hours=5))
    there = accepted(partner)
    assert len(there) == len({*there})  # nobody twice
    assert len(there) == _LEADS - (wrong == ["failed"])


@pytest.mark.parametrize(
    "error", [TypeError("odd"), KeyError("odd")], ids=["TypeError", "KeyError"]
)
def test_a_text_that_cannot_be_cleaned_is_not_kept(partner, warehouse, monkeypatch, error):
    """A refusal whose words break the cover of personal data is `unknown`, without its words."""
    partner.configure(script=["reject"] * 4)
    hand_over(warehouse, *(lead(number) for number in range(1, 5)))
    with monkeypatch.context() as patched:
        break_once(patched, *_LAYERS["the outcome's text"], error)
        deliver_to(partner, warehouse)
    assert sorted(states(warehouse).values()) == ["failed", "failed", "failed", "unknown"]
    [(message,)] = rows(
        warehouse,
        "SELECT error_message FROM failed_leads JOIN lead_deliveries USING (id) WHERE state = 'unknown'",
    )
    assert message == f"what became of it could not be kept ({type(error).__name__})"


@pytest.mark.parametrize("broken", ["find", "matching"])
def test_a_question_that_breaks_stops_nobody(partner, warehouse, monkeypatch, broken):
    """Of two answers lost, the one whose question broke is asked for again, the other one is found."""
    partner.configure(script=["die", "die"])
    hand_over(warehouse, lead(1), lead(2), lead(3))
    deliver_to(partner, warehouse)
    with monkeypatch.context() as patched:
        place: Any = client.Partner if broken == "find" else delivering
        real = getattr(place, broken)
        calls: list[int] = []

        def first_breaks(*given: Any, **named: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise TypeError("odd")
            return real(*given, **named)

        patched.setattr(place, broken, first_breaks)
        deliver_to(partner, warehouse, after=timedelta(minutes=5))
    assert sorted(states(warehouse).values()) == ["succeeded", "succeeded", "unknown"]
    deliver_to(partner, warehouse, after=timedelta(hours=5))
    assert set(states(warehouse).values()) == {"succeeded"}
    assert len(accepted(partner)) == 3


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("odd"), WarehouseLocked("held")]
)
def test_what_stops_a_delivery_keeps_what_is_known(partner, warehouse, monkeypatch, error):
    """Interrupted, or failing itself, it waits for what is under way and keeps every answer."""
    hand_over(warehouse, *(lead(number) for number in range(1, _LEADS + 1)))
    place, name = (
        (delivering, "wait")
        if isinstance(error, KeyboardInterrupt)
        else (
            outbox,
            "release",
        )
    )
    calls: list[int] = []
    real = getattr(place, name)

    def breaks(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(*given, **named)

    monkeypatch.setattr(place, name, breaks)
    with pytest.raises(type(error)):
        deliver_to(partner, warehouse)
    assert set(states(warehouse).values()) == {"succeeded"}
    assert len(accepted(partner)) == _LEADS
    assert rows(
        warehouse,
        "SELECT outcome, count(*) FROM delivery_attempts GROUP BY outcome ORDER BY outcome",
    ) == [("accepted", _LEADS), ("sent", _LEADS)]
