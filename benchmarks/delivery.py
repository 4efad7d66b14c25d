"""10,000 leads to a partner with 50 ms latency, 5 % errors and random deaths, against the ideal.

The ideal: every request in its slot, `requests * 50 ms / concurrency`. Nothing may be lost or accepted twice.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from leadpipe.delivery.delivering import deliver
from leadpipe.delivery.fields import checked_fields
from leadpipe.delivery.intake import take_in_leads
from leadpipe.delivery.partner import Partner, PartnerSettings
from leadpipe.delivery.policy import DeliveryPolicy
from leadpipe.warehouse import Warehouse
from leadpipe_tests.delivery.partner_process import PartnerProcess

_LATENCY = 0.05
_CONCURRENCY = 8
_MOST_ROUNDS = 30


def run(*, is_full: bool) -> None:
    """Deliver until nothing is left, for a partner that honours keys and one that can only be asked."""
    leads = 10_000 if is_full else 1_000
    for honours_key in (True, False):
        _measure(leads, honours_key=honours_key)


def _measure(leads: int, *, honours_key: bool) -> None:
    ahead = timedelta(0)
    with tempfile.TemporaryDirectory() as folder, PartnerProcess.start() as partner:
        partner.configure(
            latency=_LATENCY, busy_rate=0.05, death_rate=0.01, honours_key=honours_key
        )
        warehouse = Warehouse(Path(folder) / "w.duckdb")
        items = [
            {"channel": "sms", "session_id": n, "phone": f"+1201555{n:04d}"} for n in range(leads)
        ]
        with warehouse.writing("delivery") as connection:
            take_in_leads(connection, items, source="file", region="US", now=datetime.now(UTC))
        policy = DeliveryPolicy(concurrency=_CONCURRENCY, settle=timedelta(0))
        settings = PartnerSettings(
            partner.url,
            api_key=SecretStr(partner.api_key),
            fields=checked_fields(""),
            connections=_CONCURRENCY,
        )
        started = time.perf_counter()
        first = 0.0
        sent = 0
        with Partner(settings) as client:
            for _ in range(_MOST_ROUNDS):
                report = deliver(warehouse, client, policy=policy, clock=_ahead(ahead))
                sent += report.sent
                if not first:
                    first = time.perf_counter() - started
                    ideal = report.sent * _LATENCY / _CONCURRENCY
                    print(
                        f"{'keys' if honours_key else 'list only'}: {report.sent} requests in {first:.1f} s, "
                        f"ideal {ideal:.1f} s: {100 * ideal / first:.0f} %"
                    )
                if not report.sent and not report.unknown:
                    break
                ahead += timedelta(hours=7)
        there = Counter(str(item["session_id"]) for item in partner.leads())
        twice = sum(count > 1 for count in there.values())
        lost = leads - len(there)
        print(f"  {sent} requests in all, {lost} leads lost, {twice} accepted twice")
        if lost or twice:
            raise RuntimeError("a lead was lost or accepted twice")


def _ahead(by: timedelta) -> Callable[[], datetime]:
    """A clock that is ahead, so that nobody waits for a retry."""
    return lambda: datetime.now(UTC) + by
