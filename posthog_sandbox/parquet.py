"""Generated traffic as Parquet files, for volumes that no server should hold.

Belongs here: one file a part, made by several processes. Does not belong here: the traffic
(`traffic.py`).
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from posthog_sandbox.traffic import Made, Part, Plan, Tally, make_part

_COMPRESSION_LEVEL = 1


def write_traffic(
    directory: Path,
    *,
    events: int,
    days: int,
    end: datetime,
    seed: int,
    processes: int | None = None,
) -> dict[str, Any]:
    """Write the rows that the server would hold; returns their truth.

    Args:
        directory: made if missing; must hold no Parquet files yet.
        events: rows.
        days: how long before `end` they begin.
        end: after the last timestamp.
        seed: of the traffic.
        processes: that make files; default one for each core.

    Raises:
        ValueError: the directory holds files that readers would mix up with the new ones.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.glob("*.parquet")):
        raise ValueError(f"{directory} holds Parquet files already; choose an empty directory.")
    plan = Plan(events, days, end, seed)
    tally = Tally()
    parts = plan.parts()
    workers = min(processes or os.cpu_count() or 1, max(1, len(parts)))
    jobs = [
        (plan, part, directory / f"events-{number:06d}.parquet")
        for number, part in enumerate(parts)
    ]
    if workers == 1:
        for job in jobs:
            tally.add(_write(job))
        return tally.truth()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_use_one_thread) as pool:
        for made in pool.map(_write, jobs, chunksize=4):
            tally.add(made)
    return tally.truth()


def _use_one_thread() -> None:
    pa.set_cpu_count(1)


def _write(job: tuple[Plan, Part, Path]) -> Made:
    """Write a part; what comes back over the process border has no rows in it but their number."""
    plan, part, path = job
    made = make_part(plan, part)
    pq.write_table(
        made.table,
        path,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=["event", "distinct_id", "person_id"],
        write_statistics=["timestamp", "created_at"],
    )
    counted = pa.table({"row": pa.nulls(made.table.num_rows, pa.null())})
    return Made(
        table=counted,
        persons=pa.table({}),
        distinct=made.distinct,
        late=made.late,
        by_event=made.by_event,
        by_day=made.by_day,
    )
