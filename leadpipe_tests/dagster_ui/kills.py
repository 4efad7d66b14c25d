"""Kill `leadpipe sync` at chosen moments, sync once more, and compare with a sync that nobody disturbed.

`python -m leadpipe_tests.dagster_ui.kills [--kills N] [--seed N]` kills 60 times and prints where each fell;
`test_killed_syncs.py` is the short form. Rounds of a few kills each begin with an empty data folder. Before
each kill more events arrive, so that every sync has something to load, build and publish. The moment is
chosen from outside, by what the process has asked PostHog for and what lies in its folders, and some jitter;
where it fell is read in the warehouse of the dead.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import leadpipe_tests.conftest  # noqa: F401 - the tests' environment, before anything of leadpipe
from leadpipe.leads.leads import stale_runs
from leadpipe.listings.listings import stale_days
from leadpipe.published.tables import publish_tables
from leadpipe.settings import Settings, whole_settings
from leadpipe.warehouse import Warehouse, memory, view_table
from leadpipe_tests.clocks import NOW, OneClock, let_pass
from leadpipe_tests.dagster_ui.processes import REPOSITORY, environment, program
from leadpipe_tests.events.builders import build_marts, event, load, rows, table
from posthog_sandbox.process import SandboxProcess

KILLS = 60
PHASES = (
    "nothing committed",
    "some windows",
    "loaded, not built",
    "built, not published",
    "published",
)
"""What is committed when a sync dies, from its beginning to its end."""
_NOTHING, _WINDOWS, _LOADED, _BUILT, _PUBLISHED = PHASES
_EVENTS, _MORE_EVENTS, _DAYS, _KILLS_A_ROUND = 1_000, 600, 12, 6
_MOST_SECONDS = 120.0
# Commits every 200 rows instead of every 50,000, so that kills meet half-loaded warehouses.
SYNC = [
    "-c",
    """
import leadpipe.events.loading as loading
from leadpipe.cli import main
loading._FOLD_ROWS = 200
main(["sync"])
""",
]
# What must not depend on how often a sync was interrupted.
_TABLES = {
    "raw_events": "SELECT * EXCLUDE (run_id) FROM raw_events",
    "listing_analytics": "SELECT * FROM listing_analytics",
    "listings": "SELECT * FROM listings",
    "event_copies": "SELECT * FROM event_copies",
    "event_days": "SELECT event_date, posthog_events, posthog_checksum, warehouse_events, "
    "warehouse_checksum FROM event_days",
}
_PUBLISHED_TABLES = {
    "grouped_leads": "SELECT * EXCLUDE (records) FROM grouped_leads",
    **{
        name: f"SELECT * FROM {name}"
        for name in ("listing_analytics", "listings", "week_viewers", "events_by_day")
    },
}
_LEAD_EVENTS = """
    SELECT uuid::VARCHAR FROM raw_events WHERE lead_type IS NOT NULL AND rejected_reason IS NULL
"""
_ACTIONS = """
    SELECT action ->> 'action_id' FROM (SELECT unnest(CAST(lead_actions AS JSON[])) AS action FROM {leads})
"""


@dataclass(frozen=True)
class Kill:
    """Where a kill was to fall and where it fell, and how many page files of people's data it left."""

    aim: str
    phase: str
    pages_left: int


@dataclass
class Home:
    """A data folder with its own Dagster, of a project in the sandbox."""

    folder: Path
    sandbox: SandboxProcess
    first_day: date

    def __post_init__(self) -> None:
        self.folder.mkdir()
        shutil.copy(REPOSITORY / "dagster.yaml", self.folder / "dagster.yaml")
        self.data = self.folder / "data"
        self.landing = self.data / "landing"
        self.published = self.data / "published"
        self.warehouse = Warehouse(self.data / "leadpipe.duckdb", lock_timeout_seconds=5.0)

    @contextmanager
    def syncing(self) -> Iterator[subprocess.Popen[bytes]]:
        """A sync under way; whatever is left of it is ended."""
        env = environment(
            self.sandbox,
            DAGSTER_HOME=str(self.folder),
            LEADPIPE_DATA_DIR=str(self.data),
            LEADPIPE_START_DATE=self.first_day.isoformat(),
            LEADPIPE_PAGE_ROWS="100",
        )
        with program(SYNC, log=self.folder / "log", cwd=self.folder, env=env) as process:
            yield process

    def sync(self) -> None:
        """A sync that nobody disturbs."""
        with self.syncing() as process:
            code = process.wait(_MOST_SECONDS)
        log = (self.folder / "log").read_text()
        assert code == 0, log

    @property
    def publication(self) -> str:
        """The name of the current publication; empty before the first."""
        current = self.published / "current"
        return current.readlink().name if current.is_symlink() else ""

    def pages(self, *, without: Collection[str] = ()) -> int:
        """Page files that lie in the landing folder, except in the folders named."""
        return sum(path.parent.name not in without for path in self.landing.rglob("*.ndjson"))


def kill_syncs(
    sandbox: SandboxProcess,
    folder: Path,
    *,
    kills: int,
    seed: int,
    tell: Callable[[str], object] = lambda _: None,
) -> list[Kill]:
    """Kill syncs in rounds; after each round sync once more, and compare everything.

    Args:
        sandbox: an empty one, whose clock is the test's.
        folder: for the rounds' folders.
        kills: how many, the phases of each round in an order of its own.
        seed: of orders, jitter and events.
        tell: told of each kill, a line each.

    Raises:
        AssertionError: what came out is not what an undisturbed sync gives, or something was left behind.
    """
    rng = random.Random(seed)
    done: list[Kill] = []
    while len(done) < kills:
        first_day = _begin_project(sandbox, seed=seed + len(done))
        home = Home(folder / f"round-{len(done):03d}", sandbox, first_day)
        aims = [*rng.sample(PHASES, len(PHASES)), rng.choice(PHASES)]
        aims = rng.sample(aims, min(_KILLS_A_ROUND, kills - len(done)))
        for aim in aims:
            done.append(_killed(home, aim, rng))
            tell(
                f"{len(done):3}. aimed at {aim:22} fell at {done[-1].phase:22} "
                f"{done[-1].pages_left} page files left"
            )
        home.sync()
        _compare(home, sandbox)
        tell(f"     one more sync: as if nobody had killed any of the {len(aims)} before")
        shutil.rmtree(home.folder)
    return done


def _begin_project(sandbox: SandboxProcess, *, seed: int) -> date:
    """Some days of traffic, none of which is loaded; the first of these days."""
    sandbox.control.reset()
    let_pass(0)  # the sandbox forgot the time, too
    now = datetime.now(UTC)
    sandbox.control.limits(enforce=False)
    sandbox.control.generate(_EVENTS, days=_DAYS, end=now - timedelta(hours=3), seed=seed)
    _slow_down(sandbox)
    return now.date() - timedelta(days=_DAYS + 1)


def _slow_down(sandbox: SandboxProcess) -> None:
    """Pages take a moment, so that kills meet some of them under way."""
    sandbox.control.fault("stall", match="leadpipe: events from", seconds=0.1, times=-1)


def _killed(home: Home, aim: str, rng: random.Random) -> Kill:
    """Let events arrive and a sync die; again if it was quicker than the kill."""
    for _ in range(4):
        _more_events(home.sandbox, rng)
        home.sandbox.control.clear_requests()
        before = home.publication
        with home.syncing() as process:
            _wait_for(aim, home, process, before, rng)
            process.send_signal(signal.SIGKILL)
            ended = process.wait(10)
        if ended == -signal.SIGKILL:
            return Kill(aim, _phase(home, before), home.pages())
    raise AssertionError(f"Four syncs ended before they could be killed at {aim!r}")


def _more_events(sandbox: SandboxProcess, rng: random.Random) -> None:
    """An hour later PostHog has received some hundred events of the last days."""
    let_pass(3_600)
    now = datetime.now(UTC)
    received = now - timedelta(minutes=10)
    sandbox.control.insert(
        [
            event(
                rng.choice(("property_view", "property_view", "$pageview", "lead_phone")),
                received - timedelta(seconds=rng.uniform(0, 9 * 86_400)),
                distinct_id=f"person-{rng.randrange(60)}",
                listing_id=f"listing-{rng.randrange(20)}",
                created_at=received,
            )
            for _ in range(_MORE_EVENTS)
        ]
    )


def _wait_for(
    aim: str, home: Home, process: subprocess.Popen[bytes], before: str, rng: random.Random
) -> None:
    """Come back when the moment has come, or the process has ended by itself."""
    dead = {path.stem for path in home.landing.glob("*.lock")}
    most_pages, was_loading = 0, False

    def is_committed() -> bool:
        """Page files are removed once their rows are committed."""
        nonlocal most_pages
        most_pages = max(most_pages, pages := home.pages(without=dead))
        return pages < most_pages

    def is_loaded() -> bool:
        """The load's folder goes with it; the command itself lives on under its lock."""
        nonlocal was_loading
        is_loading = any(path.is_dir() and path.name not in dead for path in home.landing.glob("*"))
        was_loading = was_loading or is_loading
        return was_loading and not is_loading

    def is_publishing() -> bool:
        return any(path.name > before for path in home.published.glob("v*"))

    is_time, longest_jitter, pause = {
        _NOTHING: (lambda: _asked(home.sandbox) >= 1, 0.2, 0.02),
        _WINDOWS: (is_committed, 0.2, 0.002),
        _LOADED: (is_loaded, 0.08, 0.001),
        _BUILT: (is_publishing, 0.03, 0.001),
        _PUBLISHED: (lambda: home.publication != before, 0.2, 0.001),
    }[aim]
    give_up_at = time.monotonic() + _MOST_SECONDS
    while process.poll() is None and not is_time():
        assert time.monotonic() < give_up_at, (home.folder / "log").read_text()
        time.sleep(pause)
    time.sleep(rng.uniform(0, longest_jitter))


def _asked(sandbox: SandboxProcess) -> int:
    """Pages of events that were asked for."""
    names = [request["name"] or "" for request in sandbox.control.requests()]
    return sum(name.startswith("leadpipe: events from") for name in names)


def _phase(home: Home, before: str) -> str:
    """What the process that was killed just now had committed."""
    if home.publication != before:
        return _PUBLISHED
    with home.warehouse.connect() as connection:
        found = connection.execute(
            "SELECT status, events_new FROM runs WHERE started_at = ?", [datetime.now(UTC)]
        ).fetchone()
        status, events_new = found or ("", 0)
        if status != "succeeded":
            return _WINDOWS if events_new else _NOTHING
        totals = connection.execute(
            "SELECT (SELECT sum(total_views) FROM listings), "
            "(SELECT sum(total_views) FROM listing_analytics)"
        ).fetchone() or (0, 1)
        is_built = not (stale_runs(connection) or stale_days(connection)) and totals[0] == totals[1]
        return _BUILT if is_built else _LOADED


def _compare(home: Home, sandbox: SandboxProcess) -> None:
    """Compare with a load that nobody disturbed, event by event, and look for what was left behind."""
    calm = _undisturbed(home, sandbox)
    with home.warehouse.connect() as found, Warehouse(calm.warehouse_path).connect() as expected:
        for name, query in _TABLES.items():
            assert table(found, query) == table(expected, query), name
    stored = home.warehouse
    assert rows(stored, "SELECT count(*) - count(DISTINCT uuid) FROM raw_events") == [(0,)]
    lead_events = sorted(rows(stored, _LEAD_EVENTS))
    assert sorted(rows(stored, _ACTIONS.format(leads="leads"))) == lead_events != []
    with memory() as found, memory() as expected, stored.connect() as connection:
        for name, query in _PUBLISHED_TABLES.items():
            view_table(found, home.published / "current", name)
            view_table(expected, calm.published_dir / "current", name)
            assert table(found, query) == table(expected, query), f"published {name}"
        view_table(found, home.published / "current", "leads")
        assert table(found, "FROM leads") == table(connection, "FROM leads"), "published leads"
    statuses = dict(rows(stored, "SELECT status, count(*) FROM runs GROUP BY ALL"))
    assert {*statuses} <= {"interrupted", "succeeded"}, statuses
    assert {*rows(stored, "SELECT error FROM runs WHERE status = 'interrupted'")} <= {
        ("the process ended before the run did",)
    }
    assert list(home.landing.rglob("*")) == []
    kept = sorted(path.name for path in home.published.iterdir() if path.name != "current")
    assert len(kept) <= 2, kept  # the current publication and the one before


def _undisturbed(home: Home, sandbox: SandboxProcess) -> Settings:
    """The settings of a second data folder, loaded, built and published in this process."""
    calm: Settings = whole_settings()(
        _env_file=None,
        posthog_api_key=sandbox.api_key,
        posthog_project_id=sandbox.project_id,
        posthog_base_url=sandbox.url,
        data_dir=home.folder / "calm",
    )
    warehouse = Warehouse(calm.warehouse_path, lock_timeout_seconds=5.0)
    sandbox.control.clear_faults()
    days = (datetime.now(UTC).date() - home.first_day).days + 1
    load(calm, warehouse, [home.first_day + timedelta(days=n) for n in range(days)])
    _slow_down(sandbox)
    build_marts(warehouse)
    with warehouse.connect() as connection:
        publish_tables(connection, calm.published_dir, now=datetime.now(UTC))
    return calm


def told(kills: Sequence[Kill]) -> str:
    """Where kills fell: a line a phase."""
    fell = Counter(kill.phase for kill in kills)
    aimed = Counter(kill.aim for kill in kills)
    pages = Counter[str]()
    for kill in kills:
        pages[kill.phase] += kill.pages_left
    lines = [f"{phase:22} {aimed[phase]:5} {fell[phase]:5} {pages[phase]:10}" for phase in PHASES]
    return "\n".join([f"{'committed':22} {'aimed':>5} {'fell':>5} {'page files':>10}", *lines])


def main(words: Collection[str]) -> int:
    """Kill, and print where; the exit code is 1 if no kill fell in one of the phases."""
    parser = argparse.ArgumentParser(
        prog="python -m leadpipe_tests.dagster_ui.kills", description=__doc__
    )
    parser.add_argument("--kills", type=int, default=KILLS, help=f"by default {KILLS}")
    parser.add_argument("--seed", type=int, default=2026, help="by default 2026")
    options = parser.parse_args(list(words))
    clock = OneClock(NOW, is_dated=True)
    try:
        with SandboxProcess.start() as sandbox, tempfile.TemporaryDirectory() as folder:
            clock.take_along(sandbox.control.set_clock)
            kills = kill_syncs(
                sandbox, Path(folder), kills=options.kills, seed=options.seed, tell=_say
            )
    finally:
        clock.release()
    _say(f"\n{told(kills)}")
    return int({kill.phase for kill in kills} != {*PHASES})


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
