"""Bodies as PostHog's webhook sends them."""

import json
import uuid
from datetime import date
from pathlib import Path
from typing import Any

from leadpipe.inbox.payloads import Reader
from leadpipe_tests.clocks import NOW

RECORDED = json.loads(
    (Path(__file__).parents[1] / "recorded" / "webhook_pageview.json").read_text(encoding="utf-8")
)
FIRST_DAY = date(2026, 1, 1)
READER = Reader(wanted={"$pageview", "lead_phone", "recharge"}, first_day=FIRST_DAY)
UUID = "01a1fc4d-e556-70ab-addc-29531eaab2ae"
TIME = "2026-11-20T10:00:00.123Z"


def an_event(**fields: Any) -> dict[str, Any]:
    """A flat event; None leaves a field out."""
    event = {
        "uuid": UUID,
        "event": "$pageview",
        "timestamp": TIME,
        "distinct_id": "device-1",
        "properties": {"$pathname": "/"},
    } | fields
    return {name: value for name, value in event.items() if value is not None}


def a_body(*, person: object = {"id": "person-1"}, **fields: Any) -> dict[str, Any]:
    """PostHog's default body around an event."""
    body: dict[str, Any] = {"event": an_event(**fields)}
    return body | ({"person": person} if person is not None else {})


def fresh(**fields: Any) -> dict[str, Any]:
    """A body with a uuid of its own."""
    return a_body(uuid=str(uuid.uuid4()), **fields)


def payload(*bodies: object) -> Any:
    """What the reader makes of bodies sent together."""
    return READER.read(json.dumps(list(bodies)).encode(), now=NOW)
