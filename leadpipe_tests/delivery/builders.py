"""Small builders of leads, clients and policies for tests."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from leadpipe.delivery.delivering import DeliveryReport, deliver
from leadpipe.delivery.fields import checked_fields
from leadpipe.delivery.intake import take_in_leads
from leadpipe.delivery.partner import Partner, PartnerSettings
from leadpipe.delivery.policy import DeliveryPolicy
from leadpipe.warehouse import Warehouse
from leadpipe_tests.delivery.partner_process import PartnerProcess

POLICY = DeliveryPolicy(concurrency=4, settle=timedelta(0), first_wait=timedelta(seconds=60))


def lead(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A lead as a conversation ends with it."""
    return {
        "channel": "sms",
        "session_id": number,
        "full_name": f"Jane Doe{number}",
        "phone": f"+1201555{number:04d}",
        "email": f"jane{number}@example.org",
        "zip_code": "10001",
        "vehicle_make": "Ford",
        "vehicle_model": "F-150",
        "vehicle_year": 2019,
    } | fields


def partner_settings(url: str, **options: Any) -> PartnerSettings:
    """How the test partner is reached; with a short deadline."""
    given: dict[str, Any] = {
        "api_key": SecretStr("npa_test"),
        "fields": checked_fields(""),
        "deadline_seconds": 1.0,
    } | options
    return PartnerSettings(url, **given)


def hand_over(warehouse: Warehouse, *leads: dict[str, Any], now: datetime | None = None):
    """Put leads into the outbox."""
    with warehouse.writing("delivery") as connection:
        report, _ = take_in_leads(
            connection, leads, source="file", region="US", now=now or datetime.now(UTC)
        )
    return report


def deliver_to(
    process: PartnerProcess,
    warehouse: Warehouse,
    *,
    policy: DeliveryPolicy = POLICY,
    after: timedelta = timedelta(0),
    options: dict[str, Any] | None = None,
    **arguments: Any,
) -> DeliveryReport:
    """Deliver to the test partner, by a clock that is ahead by `after`."""
    with Partner(partner_settings(process.url, **(options or {}))) as partner:
        return deliver(
            warehouse,
            partner,
            policy=policy,
            clock=lambda: datetime.now(UTC) + after,
            jitter=lambda: 0.0,
            **arguments,
        )


def accepted(process: PartnerProcess) -> list[str]:
    """The session of every lead the partner has, in order."""
    return sorted(str(json.loads(json.dumps(item["session_id"]))) for item in process.leads())


def states(warehouse: Warehouse) -> dict[int, str]:
    """The state of every lead by number."""
    with warehouse.connect() as connection:
        rows = connection.execute("SELECT id, state FROM lead_deliveries ORDER BY id").fetchall()
    return dict(rows)
