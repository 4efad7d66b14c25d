"""The proof that deliveries are neither lost nor made twice: `python -m leadpipe_tests.delivery.proof`.

Three parts. Deliveries: to partners that die in mid-answer, respell what they keep, find it in that spelling
alone, divide their lists in every way and have clocks of their own. Kills: deliveries that are killed again
and again. Fuzz: leads, answers, notices, lists and files that nobody should send, the whole way, with good
ones behind them. `make test-deliveries` runs the long form; `make test` runs a short one.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.intake import kept_text
from leadpipe.delivery.partner import Partner
from leadpipe.delivery.partner_events import read_partner_event
from leadpipe.delivery.reading import UnreadableJson, decoded, items_of, written
from leadpipe.delivery.reconciling import OurLead, compare_file
from leadpipe.delivery.service import DeliveryPlace, deliver_due
from leadpipe.delivery.spreadsheets import read_partner_csv
from leadpipe.errors import BadPartnerEvent, ConfigurationError
from leadpipe.warehouse import Warehouse
from leadpipe_tests.delivery.builders import POLICY, deliver_to, hand_over, lead, partner_settings
from leadpipe_tests.delivery.fuzzed import Chance
from leadpipe_tests.delivery.partner import PAGINGS, SPELLINGS
from leadpipe_tests.delivery.partner_process import PartnerProcess

_ROUNDS = 12
_STEPS = ("before send", "after send", "before commit", "after commit")
_POLICY = replace(POLICY, concurrency=8, breaker_after=10_000, most_attempts=1_000)
_SKEWS = (0.0, 200.0, -200.0, 3_600.0, -3_600.0)
_PATIENCE = 60.0
_MEMORY = Path("/dev/shm")  # so many files are written that a disk would be what is measured


@dataclass(frozen=True)
class Tally:
    """What became of leads: `lost` and `twice` are to be 0; `waiting` and `failed` are shown to a person."""

    leads: int = 0
    once: int = 0
    waiting: int = 0
    failed: int = 0
    lost: int = 0
    twice: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            *(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        )


def deliveries(process: PartnerProcess, folder: Path, *, leads: int, seed: int) -> Tally:
    """Leads over several partners, each nasty in a way of its own, a twentieth or at least 20 at each."""
    chance = random.Random(seed)
    total = Tally()
    each = max(leads // 20, 20)
    number = 0
    while total.leads < leads:
        nasty: dict[str, Any] = {
            "spelling": SPELLINGS[number % len(SPELLINGS)],
            "paging": PAGINGS[number % len(PAGINGS)],
            "is_searched_as_kept": True,
            "keeps_key": number % 4 == 3,
            "keeps_session": number % 3 != 2,
            "has_zones": number % 7 != 6,
            "honours_key": False,
            "death_rate": chance.choice((0.05, 0.15, 0.3)),
            "busy_rate": 0.05,
        }
        skew = _SKEWS[number % len(_SKEWS)]
        count = min(each, leads - total.leads)
        total += _delivered(process, folder / f"{number}.duckdb", count, nasty, skew, chance)
        number += 1
    return total


def _delivered(
    process: PartnerProcess,
    path: Path,
    count: int,
    nasty: dict[str, Any],
    skew: float,
    chance: random.Random,
) -> Tally:
    process.reset()
    warehouse = Warehouse(path)
    given = [_person(number, chance) for number in range(1, count + 1)]
    hand_over(warehouse, *given)
    for round_ in range(_ROUNDS):
        after = timedelta(hours=7 * round_)
        if round_ == _ROUNDS - 3:
            nasty |= {"death_rate": 0.0, "busy_rate": 0.0}
        process.configure(**nasty, clock_seconds=after.total_seconds() + skew)
        deliver_to(process, warehouse, policy=_POLICY, after=after)
    return tally(process, warehouse, count, has_session=nasty["keeps_session"])


def _person(number: int, chance: random.Random) -> dict[str, Any]:
    """A lead whose number and address are spelled as people do."""
    national = f"201{200 + number // 10_000:03d}{number % 10_000:04d}"
    spelled = chance.choice(
        (
            f"+1{national}",
            national,
            f"({national[:3]}) {national[3:6]}-{national[6:]}",
            f"1-{national}",
        )
    )
    email = chance.choice((f"Jane{number}@Example.org", f"jane{number}@example.org", ""))
    return lead(number, phone=spelled, email=email, full_name=f"Jane{number}")


def tally(
    process: PartnerProcess, warehouse: Warehouse, count: int, *, has_session: bool = True
) -> Tally:
    """Compare the partner's leads with our states: by session, else by name."""
    name = "session_id" if has_session else "full_name"
    there = Counter(str(item[name]) for item in process.leads())
    with warehouse.connect() as connection:
        ours = connection.execute(
            "SELECT session_id, 'Jane' || session_id, state, next_attempt_at IS NULL FROM lead_deliveries"
        ).fetchall()
    once = waiting = failed = lost = 0
    for session, person, state, is_a_persons in ours:
        has_it = there[session if has_session else person] > 0
        if state == "succeeded" and has_it:
            once += 1
        elif state == "unknown" and is_a_persons:
            waiting += 1
        elif state == "failed":
            failed += 1
        else:
            lost += 1
    twice = sum(number - 1 for number in there.values())
    return Tally(count, once, waiting, failed, lost + count - len(ours), twice)


def kills(process: PartnerProcess, folder: Path, *, kills: int, seed: int) -> tuple[Tally, int]:
    """Deliveries killed at their steps or at any moment, each going on where the last one died."""
    chance = random.Random(seed)
    process.reset()
    process.configure(honours_key=False, keeps_key=False, spelling="national", paging="total")
    process.configure(is_searched_as_kept=True)
    warehouse = Warehouse(folder / "killed.duckdb", lock_timeout_seconds=_PATIENCE)
    count = done = 0
    while done < kills:
        more = [lead(number, full_name=f"Jane{number}") for number in range(count + 1, count + 11)]
        hand_over(warehouse, *more)
        count += len(more)
        done += _killed(process, warehouse.path, chance)
    for hours in (0, 7, 14):
        deliver_to(process, warehouse, policy=_POLICY, after=timedelta(hours=hours))
    return tally(process, warehouse, count), done


def _killed(process: PartnerProcess, path: Path, chance: random.Random) -> bool:
    """Whether a delivery was killed before its end."""
    step = (chance.choice(_STEPS), str(chance.choice((1, 1, 2, 3, 5, 8))))
    is_timed = chance.random() < 0.5
    words = step if not is_timed else ("never", "1")
    child = subprocess.Popen(
        [sys.executable, "-m", "leadpipe_tests.delivery.killed", *words, process.url, str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        child.wait(chance.uniform(0.2, 2.5) if is_timed else _PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
    return child.wait(_PATIENCE) == -9


@dataclass
class Fuzzed:
    """How many were sent through, and what went wrong: foreign exceptions, good ones that were stopped."""

    leads: int = 0
    answers: int = 0
    notices: int = 0
    lists: int = 0
    files: int = 0
    stopped: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.leads + self.answers + self.notices + self.lists + self.files


class _Nasty(httpx.BaseTransport):
    """A partner inside this process, whose every answer is drawn; what good leads get is good."""

    def __init__(self, chance: Chance, fuzzed: Fuzzed) -> None:
        self.chance = chance
        self.fuzzed = fuzzed
        self.good: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return self._answer(request)
        self.fuzzed.lists += 1
        status, headers, body = self.chance.list_(request.url.params.get("phone", ""))
        return httpx.Response(status, headers=headers, content=body)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.fuzzed.answers += 1
        session = str(decoded(request.content).get("session_id"))
        if session.startswith("good-"):
            self.good.add(session)
            return httpx.Response(201, json={"success": True, "id": f"npa-{session}"})
        if self.chance.is_so(0.1):
            raise self.chance.one(
                (httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ConnectError)
            )("as drawn", request=request)
        status, headers, body = self.chance.answer()
        return httpx.Response(status, headers=headers, content=body)


def fuzz(folder: Path, *, items: int, seed: int, batch: int = 2_000) -> Fuzzed:
    """Send drawn things through everything, batch by batch, each with a good lead and notice at its end.

    Raises:
        Exception: a foreign one; it says what leadpipe does not take.
    """
    chance, fuzzed, number = Chance(seed), Fuzzed(), 0
    while fuzzed.total < items:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            transport = _Nasty(chance, fuzzed)
            for _ in range(10):
                number += 1
                _fuzz_once(Path(place), transport, number, batch)
                if fuzzed.total >= items:
                    break
    return fuzzed


def _fuzz_once(folder: Path, transport: _Nasty, number: int, batch: int) -> None:
    chance, fuzzed = transport.chance, transport.fuzzed
    now = datetime.now(UTC)
    place = DeliveryPlace(
        warehouse=Warehouse(folder / "w.duckdb"),
        lock=folder / "lock",
        published=folder / "published",
        hand_overs=HandOvers(folder / "h.sqlite"),
        region=chance.one(("US", "NG", "GB")),
        keep_days=None,
        turn_seconds=1.0,
    )
    texts = [chance.lead(1_000 * number + each) for each in range(batch)]
    good = lead(
        1, session_id=f"good-{number}", zip_code="", phone="+12015550123", full_name=f"G{number}"
    )
    _hand_over(place.hand_overs, chance, [*texts, written(good)], now)
    fuzzed.leads += len(texts)
    _notices(place.hand_overs, chance, batch, now)
    fuzzed.notices += batch
    settings = partner_settings("http://127.0.0.1:9", requests_per_second=1e9, connections=16)
    policy = replace(_POLICY, concurrency=16, most_attempts=2, first_wait=timedelta(0))
    with Partner(settings, transport=transport) as partner:
        for hours in (0, 8):
            moment = now + timedelta(hours=hours)
            deliver_due(place, partner, policy=policy, clock=lambda at=moment: at)  # type: ignore[misc]
            name = f"npa-good-{number}"
            body = written({"lead_id": name, "status": "sold"})
            event = read_partner_event(body, event_id=None, now=moment)
            place.hand_overs.add("notice", [body], now=moment, identity=event.event_id)
        deliver_due(place, partner, policy=policy, clock=lambda: now)
        with place.warehouse.connect() as connection:
            ends = connection.execute(
                "SELECT partner_status FROM lead_deliveries WHERE session_id = ?",
                [f"good-{number}"],
            ).fetchall()
            stuck = connection.execute(
                "SELECT count(*) FROM lead_deliveries WHERE state IN ('pending', 'sent')"
            ).fetchall()
    is_stopped = ends != [("sold",)] or stuck != [(0,)] or place.hand_overs.waiting()
    fuzzed.stopped += bool(is_stopped) or f"good-{number}" not in transport.good
    _files(folder / "partner.csv", chance, batch // 10)
    fuzzed.files += batch // 10


def _hand_over(store: HandOvers, chance: Chance, texts: list[str], now: datetime) -> None:
    """As the page does with a request's body: together, or, where a body cannot be read at all, not."""
    kept: list[str] = []
    for start in range(0, len(texts), 4):
        part = texts[start : start + 4]
        try:
            items = items_of(chance.encoded("[" + ", ".join(part) + "]"))
        except UnreadableJson:  # the sender is told; the good lead comes by itself
            items = items_of(part[-1]) if texts[-1] in part else []
        kept += [kept_text(item) for item in items]
    store.add("lead", kept, now=now)


def _notices(store: HandOvers, chance: Chance, count: int, now: datetime) -> None:
    for _ in range(count):
        body = chance.notice()
        try:
            content = written(decoded(body))
            event = read_partner_event(content, event_id=None, now=now)
        except (BadPartnerEvent, UnreadableJson) as error:
            if chance.is_so(0.05):
                store.set_aside("notice", body.decode("utf-8", "replace"), str(error), now=now)
            if chance.is_so(0.05):  # what an older page may have left there
                store.add("notice", [body.decode("utf-8", "replace")], now=now)
            continue
        store.add("notice", [content], now=now, identity=event.event_id)


def _files(path: Path, chance: Chance, count: int) -> None:
    now = datetime.now(UTC)
    ours = [OurLead(1, "k", "npa-1", now, {"phone": "+12015550123", "email": "a@b.co"})]
    for _ in range(count):
        path.write_bytes(chance.table())
        try:
            compare_file(
                ours,
                read_partner_csv(path),
                since=now - timedelta(days=30),
                until=now,
                known=(set(), set()),
                region="US",
            )
        except ConfigurationError:
            continue


def main() -> int:
    """Run what is asked for, and print what became of it."""
    parser = argparse.ArgumentParser(prog="python -m leadpipe_tests.delivery.proof")
    parser.add_argument("--leads", type=int, default=10_000, help="leads to nasty partners")
    parser.add_argument("--kills", type=int, default=200, help="deliveries killed")
    parser.add_argument(
        "--fuzz", type=int, default=500_000, help="drawn leads, answers, notices, lists"
    )
    parser.add_argument("--seed", type=int, default=14)
    asked = parser.parse_args()
    is_right = True
    with (
        tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as name,
        PartnerProcess.start() as process,
    ):
        folder = Path(name)
        for what, run in (("deliveries", asked.leads), ("kills", asked.kills)):
            started = time.monotonic()
            if not run:
                continue
            if what == "deliveries":
                found, words = deliveries(process, folder, leads=run, seed=asked.seed), ""
            else:
                found, done = kills(process, folder, kills=run, seed=asked.seed)
                words = f", {done} kills"
            _say(f"{what}: {found}{words}, {time.monotonic() - started:.0f} s")
            is_right = is_right and found.lost == found.twice == 0
        if asked.fuzz:
            started = time.monotonic()
            fuzzed = fuzz(folder, items=asked.fuzz, seed=asked.seed)
            _say(f"fuzz: {fuzzed.total} in all, {fuzzed}, {time.monotonic() - started:.0f} s")
            is_right = is_right and fuzzed.stopped == 0
    return 0 if is_right else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
