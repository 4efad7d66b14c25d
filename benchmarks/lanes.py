"""2 million events of 920 bytes by each lane, beside what one would use instead, in one table.

`python -m benchmarks.lanes SIDE URL EVENTS` runs one side and prints its seconds. What PostHog itself takes
for an export is not measured: a first run asks for all of them, and is no side. The small form has 100,000
events.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import duckdb
import httpx
from pydantic import SecretStr

from benchmarks.foreign import FOREIGN
from benchmarks.lane_events import END, PAGE_ROWS, LaneEvents, lane_events
from benchmarks.measure import Figures, Stopwatch, run_in_turn
from leadpipe.events.connecting import open_bucket, sync_config
from leadpipe.events.exported.taking import take_files
from leadpipe.events.ledger import Run
from leadpipe.events.loading import load_days
from leadpipe.events.mapping.reading import built_in
from leadpipe.events.mapping.typing_sql import pointer, quoted
from leadpipe.events.settings import EventsSettings
from leadpipe.posthog import PostHog
from leadpipe.warehouse import Warehouse
from leadpipe_tests.s3_server import S3Bucket, running_s3_server

_NOW = END + timedelta(days=5)
_CHUNK = 1024 * 1024
_EVENTS, _FEW_EVENTS = 2_000_000, 100_000
_BUCKET = "lanes"
_S3_SETTINGS = "LEADPIPE_BENCHMARK_S3"


def leadpipe(lane: Literal["query", "download"], url: str, folder: Path, made: LaneEvents) -> None:
    """Load the days as a first sync does: one door, ledger, each day proved."""
    settings = EventsSettings(_env_file=None, data_dir=folder)
    warehouse = Warehouse(folder / "leadpipe.duckdb", memory_limit=settings.memory_limit)
    with PostHog(host=url, project_id="1", api_key=SecretStr("phx_x")) as posthog, Stopwatch():
        report = load_days(
            posthog,
            warehouse,
            made.days,
            run=Run("benchmark", "manual"),
            config=replace(sync_config(settings), lane=lane),
            clock=lambda: _NOW,
        )
    if report.ingested.new != made.events or report.incomplete_days or report.reread_days:
        raise SystemExit(f"{report.ingested.new} events of {made.events} arrived")


def bucket(place: str, url: str, folder: Path, made: LaneEvents) -> None:
    """Take the days' files as the job of a batch export does: each noted, each day proved.

    Args:
        place: the address of a folder or bucket.
        url: of PostHog.
        folder: for the warehouse.
        made: what is there.
    """
    settings = EventsSettings(
        _env_file=None,
        data_dir=folder,
        bucket=place,
        **({} if Path(place).is_absolute() else json.loads(os.environ[_S3_SETTINGS])),
    )
    warehouse = Warehouse(folder / "leadpipe.duckdb", memory_limit=settings.memory_limit)
    opened = open_bucket(settings)
    if opened is None:
        raise SystemExit(f"{place} is no bucket")
    with PostHog(host=url, project_id="1", api_key=SecretStr("phx_x")) as posthog, Stopwatch():
        report = take_files(
            opened,
            posthog,
            warehouse,
            run=Run("benchmark", "bucket"),
            config=sync_config(settings),
            first_day=made.days[0],
            clock=lambda: _NOW,
        )
    if report.ingested.new != made.events or {one.state for one in report.outcomes} != {"taken"}:
        raise SystemExit(f"{report.ingested.new} events of {made.events} arrived")
    if report.proof.differing:
        raise SystemExit(f"{report.proof.differing} are not proved")


def fetch(url: str, folder: Path, made: LaneEvents) -> list[Path]:
    """The ceiling: the files over HTTP to disk, nothing read."""
    found = []
    with httpx.Client(timeout=60) as client:
        for file in made.files:
            path = folder / file.name
            with client.stream("GET", f"{url}/days/{file.name}") as answer, path.open("wb") as to:
                for piece in answer.iter_bytes(_CHUNK):
                    to.write(piece)
            found.append(path)
    return found


def pages(url: str, folder: Path, made: LaneEvents) -> None:
    """The ceiling of the query lane: the answers of its pages over HTTP to a file, nothing read."""
    with httpx.Client(timeout=60) as client, (folder / "pages").open("wb") as to:
        for number in range(-(-made.events // PAGE_ROWS)):
            to.write(client.get(f"{url}/pages/{number}").content)


def script(url: str, folder: Path, made: LaneEvents) -> None:
    """What a good script does: fetch, `read_parquet`, one `INSERT` with all paths extracted at once."""
    files = ", ".join(f"'{file}'" for file in fetch(url, folder, made))
    paths = _paths()
    pointers = ", ".join(quoted(pointer(path)) for path in paths)
    columns = ", ".join(f"v[{n}] AS c{n}" for n in range(1, len(paths) + 1))
    with duckdb.connect(str(folder / "script.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        connection.execute(f"""
            CREATE TABLE events AS
            SELECT CAST(uuid AS UUID) AS uuid, event, timestamp, created_at, distinct_id, person_id,
                properties, {columns}
            FROM (
                SELECT *, json_extract_string(properties, [{pointers}]) AS v FROM read_parquet([{files}])
            )
        """)


def _timed(
    side: Callable[[str, Path, LaneEvents], object],
) -> Callable[[str, Path, LaneEvents], None]:
    """A side of which all is measured."""

    def timed(url: str, folder: Path, made: LaneEvents) -> None:
        with Stopwatch():
            side(url, folder, made)

    return timed


def _paths() -> list[tuple[str, ...]]:
    """Where the built-in mapping looks for properties."""
    return [path for source in built_in().shared.values() for path in source.paths]


def foreign(name: str, url: str, folder: Path, made: LaneEvents) -> None:
    """Fetch the files, and load them by a script in an environment of its own."""
    files = folder / "files"
    files.mkdir()
    fetch(url, files, made)
    FOREIGN[name].run(str(files), str(folder), json.dumps(_paths()))


_SIDES: dict[str, Callable[[str, Path, LaneEvents], object]] = {
    "pages": _timed(pages),
    "fetch": _timed(fetch),
    "query": partial(leadpipe, "query"),
    "download": partial(leadpipe, "download"),
    "folder": lambda url, folder, made: bucket(str(made.folder / "days"), url, folder, made),
    "s3": lambda url, folder, made: bucket(f"s3://{_BUCKET}", url, folder, made),
    "script": _timed(script),
    **{name: _timed(partial(foreign, name)) for name in FOREIGN},
}
_TITLES = {
    "pages": "fetch of the pages alone",
    "fetch": "fetch of the files alone",
    "query": "leadpipe, query lane",
    "download": "leadpipe, download lane",
    "folder": "leadpipe, bucket: a folder",
    "s3": "leadpipe, bucket: S3",
    "script": "tuned script: read_parquet, INSERT",
    "polars": "polars, a file at a time",
    "pandas": "pandas, a file at a time",
    "dlt": "dlt",
}


def run(*, is_full: bool, is_small: bool = False) -> None:
    """Measure all sides against one server, and print one table."""
    events, runs = _FEW_EVENTS if is_small else _EVENTS, 3 if is_full else 1
    make = [sys.executable, "-m", "benchmarks.lane_events", str(events)]
    subprocess.run(make, check=True)  # in a process of its own, for its memory would count as ours
    made = lane_events(events)
    sides = [side for side in _TITLES if side not in FOREIGN or FOREIGN[side].is_there()]
    figures: dict[str, Figures] = {}
    counts: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        url = stack.enter_context(served(events))
        if shutil.which("weed") or Path(sys.executable).with_name("weed").exists():
            stack.enter_context(_files_in_s3(made))
        else:
            print("There is no S3 server (`weed`): that row is left out")
            sides.remove("s3")
        run_in_turn({"rehearsal": _command("download", url, events)}, runs=1)
        for side in sides:
            _counts(url)
            print(f"lanes: {_TITLES[side]} …", file=sys.stderr, flush=True)
            figures |= run_in_turn({side: _command(side, url, events)}, runs=runs)
            counts[side] = {what: count // runs for what, count in _counts(url).items()}
    # Of a bucket nobody serves files but its store: each is read once.
    of_bucket = {
        "files": len(made.files),
        "bytes": sum(file.stat().st_size for file in made.files),
    }
    for side in {"folder", "s3"} & figures.keys():
        counts[side] = {**counts[side], "files": of_bucket["files"]}
        counts[side]["bytes"] = counts[side].get("bytes", 0) + of_bucket["bytes"]
    _print(events, figures, counts)


@contextmanager
def _files_in_s3(made: LaneEvents) -> Iterator[None]:
    """A real S3 server on loopback that has the days' files; how to read it is in the environment."""
    with running_s3_server() as endpoint:
        place = S3Bucket(_BUCKET, endpoint)
        for file in made.files:
            place.put(file.name, file.read_bytes())
        own = {name: value for name, value in place.settings().items() if name != "bucket"}
        os.environ[_S3_SETTINGS] = json.dumps(own)
        yield


_COLUMNS = (
    "side",
    "events/s",
    "CPU seconds",
    "events per CPU second",
    "seconds",
    "peak MB",
    "queries",
    "exports",
    "files",
    "MB read",
)


def _print(
    events: int, figures: Mapping[str, Figures], counts: Mapping[str, Mapping[str, int]]
) -> None:
    """The table of all sides, in the form of documents."""
    print(f"\nlanes: {events:,} events of 920 bytes\n")
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
    for side, found in figures.items():
        asked = [f"{counts[side].get(what, 0):,}" for what in ("queries", "exports", "files")]
        cells = [
            _TITLES[side],
            f"{events / found.median:,.0f}",
            f"{found.median_cpu:.1f}",
            f"{events / found.median_cpu:,.0f}",
            f"{found.median:.1f}",
            f"{found.peak_megabytes:,.0f}",
            *asked,
            f"{counts[side].get('bytes', 0) / 1e6:,.0f}",
        ]
        print(f"| {' | '.join(cells)} |")
    print()
    for side, bare in {"query": "pages", "download": "fetch"}.items():
        ours, theirs = figures[side], figures[bare]
        print(
            f"{_TITLES[side]}: {ours.median / theirs.median:.2f} x the {_TITLES[bare]} in seconds, "
            f"{ours.median_cpu / theirs.median_cpu:.2f} x in CPU seconds"
        )


def _command(side: str, url: str, events: int) -> list[str]:
    return ["benchmarks.lanes", side, url, str(events)]


def _counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/counts") as answer:
        counts: dict[str, int] = json.load(answer)
    return counts


@contextmanager
def served(events: int) -> Iterator[str]:
    """The address of a server that has so many events, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.lane_server", str(events)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


def main() -> None:
    """Run one side, in a folder of its own."""
    side, url, made = sys.argv[1], sys.argv[2], lane_events(int(sys.argv[3]))
    folder = Path(tempfile.mkdtemp(prefix="leadpipe-benchmark-"))
    try:
        _SIDES[side](url, folder, made)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
