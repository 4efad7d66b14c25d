"""Small builders of recharges, lists, prizes and finished draws."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from leadpipe.draws.drawing import freeze, run
from leadpipe.draws.evidence import Terms, announce, carry_out, evidence_of
from leadpipe.draws.hashing import canonical_json, leaf_of, row, salt_of
from leadpipe.draws.msisdn import masked
from leadpipe.draws.participants import Build, build_participants, note_build
from leadpipe.draws.prizes import Tier
from leadpipe.draws.register import Draw
from leadpipe.draws.rules import Rules
from leadpipe.draws.tree import build_tree
from leadpipe.warehouse import Warehouse
from leadpipe_tests.clocks import NOW
from leadpipe_tests.events.builders import event

DRAW_DATE = date(2026, 11, 21)
DAY_BEFORE = date(2026, 11, 20)
RULES = Rules(
    promotion_start=None,
    max_recharge_naira=50_000,
    phone_region="NG",
    first_day=date(2026, 11, 1),
    naive_timezone="Africa/Lagos",
)
PUBLISHED_RULES = {
    "begins_at": "2026-11-20T23:00:00Z",
    "blacklisted": 1,
    "draw_timezone": "Africa/Lagos",
    "max_recharge_naira": 50_000,
    "naira_per_point": 100,
    "naive_timezone": "Africa/Lagos",
    "phone_numbers": "leadpipe 2, phonenumbers 9.0.0",
    "phone_region": "NG",
    "promotion_start": "2026-11-01",
}
SEED = "5eed" * 16
KEY = "0123456789abcdef" * 2
PRIZES = (Tier(1, "Jackpot", 1_000_000, 1, 2), Tier(2, "Airtime", 5_000, 3))


def msisdn(number: int) -> str:
    """The number of participant `number`."""
    return f"23480{30_000_000 + number}"


def recharge(
    number: int | str, amount: object, at: str | datetime = "10:00:00", **fields: Any
) -> dict[str, Any]:
    """A recharge event; `at` without a date means the day before the draw."""
    spelled = msisdn(number) if isinstance(number, int) else number
    fields.setdefault("distinct_id", spelled)
    return event("recharge", at, msisdn=spelled, amount=amount, **fields)


def at_midnight(day: date, seconds: float = 0.0) -> datetime:
    """The beginning of a day in UTC, or some seconds from it."""
    return datetime.combine(day, time(), tzinfo=UTC) + timedelta(seconds=seconds)


def mark_read(warehouse: Warehouse, *, until: datetime = NOW) -> None:
    """Say that all days from the rules' first one on were read up to a moment."""
    with warehouse.writing("participants") as connection:
        connection.execute("DELETE FROM event_days")
        _mark_read(connection, until)


def _mark_read(connection: duckdb.DuckDBPyConnection, until: datetime) -> None:
    connection.execute(
        "INSERT INTO event_days (event_date, version, read_until, posthog_events, "
        "warehouse_events, checked_at) "
        "SELECT CAST(day AS DATE), 1, $until, 0, 0, $until "
        "FROM range($first::TIMESTAMP, $last::TIMESTAMP, INTERVAL 1 DAY) AS d(day)",
        {"until": until, "first": RULES.first_day, "last": DRAW_DATE + timedelta(days=1)},
    )


def build(
    warehouse: Warehouse,
    first: date = DRAW_DATE,
    last: date | None = None,
    *,
    rules: Rules = RULES,
    now: datetime = NOW,
) -> list[Build]:
    """Build the lists of a range of dates."""
    with warehouse.connect() as connection:
        return build_participants(connection, first, last or first, rules=rules, now=now)


def give_entries(warehouse: Warehouse, entries: Mapping[str, int], day: date = DRAW_DATE) -> None:
    """A built list with so many entries for each number, without any recharges."""
    with warehouse.writing("participants") as connection:
        connection.execute("DELETE FROM draw_participants WHERE draw_date = ?", [day])
        connection.execute("DELETE FROM draw_participant_builds WHERE draw_date = ?", [day])
        connection.execute(
            "INSERT INTO draw_participants SELECT $day, number, 'id-' || number, n, n, n * 100, 1, $at "
            "FROM (SELECT unnest($numbers::VARCHAR[]) AS number, unnest($entries::BIGINT[]) AS n)",
            {
                "day": day,
                "numbers": list(entries),
                "entries": list(entries.values()),
                "at": at_midnight(day, -60),
            },
        )
        if connection.execute("SELECT count(*) FROM event_days").fetchone() == (0,):
            _mark_read(connection, NOW)
        note_build(connection, day, RULES, NOW)


def make_draw(
    warehouse: Warehouse, tiers: tuple[Tier, ...] = PRIZES, *, seed: str = SEED, **options: Any
) -> Draw:
    """Freeze and carry out the draw of the date."""
    with warehouse.connect() as connection:
        _, frozen = freeze(connection, DRAW_DATE, tiers, rules=RULES, now=NOW, seed=seed, **options)
        return run(connection, DRAW_DATE, now=NOW, frozen=frozen)


def evidence_of_draw(draw: Draw) -> bytes:
    """The evidence of a draw that was carried out."""
    assert draw.evidence is not None
    return draw.evidence


def rows_of_leaves(leaves: Iterable[tuple[str, int]]) -> memoryview:
    """The rows of pairs of leaf and entries, in the order of their leaves; in plain Python."""
    return memoryview(
        b"".join(row(entries, bytes.fromhex(leaf)) for leaf, entries in sorted(leaves))
    )


def evidence_for(
    people: Sequence[tuple[str, int]],
    tiers: tuple[Tier, ...] = PRIZES,
    *,
    key: str = KEY,
    seed: str = SEED,
    beacon: str = "",
    beacon_value: str = "",
) -> bytes:
    """A draw's evidence, without a warehouse."""
    leaves = {leaf_of(salt_of(key, number), number): number for number, _ in people}
    rows = rows_of_leaves((leaf_of(salt_of(key, number), number), n) for number, n in people)
    tree = build_tree(rows)
    terms = Terms(
        f"draw-{DRAW_DATE}",
        DRAW_DATE,
        tiers,
        rules=PUBLISHED_RULES,
        inputs_sha256="06" * 32,
        beacon=beacon,
    )
    announcement = announce(terms, tree, hashlib.sha256(rows).hexdigest(), seed)
    outcomes = carry_out(announcement, tiers, tree, seed=seed, beacon_value=beacon_value)
    return canonical_json(
        evidence_of(
            announcement,
            outcomes,
            tree,
            seed=seed,
            beacon_value=beacon_value,
            label=lambda leaf: masked(leaves[leaf]),
        )
    )


def prizes_file(folder: Path, text: str | None = None) -> Path:
    """A prizes file; by default that of `PRIZES`."""
    path = folder / "prizes.toml"
    path.write_text(
        text
        or "".join(
            f'[[tiers]]\nid = {tier.id}\nname = "{tier.name}"\nvalue = {tier.value}\n'
            f"winners = {tier.winners}\nrunner_ups = {tier.runner_ups}\n\n"
            for tier in PRIZES
        )
    )
    return path
