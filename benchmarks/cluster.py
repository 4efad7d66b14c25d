"""The door and the marts on a lake that several workers share, beside the file.

`python -m benchmarks cluster` types page files and puts them through the door: one process into the file,
then 1, 2 and 4 workers into a lake whose catalog is a PostgreSQL and whose data is in an S3 server, both on
loopback. A worker types outside the lock; how long it holds that says what a cluster can take.
`python -m benchmarks.cluster door|marts PLACE FOLDER PAGES` is one worker, or the marts of what was loaded.
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from pydantic import SecretStr

from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.staging import stage
from leadpipe.leads.leads import build_leads, stale_runs
from leadpipe.leads.scores import load_rules
from leadpipe.listings.listings import build_listing_analytics, build_listings, stale_days
from leadpipe.places import Lake, StoreKeys
from leadpipe.warehouse import Warehouse
from leadpipe_tests.postgres import postgres_server
from leadpipe_tests.s3_server import running_s3_server, secret_of

_FOLD_ROWS = 100_000
_FOLDS = 8
_DAYS = 3
_FIRST = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Door:
    """What workers did: events folded, CPU seconds, seconds the lock was held, wall seconds."""

    events: int
    cpu: float
    held: float
    wall: float


def run(*, is_full: bool) -> None:
    """Measure and print."""
    folds = _FOLDS * (4 if is_full else 1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(folds):
            _write_page(folder / f"{number}.ndjson", number)
        postgres = stack.enter_context(postgres_server())
        endpoint = stack.enter_context(running_s3_server()).removeprefix("http://")
        print(f"{folds * _FOLD_ROWS:,} events, folds of {_FOLD_ROWS:,}, on {os.cpu_count()} cores")
        print(f"{'':<22}{'events/s':>10}{'CPU s':>8}{'held s':>8}{'a fold':>8}{'ceiling/s':>11}")
        place = json.dumps({"path": str(folder / "file" / "leadpipe.duckdb")})
        of_file = _door("file, 1 process", place, folder, folds, workers=1)
        marts_of_file = _marts("file", place, folder)
        marts_of_lake: dict[str, float] = {}
        for workers in (1, 2, 4):
            place = json.dumps(
                {
                    "path": str(folder / f"lake-{workers}" / "leadpipe.duckdb"),
                    "catalog": f"postgres:{postgres.new_database()}",
                    "data": f"s3://ready/lake-{workers}/",
                    "endpoint": endpoint,
                }
            )
            with _warehouse(place).connect():
                pass
            done = _door(f"lake, {workers} workers", place, folder, folds, workers=workers)
            print(f"{'':<22}CPU of the file: {done.cpu / of_file.cpu:.2f} x")
            marts_of_lake = marts_of_lake or _marts("lake", place, folder)
        for mart, cpu in marts_of_lake.items():
            print(
                f"{mart:<22}{cpu:.1f} CPU s on the lake, {cpu / marts_of_file[mart]:.2f} x the file"
            )


def _door(name: str, place: str, folder: Path, folds: int, *, workers: int) -> Door:
    began = time.monotonic()
    processes = [
        _start("door", place, folder, [str(fold) for fold in range(folds) if fold % workers == n])
        for n in range(workers)
    ]
    done = [Door(**json.loads(_answer(process))) for process in processes]
    total = Door(
        sum(one.events for one in done),
        sum(one.cpu for one in done),
        sum(one.held for one in done),
        time.monotonic() - began,
    )
    # Without the start of the processes: from the first fold of any to the last of all.
    wall = max(one.wall for one in done)
    print(
        f"{name:<22}{total.events / wall:>10,.0f}{total.cpu:>8.1f}{total.held:>8.1f}"
        f"{total.held / folds:>8.2f}{total.events / total.held:>11,.0f}"
    )
    return total


def _marts(name: str, place: str, folder: Path) -> dict[str, float]:
    del name
    return {
        str(mart): float(cpu)
        for mart, cpu in json.loads(_answer(_start("marts", place, folder, []))).items()
    }


def _start(what: str, place: str, folder: Path, pages: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.cluster", what, place, str(folder), ",".join(pages)],
        stdout=subprocess.PIPE,
        text=True,
    )


def _answer(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a worker ended with {process.returncode}")
    return output.strip().splitlines()[-1]


def _write_page(path: Path, number: int) -> None:
    """Views and some leads of three days, as pages have them."""
    chance = random.Random(number)
    with path.open("w") as file:
        for _ in range(_FOLD_ROWS):
            at = (_FIRST + timedelta(seconds=chance.randrange(_DAYS * 86_400))).isoformat()
            is_lead = not chance.randrange(20)
            properties = {
                "listing_id": f"listing-{chance.randrange(5_000)}",
                "viewed_from": "search",
                "$current_url": "https://example.org/listing/" + "x" * 300,
            } | (
                {"lead_type": "phone", "seeker_id": f"s-{chance.randrange(9_000)}"}
                if is_lead
                else {}
            )
            row = [
                str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                "lead" if is_lead else "property_view",
                at,
                at,
                f"d-{chance.randrange(50_000)}",
                None,
                json.dumps(properties),
            ]
            file.write(json.dumps(row) + "\n")


def _warehouse(place: str) -> Warehouse:
    found = json.loads(place)
    lake = None
    if "catalog" in found:
        keys = StoreKeys(
            "writer", SecretStr(secret_of("writer")), endpoint=found["endpoint"], is_https=False
        )
        lake = Lake(found["catalog"], found["data"], keys)
    return Warehouse(Path(found["path"]), lock_timeout_seconds=600, lake=lake)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def load_pages(warehouse: Warehouse, folder: Path, pages: Sequence[str]) -> Door:
    """One worker: type a page, then fold it."""
    run = Run(str(uuid.uuid4()), "backfill")
    own = Path(tempfile.mkdtemp(dir=folder))
    with warehouse.writing("door") as connection:
        begin_run(connection, run, days=[], now=_FIRST)
    events, held, cpu, began = 0, 0.0, _cpu(), time.monotonic()
    for page in pages:
        staged = stage([folder / f"{page}.ndjson"], built_in(), own)
        taken = []

        def merge(connection: duckdb.DuckDBPyConnection) -> IngestResult:
            taken.append(time.monotonic())  # noqa: B023 - used at once
            return ingest(connection, staged, run_id=run.run_id, now=_FIRST)  # noqa: B023

        events += warehouse.write("door", merge).new
        held += time.monotonic() - taken[-1]
    return Door(events, _cpu() - cpu, held, time.monotonic() - began)


def build_marts(warehouse: Warehouse, folder: Path) -> dict[str, float]:
    """CPU seconds of each mart."""
    took: dict[str, float] = {}
    cpu = _cpu()
    with warehouse.writing("listings") as connection:
        build_listing_analytics(connection, [(day, day) for day in stale_days(connection)])
    took["listing_analytics"], cpu = _cpu() - cpu, _cpu()
    with warehouse.writing("listings") as connection:
        build_listings(connection)
    took["listings"], cpu = _cpu() - cpu, _cpu()
    with warehouse.writing("leads") as connection:
        rules = load_rules(folder / "no scores.toml")
        build_leads(connection, sorted(stale_runs(connection)), rules=rules)
    took["leads"] = _cpu() - cpu
    return took


if __name__ == "__main__":
    side, where, data, names = sys.argv[1:]
    opened = _warehouse(where)
    with opened.connect():  # migrated, and the extensions loaded
        pass
    print(
        json.dumps(
            asdict(load_pages(opened, Path(data), names.split(",")))
            if side == "door"
            else build_marts(opened, Path(data))
        )
    )
