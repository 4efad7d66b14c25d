"""A warehouse filled with the sandbox's traffic, made once and kept in `benchmarks/out`."""

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import OUT
from benchmarks.replay import DAY
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.typed import typed_wire_rows
from leadpipe.events.mapping.versions import adopt
from leadpipe.warehouse import Warehouse

_END = "2026-11-21T00:00:00+00:00"


def filled_warehouse(events: int) -> Path:
    """A DuckDB file with a year of so many generated events in `raw_events`, through the real typing.

    Made by a process of its own: its memory would count as that of every process started later.
    """
    path = OUT / f"traffic-{events}.duckdb"
    if not path.exists():
        subprocess.run([sys.executable, "-m", "benchmarks.traffic", str(events)], check=True)
    return path


def _fill(events: int) -> None:
    path = OUT / f"traffic-{events}.duckdb"
    OUT.mkdir(exist_ok=True)
    parquet = OUT / f"traffic-{events}"
    command = [sys.executable, "-m", "posthog_sandbox", "parquet", "--events", str(events)]
    command += ["--days", "365", "--end", _END, "--out", str(parquet)]
    subprocess.run(command, check=True)
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with Warehouse(unfinished, memory_limit="8GB").connect() as connection:
        begin_run(connection, Run("traffic", "backfill"), days=[], now=DAY)
        adopt(connection, built_in(), now=DAY)
        for file in sorted(parquet.glob("*.parquet")):
            connection.execute(f"""
                CREATE OR REPLACE TEMP VIEW wire_rows AS
                SELECT [uuid, event, timestamp::VARCHAR, created_at::VARCHAR, distinct_id, person_id,
                        properties] AS fields
                FROM '{file}' QUALIFY row_number() OVER (PARTITION BY uuid ORDER BY created_at) = 1
            """)
            connection.execute(f"""
                INSERT INTO raw_events BY NAME
                SELECT * EXCLUDE (unreadable_reason, content), 'traffic' AS run_id, 3 AS person_rank
                FROM ({typed_wire_rows(built_in())}) WHERE unreadable_reason IS NULL
            """)
        connection.execute("""
            INSERT INTO event_days (event_date, version, typed_by, read_by)
            SELECT event_date, 1, version, [version]
            FROM (SELECT DISTINCT event_date FROM raw_events), event_mappings;
            UPDATE runs SET version = 1
        """)
    unfinished.rename(path)


if __name__ == "__main__":
    _fill(int(sys.argv[1]))
