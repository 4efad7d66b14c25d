"""200,000 events of 920 bytes typed: by the mapping, by a team's own mapping, and by the SELECT of 0.2.0.

`python -m benchmarks.typing before|mapping|own|exported|retyping EVENTS` runs one side and prints its CPU
seconds: reading the page file and making typed rows of it. `exported` reads the Parquet files of the lanes
instead, which have all properties; `retyping` is what a changed mapping costs over stored days.
"""

import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks.lane_events import END, lane_events
from benchmarks.measure import print_figures, run_in_turn
from benchmarks.replay import DAY, make_rows
from leadpipe.events.exported.files import examine
from leadpipe.events.exported.rows import LoadedDays, prepare, wire_rows
from leadpipe.events.extraction import rows_of
from leadpipe.events.ingest import ingest
from leadpipe.events.ledger import Run, begin_run
from leadpipe.events.mapping.model import EventMapping
from leadpipe.events.mapping.reading import built_in, read_mapping
from leadpipe.events.mapping.retyping import retype_stale
from leadpipe.events.mapping.typed import typed, typed_wire_rows
from leadpipe.events.mapping.versions import adopt, note_read_whole
from leadpipe.events.staging import stage
from leadpipe.warehouse import Warehouse

_BEFORE = Path(__file__).with_name("typed_events_0_2_0.sql")
_OWN = """
[events.property_view]
meaning = "view"
listing_id = ["propertyRef", "property.ref", "listing_id"]
viewed_from = {from = ["source", "viewed_from"], values = {"home page" = "home"}, otherwise = "other"}

[events.contact_agent_clicked]
meaning = "lead"
only_where = {context = "listing"}
lister_id = ["agentId"]
lead_type = {from = ["channel"], values = {"WhatsApp call" = "whatsapp"}, default = "phone"}
"""


def own_mapping(folder: Path) -> EventMapping:
    """A team's mapping, in which the events of the benchmark are views."""
    path = folder / "events.toml"
    path.write_text(_OWN)
    return read_mapping(path)


def write_page(folder: Path, events: int) -> Path:
    """The events as a page file."""
    page = folder / "page.ndjson"
    page.write_bytes(b"\n".join(make_rows(events)[1]) + b"\n")
    return page


def type_page(side: str, events: int) -> float:
    """CPU seconds to type a page file."""
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        folder = Path(name)
        page = write_page(folder, events)
        query = _BEFORE.read_text()
        if side != "before":
            query = typed_wire_rows(built_in() if side == "mapping" else own_mapping(folder))
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        connection.execute(f"CREATE TEMP VIEW wire_rows AS SELECT fields FROM {rows_of([page])}")
        started = _cpu_seconds()
        connection.execute(f"CREATE TEMP TABLE staged AS {query}")
        return _cpu_seconds() - started


def type_files(events: int) -> float:
    """CPU seconds to type exported files, on one thread."""
    made = lane_events(events)
    first, *others = made.files
    days = LoadedDays(made.days[0], END.date())
    with duckdb.connect() as connection:
        connection.execute(
            "SET TimeZone = 'UTC'; SET threads = 1; SET preserve_insertion_order = false"
        )
        prepare(connection)
        exported = replace(examine(connection, first, name=first.name), others=tuple(others))
        rows = wire_rows(exported, built_in(), f"{days.are_left} IS NOT TRUE")
        started = _cpu_seconds()
        connection.execute(f"CREATE TEMP TABLE staged AS {typed(built_in(), rows)}")
        return _cpu_seconds() - started


def retype(events: int) -> float:
    """CPU seconds to type stored events by another mapping, in which each of them comes out otherwise."""
    with tempfile.TemporaryDirectory() as name:
        folder, now = Path(name), datetime.now(UTC)
        page = write_page(folder, events)
        warehouse = Warehouse(folder / "leadpipe.duckdb")
        mapping = own_mapping(folder)
        with warehouse.writing("door") as connection:
            begin_run(connection, Run("benchmark", "manual"), days=[], now=now)
            ingest(connection, stage([page], built_in(), folder), run_id="benchmark", now=now)
            adopt(connection, mapping, now=now)
            note_read_whole(
                connection, [DAY.date()], mapping
            )  # else some lack what it reads, and stay
        started = _cpu_seconds()
        report = retype_stale(warehouse, mapping)
        if report.changed != events:
            raise SystemExit(f"{report.changed} events came out otherwise")
        return _cpu_seconds() - started


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(*, is_full: bool) -> None:
    """Measure all sides in turn."""
    events = 1_000_000 if is_full else 200_000
    sides = {
        "0.2.0": "before",
        "mapping": "mapping",
        "own mapping": "own",
        "exported files": "exported",
        "retyping": "retyping",
    }
    subprocess.run([sys.executable, "-m", "benchmarks.lane_events", str(events)], check=True)
    figures = run_in_turn(
        {name: ["benchmarks.typing", side, str(events)] for name, side in sides.items()}
    )
    print_figures(f"typing: {events:,} events, CPU seconds", figures, against="0.2.0")
    for name, figure in figures.items():
        print(f"  {name}: {events / figure.median:,.0f} events a second")


if __name__ == "__main__":
    side, amount = sys.argv[1], int(sys.argv[2])
    others = {"exported": type_files, "retyping": retype}
    print(f"{others[side](amount) if side in others else type_page(side, amount):.3f}")
