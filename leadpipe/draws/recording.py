"""Record a draw's results in PostHog: an event a place, each exactly once, resumable half way.

An event's id follows from the draw's commitment and the place, so sending it again changes nothing. A
place counts as recorded only after a query has found its event.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from leadpipe.draws.drawing import RUNNER_UP_EVENT, WINNER_EVENT
from leadpipe.errors import PostHogUnavailable, UnknownDraw
from leadpipe.posthog import PostHog
from leadpipe.posthog.capture import Capture, Event, verify_captured
from leadpipe.warehouse import Warehouse

_EVENTS_AT_ONCE = 100


@dataclass(frozen=True)
class RecordReport:
    """What became of a draw's places: all of them, sent now, and found in PostHog now."""

    draw_id: str
    places: int
    sent: int
    recorded: int


def record_draw(
    warehouse: Warehouse,
    posthog: PostHog,
    capture: Callable[[], AbstractContextManager[Capture]],
    draw_date: date,
    *,
    clock: Callable[[], datetime],
    deadline_seconds: float = 120.0,
) -> RecordReport:
    """Send what PostHog does not have yet of the date's draw, and wait until all of it has arrived.

    The warehouse is open only to read the places and to note what arrived.

    Args:
        warehouse: where the draw is.
        posthog: asked which events there are.
        capture: opens a sender; not called when there is nothing to send.
        draw_date: of a draw that was carried out.
        clock: now (UTC).
        deadline_seconds: how long to wait for events that were sent.

    Raises:
        UnknownDraw: the date's draw was not carried out.
        PostHogUnavailable: some did not arrive; run it again.
    """
    with warehouse.connect() as connection:
        draw_id, drawn_at, places = _drawn(connection, draw_date)
        waiting = _unrecorded(connection, draw_id, drawn_at)
    sent = recorded = 0
    for start in range(0, len(waiting), _EVENTS_AT_ONCE):
        events = {event.uuid: event for event in waiting[start : start + _EVENTS_AT_ONCE]}
        missing = verify_captured(posthog, list(events), since=drawn_at, deadline_seconds=0.0)
        if missing:
            with capture() as sender:
                report = sender.send([events[uuid] for uuid in missing])
            sent += len(report.sent)
            unknown = verify_captured(
                posthog, missing, since=drawn_at, deadline_seconds=deadline_seconds
            )
            reason = report.reason or "they were sent, but a query does not find them yet"
        else:
            unknown, reason = (), ""
        recorded += _note(warehouse, draw_id, sorted(set(events) - set(unknown)), clock())
        if unknown:
            raise PostHogUnavailable(
                f"{len(unknown)} results of {draw_id} are not in PostHog ({reason}). Run "
                f"leadpipe draws record {draw_date} again: what is there is not sent twice.",
                request_name="results of a draw",
            )
    return RecordReport(draw_id, places, sent, recorded)


def _drawn(connection: duckdb.DuckDBPyConnection, draw_date: date) -> tuple[str, datetime, int]:
    found = connection.execute(
        "SELECT draw_id, drawn_at, (SELECT count(*) FROM draw_winners WHERE draw_id = draws.draw_id) "
        "FROM draws WHERE draw_date = ? AND status = 'drawn'",
        [draw_date],
    ).fetchone()
    if found is None:
        raise UnknownDraw(
            f"The draw of {draw_date} was not carried out yet: leadpipe draws run {draw_date}"
        )
    return found[0], found[1], int(found[2])


def _unrecorded(
    connection: duckdb.DuckDBPyConnection, draw_id: str, drawn_at: datetime
) -> list[Event]:
    rows = connection.execute(
        "SELECT event_uuid::VARCHAR, draw_date, prize_tier_id, prize_tier_name, prize_value, "
        "is_runner_up, rank, distinct_id FROM draw_winners "
        "WHERE draw_id = ? AND recorded_at IS NULL "
        "ORDER BY is_runner_up, prize_tier_id, rank",
        [draw_id],
    ).fetchall()
    return [
        Event(
            event_uuid,
            RUNNER_UP_EVENT if is_runner_up else WINNER_EVENT,
            distinct_id,
            drawn_at,
            {
                "draw_id": draw_id,
                "draw_date": draw_date.isoformat(),
                "prize_tier_id": tier_id,
                "prize_tier_name": tier_name,
                "prize_value": value,
                "is_runner_up": is_runner_up,
                "runner_up_rank": rank if is_runner_up else None,
            },
        )
        for event_uuid, draw_date, tier_id, tier_name, value, is_runner_up, rank, distinct_id in rows
    ]


def _note(warehouse: Warehouse, draw_id: str, uuids: list[str], now: datetime) -> int:
    with warehouse.writing("participants") as connection:
        found = connection.execute(
            "UPDATE draw_winners SET recorded_at = $now WHERE draw_id = $draw_id "
            "AND event_uuid::VARCHAR IN (SELECT unnest($uuids::VARCHAR[]))",
            {"now": now, "draw_id": draw_id, "uuids": uuids},
        ).fetchone()
    return int(found[0]) if found else 0
