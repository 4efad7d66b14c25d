"""When somebody has to look: rules over the delivery tables, told when they begin and when they end.

What has been told is kept in `delivery_alerts`, so that neither a restart nor a run a minute repeats it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from leadpipe.notices import Receiver, send

_WINDOW = timedelta(hours=24)
_REMINDER = timedelta(hours=24)
_LEAST_FOR_A_RATE = 5


@dataclass(frozen=True)
class AlertRules:
    """Thresholds: unresolved failed leads, success rate in percent over 24 hours, age of the oldest."""

    failed: int = 10
    success_rate: float = 95.0
    oldest: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class Alert:
    """Something to tell; texts hold counts and numbers of leads, no personal data."""

    rule: str
    is_firing: bool
    message: str


def due_alerts(
    connection: duckdb.DuckDBPyConnection, rules: AlertRules, *, now: datetime
) -> list[Alert]:
    """What should be told now: rules that began or ended to hold, a reminder a day."""
    told = {
        rule: (is_firing, at)
        for rule, is_firing, at in connection.execute(
            "SELECT rule, arg_max(is_firing, told_at), max(told_at) FROM delivery_alerts GROUP BY rule"
        ).fetchall()
    }
    alerts = []
    for alert in _judged(connection, rules, now):
        was_firing, at = told.get(alert.rule, (False, None))
        is_news = alert.is_firing != was_firing
        is_reminder = alert.is_firing and at is not None and now - at >= _REMINDER
        if is_news or is_reminder:
            alerts.append(alert)
    return alerts


def keep_told(
    connection: duckdb.DuckDBPyConnection, alerts: Sequence[Alert], *, now: datetime
) -> None:
    """Keep that these were told."""
    for alert in alerts:
        connection.execute(
            "INSERT INTO delivery_alerts VALUES (?, ?, ?, ?)",
            [alert.rule, alert.is_firing, alert.message, now],
        )


def tell(
    alerts: Sequence[Alert], receivers: Sequence[Receiver], *, log: Callable[[str], None]
) -> list[str]:
    """Send alerts as one message to the log and every receiver; the problems met."""
    if not alerts:
        return []
    text = "\n".join(f"leadpipe: {alert.message}" for alert in alerts)
    log(text)
    rules = ", ".join(alert.rule for alert in alerts)
    return send(text, receivers, subject=f"leadpipe: {rules}")


def _judged(connection: duckdb.DuckDBPyConnection, rules: AlertRules, now: datetime) -> list[Alert]:
    failed, oldest, succeeded, judged = _one(
        connection,
        """
        SELECT (SELECT count(*) FROM failed_leads WHERE NOT resolved),
               (SELECT min(taken_in_at) FROM lead_deliveries WHERE state NOT IN ('succeeded', 'given_up')),
               count(*) FILTER (state = 'succeeded'), count(*) FILTER (state NOT IN ('pending', 'given_up'))
        FROM lead_deliveries WHERE taken_in_at >= $since
        """,
        {"since": now - _WINDOW},
    )
    rate = 100.0 * succeeded / judged if judged >= _LEAST_FOR_A_RATE else 100.0
    age = now - oldest if oldest else timedelta(0)
    breaker = connection.execute(
        "SELECT state, reason FROM breaker_changes ORDER BY changed_at DESC LIMIT 1"
    ).fetchone()
    is_open = breaker is not None and breaker[0] == "open"
    return [
        Alert(
            "failed leads",
            failed >= rules.failed,
            f"{failed} failed leads wait (alert from {rules.failed}); see `leadpipe failed list`",
        ),
        Alert(
            "success rate",
            rate < rules.success_rate,
            f"{rate:.1f} % of the leads of 24 hours were delivered (alert below {rules.success_rate:g} %)",
        ),
        Alert(
            "oldest lead",
            age >= rules.oldest,
            f"the oldest undelivered lead has waited {age.total_seconds() / 3_600:.1f} hours",
        ),
        Alert(
            "circuit breaker",
            is_open,
            f"sending to the partner is stopped ({breaker[1]})"
            if breaker and is_open
            else "the partner takes leads again",
        ),
    ]


def _one(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]
) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    return row or (0, None, 0, 0)
