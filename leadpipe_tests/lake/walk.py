"""One walk through everything that a warehouse is for: each domain's core, in the order of a team's days."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from leadpipe.delivery import outbox
from leadpipe.delivery.alerts import AlertRules, due_alerts, keep_told
from leadpipe.delivery.breaker import BreakerChange, keep_changes
from leadpipe.delivery.intake import revalidate, take_in_events, take_in_leads
from leadpipe.delivery.outbox import Choice, Outcome
from leadpipe.delivery.partner_events import (
    apply_partner_event,
    read_partner_event,
    settle_partner_events,
)
from leadpipe.delivery.reconciling import Finding, Reconciliation, keep, resubmit
from leadpipe.delivery.retention import forget_old
from leadpipe.delivery.settling import Decision, settle
from leadpipe.draws.blacklist import Block, add_blocks, end_block
from leadpipe.draws.drawing import freeze, run
from leadpipe.draws.participants import build_participants
from leadpipe.draws.prizes import Tier
from leadpipe.draws.register import withdraw
from leadpipe.events.persons import PersonRank, assign
from leadpipe.inspecting import all_inspections, inspect_all
from leadpipe.leads.edits import Change, LeadEdits
from leadpipe.leads.folding import update_leads
from leadpipe.leads.scores import BUILT_IN
from leadpipe.published.tables import publish_tables, tables_that_differ
from leadpipe.rebuild import rebuild
from leadpipe.visitors.metrics import WeekCounts, store_week
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.delivery.builders import hand_over, lead
from leadpipe_tests.draws.builders import (
    DRAW_DATE,
    RULES,
    SEED,
    mark_read,
    msisdn,
    recharge,
)
from leadpipe_tests.events.builders import build_marts, event, settings_of, take_in

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

Step = Callable[[Warehouse, Path], object]


def events_come(warehouse: Warehouse, folder: Path) -> object:
    """Loads with duplicates, later and older copies, other persons, and what cannot be read."""
    first = [
        event(
            "property_view",
            NOW - n * 7 * _HOUR,
            listing_id=f"flat-{n % 3}",
            person_id=f"person-{n % 5}",
        )
        for n in range(20)
    ]
    first += [
        event(name, NOW - n * _DAY, listing_id=f"flat-{n % 3}", seeker_id=f"seeker-{n % 2}")
        for n, name in enumerate(("lead_phone", "lead_message", "lead_appointment", "lead_phone"))
    ]
    first += [
        event("lead_phone", NOW - _HOUR),  # of no listing
        event("listing_sold", NOW - _HOUR, listing_id="flat-1", price="120000.50"),
        event("impression_share", NOW - 2 * _HOUR, listing_id="flat-2", platform="whatsapp"),
        event(
            "$pageview",
            NOW - 3 * _HOUR,
            person_id="person-1",
            **{"$current_url": "https://a.example/"},
        ),
        *(recharge(n, 100 * n, NOW.replace(hour=8) - _DAY) for n in range(1, 6)),
        recharge(6, "much", NOW.replace(hour=8) - _DAY),
        event("lead_captured", NOW - _HOUR, **{**lead(7), "channel": "voice"}),
    ]
    later = [
        {**first[0], "person_id": "person-of-a-webhook"},
        {**first[1], "created_at": NOW - timedelta(minutes=1), "listing_id": "flat-9"},
        {**first[2], "created_at": NOW - 9 * _DAY, "listing_id": "never"},
        {**first[3], "timestamp": first[3]["timestamp"] - 2 * _DAY, "created_at": NOW},
        {**first[4], "event": "lead_phone", "distinct_id": "somebody-else", "created_at": NOW},
        event("lead_phone", NOW - 40 * _DAY, listing_id="flat-0", seeker_id="seeker-1"),
    ]
    unread = event("property_view", NOW - _HOUR, listing_id="flat-1", created_at=None)
    return [
        take_in(warehouse, folder, [unread], now=NOW, run_id="run-0", rank=PersonRank.INGESTION),
        take_in(warehouse, folder, [*first, ["no uuid"]], now=NOW),
        take_in(warehouse, folder, first, now=NOW + _HOUR, run_id="run-2"),
        take_in(warehouse, folder, later[:1], now=NOW, run_id="run-3", rank=PersonRank.INGESTION),
        take_in(warehouse, folder, later, now=NOW, run_id="run-4"),
    ]


def persons_merge(warehouse: Warehouse, folder: Path) -> object:
    """A person becomes another one."""
    with warehouse.writing("door") as connection:
        ids = connection.execute(
            "SELECT min(distinct_id) FROM raw_events WHERE person_id = 'person-1'"
        ).fetchall()
        return sorted(assign(connection, [(ids[0][0], "person-2")]))


def marts_are_built(warehouse: Warehouse, folder: Path) -> object:
    """All marts from all events, and once more from scratch."""
    build_marts(warehouse)
    return rebuild(settings_of(warehouse), now=NOW, is_rescored=True)


def people_edit_leads(warehouse: Warehouse, folder: Path) -> object:
    """A status and a note, then the lead's events are erased in PostHog, and with them the note."""
    edits = LeadEdits(folder / "lead_edits.sqlite")
    with warehouse.connect() as connection:
        [(one,), (other,), *_] = connection.execute(
            "SELECT DISTINCT lead_id FROM leads ORDER BY lead_id"
        ).fetchall()
    edits.change([Change("edit-1", one, "status", "contacted")], author="ada", now=NOW)
    edits.change([Change("edit-2", one, "note", "Ada's note")], author="ada", now=NOW)
    edits.change([Change("edit-3", other, "note", "stays")], author="ada", now=NOW)
    with warehouse.connect() as connection:
        reports = [update_leads(connection, edits, rules=BUILT_IN, now=NOW)]
        runs = connection.execute("SELECT run_id FROM leads WHERE lead_id = ?", [one]).fetchall()
        connection.execute(
            "INSERT INTO gone_events SELECT uuid, event, event_date, run_id, $now FROM raw_events WHERE "
            "CAST(uuid AS VARCHAR) IN (SELECT unnest(lead_actions ->> '$[*].action_id') FROM leads "
            "WHERE lead_id = $lead)",
            {"now": NOW, "lead": one},
        )
        connection.execute("DELETE FROM raw_events WHERE uuid IN (SELECT uuid FROM gone_events)")
        connection.execute(
            "UPDATE runs SET version = version + 1 WHERE list_contains($runs::VARCHAR[], run_id)",
            {"runs": [run_id for (run_id,) in runs]},
        )
        reports += [update_leads(connection, edits, rules=BUILT_IN, now=NOW)]
    assert reports[1].erased == 1
    return reports


def weeks_are_counted(warehouse: Warehouse, folder: Path) -> object:
    """A week that is counted twice."""
    week, first, second = date(2026, 11, 16), WeekCounts(5, 9, 1), WeekCounts(6, 10, 1)
    with warehouse.writing("door") as connection:
        store_week(connection, week, first, None, source="posthog", run_id="run-1", now=NOW)
        store_week(
            connection, week, second, first, source="posthog", run_id="run-2", now=NOW + _HOUR
        )
    return None


def draws_are_held(warehouse: Warehouse, folder: Path) -> object:
    """A block, a list, a draw, one that is redone, one that is withdrawn."""
    mark_read(warehouse)
    options: Mapping[str, Any] = {"author": "ada", "now": NOW, "zone": "Africa/Lagos"}
    with warehouse.writing("door") as connection:
        blocks = [Block(msisdn(n), DRAW_DATE, None, "staff") for n in (1, 2)]
        add_blocks(connection, blocks, **options, is_backdated=True)
        end_block(connection, msisdn(2), until=DRAW_DATE + _DAY, **options)
    with warehouse.connect() as connection:
        built = build_participants(connection, DRAW_DATE, DRAW_DATE, rules=RULES, now=NOW)
        tiers = (Tier(1, "Airtime", 5_000, 3),)
        freeze(connection, DRAW_DATE, tiers, rules=RULES, now=NOW, seed=SEED)
        first = run(connection, DRAW_DATE, now=NOW)
        second, frozen = freeze(
            connection,
            DRAW_DATE,
            tiers,
            rules=RULES,
            now=NOW,
            seed=SEED,
            redo_reason="a wrong prize",
        )
        drawn = run(connection, DRAW_DATE, now=NOW + _HOUR, frozen=frozen)
        withdraw(connection, DRAW_DATE, "not the right day")
    return built, first, second, drawn


def leads_are_delivered(warehouse: Warehouse, folder: Path) -> object:
    """Leads come in twice, are sent, refused, unknown, settled, compared and forgotten."""
    hand_over(warehouse, lead(1), lead(2), lead(2), lead(3), lead(4, phone="nobody's"), now=NOW)
    with warehouse.writing("door") as connection:
        reports: list[object] = [take_in_events(connection, region="US", now=NOW)]
        reports += take_in_leads(
            connection, ["{broken", lead(1)], source="file", region="US", now=NOW
        )
        reports.append(revalidate(connection, [4], region="US", now=NOW))
        claimed = outbox.claim(connection, Choice(NOW), limit=10, now=NOW)
        reports += claimed
        ids = [one.id for one in claimed]
        outbox.release(connection, ids[3:], now=NOW, until=NOW + _HOUR)
        outcomes = [
            Outcome(
                ids[0],
                "succeeded",
                "accepted",
                NOW,
                npa_lead_id="npa-1",
                response='{"id": "npa-1"}',
            ),
            Outcome(ids[1], "failed", "refused", NOW, "no such zip code", status=422),
        ]
        outbox.record(connection, outcomes)
        reports.append(outbox.recover(connection, now=NOW))
        connection.execute(
            "INSERT INTO partner_events VALUES ('early', NULL, 'npa-1', 'sold', ?, ?)", [NOW, NOW]
        )
        assert settle_partner_events(connection) == 1
        notice = (
            b'{"lead_id": "npa-1", "status": "contacted", "occurred_at": "2026-11-21T10:00:00Z"}'
        )
        for body in (notice, notice, notice.replace(b"npa-1", b"npa-9")):
            read = read_partner_event(body, event_id=None, now=NOW)
            reports.append(apply_partner_event(connection, read, now=NOW))
        decisions: list[tuple[int, Decision]] = [(ids[2], "give_up"), (ids[1], "send_again")]
        for number, decision in decisions:
            reports.append(
                settle(connection, number, decision, who="ada", why="as agreed", now=NOW)
            )
        keep_changes(
            connection, [BreakerChange("open", "busy", timedelta(minutes=1), NOW + _HOUR, NOW)]
        )
        rules = AlertRules(failed=1, success_rate=99.0, oldest=_HOUR)
        alerts = due_alerts(connection, rules, now=NOW)
        keep_told(connection, alerts, now=NOW)
        reports += alerts
        found = Reconciliation(1, 0, (Finding("missing", ids[0], "npa-1"),))
        keep(
            connection,
            found,
            source="api",
            since=NOW - _DAY,
            until=NOW,
            channel=None,
            resubmitted=0,
            now=NOW,
        )
        assert resubmit(connection, [ids[0], ids[1]], now=NOW) == 1
        outbox.record(connection, outcomes[:1])
    return reports


def old_leads_are_forgotten(warehouse: Warehouse, folder: Path) -> object:
    """The personal data of what was delivered goes, what waits stays."""
    with warehouse.writing("door") as connection:
        return forget_old(connection, days=1, now=NOW + 2 * _DAY)


def tables_are_published(warehouse: Warehouse, folder: Path) -> object:
    """Everything is published, a second time what changed, and compared with the warehouse."""
    with warehouse.connect() as connection:
        published = [publish_tables(connection, folder / "published", now=NOW) for _ in range(2)]
        assert tables_that_differ(connection, folder / "published", now=NOW, is_whole=True) == []
    return published


def tables_are_inspected(warehouse: Warehouse, folder: Path) -> object:
    """Every part of every table is looked at."""
    with warehouse.connect() as connection:
        return [
            inspect_all(connection, one, settings_of(warehouse), now=NOW)
            for one in all_inspections()
        ]


STEPS: tuple[Step, ...] = (
    events_come,
    persons_merge,
    marts_are_built,
    people_edit_leads,
    weeks_are_counted,
    draws_are_held,
    leads_are_delivered,
    old_leads_are_forgotten,
    tables_are_published,
    tables_are_inspected,
)
