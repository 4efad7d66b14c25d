"""Workers on a shared lake that offer the same events, killed at any moment: each event counts once.

`python -m leadpipe_tests.warehouse.workers` is the long form: PostgreSQL, an S3 server, four workers, twenty
kills. The tests run a short one.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from pydantic import SecretStr

from leadpipe.events.ingest import IngestResult, ingest
from leadpipe.events.ledger import Run, begin_run, finish_run
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.staging import stage
from leadpipe.places import Lake, StoreKeys
from leadpipe.posthog import CallCounts
from leadpipe.warehouse import Warehouse
from leadpipe_tests.events.builders import event, wire_row, write_page

_SHARED = 0.2
_FIRST = datetime(2026, 11, 20, tzinfo=UTC)
_DAYS = 3


@dataclass(frozen=True)
class Walk:
    """What there is to do.

    Args:
        workers: processes at once.
        folds: of each worker, done again and again until all kills are over.
        rows: of a fold.
        kills: how many workers are killed, each in a fold.
        seed: of what is random.
    """

    workers: int = 4
    folds: int = 3
    rows: int = 500
    kills: int = 3
    seed: int = 1


@dataclass
class Worker:
    """A worker's process, started again after each kill."""

    number: int
    command: list[str]
    environment: dict[str, str]
    folds: int
    lives: int = 0
    process: subprocess.Popen[str] | None = None
    done: set[int] = field(default_factory=set)

    def start(self) -> None:
        """Begin a life."""
        self.end()
        self.lives += 1
        self.process = subprocess.Popen(
            [*self.command, "--life", str(self.lives)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """Leave no process and no pipe of it."""
        if self.process is not None:
            self.process.kill()  # nothing, where it has ended
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def pages(folder: Path, walk: Walk) -> set[str]:
    """Write the page files of all folds; the uuids that are in them."""
    chance = random.Random(walk.seed)
    rows = int(walk.rows * _SHARED)
    common = [_event(chance) for _ in range(rows)]
    uuids = {row["uuid"] for row in common}
    for worker in range(walk.workers):
        for fold in range(walk.folds):
            own = [_event(chance) for _ in range(walk.rows - rows)]
            uuids |= {row["uuid"] for row in own}
            mixed = [*common, *own]
            chance.shuffle(mixed)
            write_page(folder / f"{worker}-{fold}.ndjson", [wire_row(row) for row in mixed])
    return uuids


def _event(chance: random.Random) -> dict[str, Any]:
    at = _FIRST + timedelta(seconds=chance.randrange(_DAYS * 86_400))
    return event(
        "property_view",
        at,
        uuid=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        distinct_id=f"d-{chance.randrange(100)}",
        listing_id=f"l-{chance.randrange(50)}",
    )


@contextmanager
def working(lake: Lake, folder: Path, walk: Walk) -> Iterator[list[Worker]]:
    """The workers, begun; none is left running."""
    environment = os.environ | {
        "WORKERS_LAKE": json.dumps([lake.catalog, lake.data]),
        "WORKERS_KEYS": json.dumps(
            [lake.keys.key_id, lake.keys.secret.get_secret_value(), lake.keys.endpoint]
            if lake.keys
            else None
        ),
    }
    workers = [
        Worker(
            number,
            [
                sys.executable,
                "-m",
                "leadpipe_tests.warehouse.workers",
                *("--worker", str(number)),
                *("--folder", str(folder)),
                *("--folds", str(walk.folds)),
            ],
            environment,
            walk.folds,
        )
        for number in range(walk.workers)
    ]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            worker.end()


def disturb(workers: Sequence[Worker], walk: Walk, *, lake: Lake, stop: Path) -> list[float]:
    """Kill workers in their folds, start them again, and let them finish; seconds until the lock was free."""
    chance = random.Random(walk.seed)
    freed = []
    for _ in range(walk.kills):
        worker = chance.choice(workers)
        _read_until(worker, "begin")
        time.sleep(chance.random() * chance.choice([0.05, 0.5, 2.0]))
        assert worker.process is not None
        worker.process.send_signal(signal.SIGKILL)
        worker.process.wait()
        freed.append(_until_free(str(lake.postgres), worker))
        assert worker.process.stdout is not None
        _note(worker, worker.process.stdout.read().splitlines())
        worker.start()
    stop.touch()
    for worker in workers:
        assert worker.process is not None
        assert worker.process.stdout is not None
        _note(worker, worker.process.stdout.read().splitlines())
        assert worker.process.wait() == 0
        assert worker.done == {*range(worker.folds)}, (worker.number, worker.done)
    return freed


def _read_until(worker: Worker, word: str) -> None:
    """Until it says a word, within what it says at all."""
    assert worker.process is not None
    assert worker.process.stdout is not None
    for line in worker.process.stdout:
        _note(worker, [line.strip()])
        if line.startswith(word):
            return
    raise AssertionError(f"worker {worker.number} ended with {worker.process.wait()}")


def _note(worker: Worker, lines: Sequence[str]) -> None:
    worker.done |= {int(line.split()[1]) for line in lines if line.startswith("done")}


def _until_free(postgres: str, worker: Worker) -> float:
    """Seconds until PostgreSQL has let go of what a dead worker held."""
    began = time.monotonic()
    name = f"worker-{worker.number}-{worker.lives}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        while connection.execute(
            "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND application_name = %s",
            [name],
        ).fetchone():
            time.sleep(0.01)
            if time.monotonic() - began > 60:
                raise AssertionError(f"the lock of {name} is held by the dead")
    return time.monotonic() - began


def check(connection: duckdb.DuckDBPyConnection, uuids: set[str]) -> dict[str, int]:
    """Every event is there once, and the ledger says which run brought how many."""
    stored = [str(one) for (one,) in connection.execute("SELECT uuid FROM raw_events").fetchall()]
    assert len(stored) == len({*stored}), f"{len(stored) - len({*stored})} events are there twice"
    assert {*stored} == uuids
    by_run = dict(
        connection.execute("SELECT run_id, count(*) FROM raw_events GROUP BY run_id").fetchall()
    )
    ledger = connection.execute(
        "SELECT run_id, events_new, events_fetched - events_duplicate - events_new FROM runs"
    ).fetchall()
    assert {run: new for run, new, _ in ledger if new} == by_run
    assert sum(new for _, new, _ in ledger) == len(uuids)
    assert {left for *_, left in ledger} == {0}
    duplicates = connection.execute("SELECT sum(events_duplicate) FROM runs").fetchone()
    return {"events": len(stored), "duplicates": int(duplicates[0]) if duplicates else 0}


def prove(lake: Lake, folder: Path, walk: Walk) -> dict[str, object]:
    """All of it: pages, workers, kills, and the check."""
    uuids = pages(folder, walk)
    began = time.monotonic()
    with working(lake, folder, walk) as workers:
        freed = disturb(workers, walk, lake=lake, stop=folder / "stop")
    with Warehouse(folder / "own" / "leadpipe.duckdb", lake=lake).connect() as connection:
        found = check(connection, uuids)
    return {
        **found,
        "kills": walk.kills,
        "lock free after at most": f"{max(freed, default=0.0):.2f} s",
        "seconds": round(time.monotonic() - began),
    }


def say(line: str) -> None:
    """Tell the parent, or a person, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def work(number: int, folder: Path, folds: int, life: int) -> None:
    """A worker: types its pages, puts them through the door, again and again until it is to stop."""
    catalog, data = json.loads(os.environ["WORKERS_LAKE"])
    keys = json.loads(os.environ["WORKERS_KEYS"])
    name = f"worker-{number}-{life}"
    os.environ["PGAPPNAME"] = name
    lake = Lake(
        catalog,
        data,
        StoreKeys(keys[0], SecretStr(keys[1]), endpoint=keys[2], is_https=False) if keys else None,
    )
    own = folder / name
    own.mkdir()
    warehouse = Warehouse(own / "leadpipe.duckdb", lock_timeout_seconds=120, threads=1, lake=lake)
    run = Run(name, "backfill")

    def now() -> datetime:
        return datetime.now(UTC)

    with warehouse.alive_as(own, name):
        with warehouse.writing("door") as connection:
            begin_run(connection, run, days=[], now=now())
        done: set[int] = set()
        fold = number
        while len(done) < folds or not (folder / "stop").exists():
            fold = (fold + 1) % folds
            staged = stage([folder / f"{number}-{fold}.ndjson"], built_in(), own)

            def merge(connection: duckdb.DuckDBPyConnection) -> IngestResult:
                return ingest(connection, staged, run_id=name, now=now())  # noqa: B023 - used at once

            say(f"begin {fold}")
            warehouse.write("door", merge)
            say(f"done {fold}")
            done.add(fold)
            if staged:
                staged.file.unlink()
        with warehouse.writing("door") as connection:
            finish_run(connection, run, calls=CallCounts(0, 0, 0), now=now())


def main() -> None:
    """A worker, or the long form of the proof."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    for name in ("--worker", "--folds", "--life"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        with suppress(BrokenPipeError):
            work(options.worker, options.folder, options.folds, options.life)
        return
    from leadpipe_tests.postgres import postgres_server  # noqa: PLC0415 - no worker needs them
    from leadpipe_tests.s3_server import running_s3_server, secret_of  # noqa: PLC0415

    walk = Walk(kills=options.kills, rows=options.rows, seed=options.seed)
    with (
        postgres_server() as postgres,
        running_s3_server() as endpoint,
        tempfile.TemporaryDirectory() as folder,
    ):
        keys = StoreKeys(
            "writer",
            SecretStr(secret_of("writer")),
            endpoint=endpoint.removeprefix("http://"),
            is_https=False,
        )
        lake = Lake(f"postgres:{postgres.new_database()}", "s3://ready/lake/", keys)
        with Warehouse(Path(folder) / "own" / "leadpipe.duckdb", lake=lake).connect():
            pass
        for name, value in prove(lake, Path(folder), walk).items():
            say(f"{name}: {value}")


if __name__ == "__main__":
    main()
