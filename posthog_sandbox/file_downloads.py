"""File download exports: runs that write files for somebody to fetch, and what may become of one.

Belongs here: runs, their states, how many at once, and what a test wants of the next ones. Does not belong
here: requests and answers (`file_download_api.py`), the files' rows (`export_files.py`), the store that hands
them out (`file_store.py`).
"""

import asyncio
import itertools
import secrets
import shutil
import tempfile
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from posthog_sandbox.clock import Clock
from posthog_sandbox.export_files import (
    BATCH_ROWS,
    FileKind,
    Selection,
    Written,
    file_name,
    reading_of,
    write_files,
)
from posthog_sandbox.file_store import FileStore, StoredFile
from posthog_sandbox.refusals import Refusal, no_such_object
from posthog_sandbox.storage import Storage

ACTIVE = frozenset({"Starting", "Running"})
FAILED = frozenset({"Failed", "FailedRetryable", "FailedBilling", "Terminated", "TimedOut"})
ENDS = frozenset({"Completed", "Cancelled", *FAILED})
LOST = "lost"
"""An outcome of ours: the run says that it is running for ever."""
_LOOK_SECONDS = 0.01


@dataclass(frozen=True)
class DownloadRules:
    """How the server treats file downloads.

    Attributes:
        at_once: runs of a project; more are refused. PostHog's own number is a setting of its servers.
        seconds: that a run takes at least.
        looks: how often a run is looked at before it ends; it counts as running meanwhile.
        late_looks: how often one that has ended is shown as running, because its files are not listed yet.
        tells_rows: whether an ended run tells its rows; if not, one whose files are late is shown as
            completed without files, as PostHog shows a run of which it does not know the rows.
        settle_seconds: by which the server's clock must have passed a span's end; PostHog waits a minute.
        old_spans: how spans are read that begin six days ago or earlier; PostHog's way is `bounded`.
        has_copies: whether a run writes every copy of an event; PostHog writes one.
        batch_rows: rows written at once, after which a file may be closed.
        expires_seconds: how long an address of a file is good, by the server's clock.
        kept_seconds: how long a file is kept, by the server's clock.
        fails_to_start: how many of the next runs fail to start.
    """

    at_once: int = 3
    seconds: float = 0.0
    looks: int = 0
    late_looks: int = 0
    tells_rows: bool = True
    settle_seconds: float = 0.0
    old_spans: Literal["bounded", "timestamp", "received"] = "bounded"
    has_copies: bool = False
    batch_rows: int = BATCH_ROWS
    expires_seconds: float = 3600.0
    kept_seconds: float = 7 * 86_400.0
    fails_to_start: int = 0


@dataclass(frozen=True)
class Outcome:
    """How one of the next runs ends instead of well; `error` is what it says then."""

    status: str
    error: str | None = None

    def __post_init__(self) -> None:
        if self.status not in ENDS | {LOST}:
            raise ValueError(f"A run does not end as {self.status!r}.")


@dataclass
class DownloadRun:
    """A run; `status` is what the server has, `shown` what it says."""

    id: str
    asked: dict[str, Any]
    selection: Selection
    kind: FileKind
    status: str = "Starting"
    files: list[StoredFile] = field(default_factory=list)
    rows: int | None = None
    error: str | None = None
    looks_left: int = 0
    late_looks_left: int = 0
    is_cancelled: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def are_files_late(self) -> bool:
        """Whether the files are written but not listed yet."""
        return self.status == "Completed" and bool(self.files) and self.late_looks_left > 0

    def public(self) -> dict[str, Any]:
        """For tests: what was asked and what became of it."""
        return {
            "id": self.id,
            "asked": self.asked,
            "status": self.status,
            "rows": self.rows,
            "files": [one.key for one in self.files],
            "reading": self.selection.reading,
        }


class _Cancelled(Exception):  # noqa: N818 - not an error
    """The run was cancelled while it wrote."""


class FileDownloads:
    """All runs of the project; belongs to one event loop."""

    def __init__(self, storage: Storage, clock: Clock, store: FileStore) -> None:
        self._storage = storage
        self._clock = clock
        self._directory: Path | None = None
        self._lock = threading.Lock()
        self._series = itertools.count()
        self.store = store
        self.clear()

    def clear(self) -> None:
        """Forget all runs and wishes, and remove the files."""
        for run in getattr(self, "runs", {}).values():
            run.is_cancelled = True
        self.rules = DownloadRules()
        self.outcomes: deque[Outcome] = deque()
        self.runs: dict[str, DownloadRun] = {}
        self.store.clear()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def close(self) -> None:
        """Remove what is on disk."""
        self.clear()
        self._directory = None

    def begin(
        self, asked: dict[str, Any], selection: Selection, kind: FileKind
    ) -> DownloadRun | None:
        """Start a run; None if it failed to start, which the list shows all the same.

        Raises:
            Refusal: 429, too many are running.
        """
        active = sum(run.status in ACTIVE for run in self.runs.values())
        if active >= self.rules.at_once:
            raise too_many_downloads()
        reading = reading_of(selection.start, self._clock.now())
        if reading != "received":
            reading = self.rules.old_spans
        selection = replace(selection, reading=reading, has_copies=self.rules.has_copies)
        kind = replace(kind, batch_rows=self.rules.batch_rows)
        run = DownloadRun(self._new_id(), asked, selection, kind)
        run.looks_left, run.late_looks_left = self.rules.looks, self.rules.late_looks
        self.runs[run.id] = run
        if self.rules.fails_to_start > 0:
            self.rules = replace(self.rules, fails_to_start=self.rules.fails_to_start - 1)
            run.status, run.error = "Failed", "Failed to start"
            return None
        outcome = self.outcomes.popleft() if self.outcomes else None
        run.task = asyncio.create_task(self._execute(run, outcome))
        return run

    def get(self, run_id: str) -> DownloadRun:
        """The run of that id.

        Raises:
            Refusal: 404.
        """
        run = self.runs.get(run_id)
        if run is None:
            raise no_such_object()
        return run

    def newest_first(self) -> list[DownloadRun]:
        """All runs as the list has them."""
        return list(reversed(self.runs.values()))

    def look(self, run: DownloadRun) -> None:
        """Count a look: what a test wants shown for so many looks is over then."""
        if run.status in ACTIVE:
            run.looks_left = max(0, run.looks_left - 1)
        elif run.are_files_late:
            run.late_looks_left -= 1

    def forget(self, run_id: str) -> None:
        """Lose a run, as if PostHog had deleted it."""
        self.get(run_id).is_cancelled = True
        del self.runs[run_id]

    def cancel(self, run: DownloadRun) -> None:
        """Stop a run."""
        run.is_cancelled = True
        run.status = "Cancelled"

    async def _execute(self, run: DownloadRun, outcome: Outcome | None) -> None:
        rules = self.rules
        await asyncio.sleep(0)
        if not run.is_cancelled:
            run.status = "Running"
        settled = run.selection.end + timedelta(seconds=rules.settle_seconds)
        ends = asyncio.get_running_loop().time() + rules.seconds
        while not run.is_cancelled and (
            run.looks_left > 0
            or asyncio.get_running_loop().time() < ends
            or self._clock.now() < settled
            or (outcome is not None and outcome.status == LOST)
        ):
            await asyncio.sleep(_LOOK_SECONDS)
        if run.is_cancelled:
            return
        if outcome is not None and outcome.status != "Completed":
            run.error = outcome.error
            run.status = outcome.status
            return
        try:
            await asyncio.to_thread(self._write, run)
        except _Cancelled:
            return
        except Exception as error:  # noqa: BLE001 - PostHog shows whatever went wrong
            if not run.is_cancelled:
                run.status, run.error = "Failed", f"{type(error).__name__}: {error}"
            return
        if not run.is_cancelled:
            run.status = "Completed"

    def _write(self, run: DownloadRun) -> None:
        def go_on() -> None:
            if run.is_cancelled:
                raise _Cancelled

        now = self._clock.now()
        selection, kind = run.selection, run.kind
        span = f"{selection.start.isoformat()}-{selection.end.isoformat()}"
        prefix = f"batch-exports/{uuid.uuid5(uuid.NAMESPACE_OID, run.id)}/{run.id}/{span}"
        named: Callable[[int | None], str] = lambda number: file_name(  # noqa: E731 - it is passed on
            selection.start, selection.end, kind, number
        )
        written: Written = write_files(
            self._storage,
            selection,
            kind,
            self._root() / run.id,
            now=now,
            name=named,
            go_on=go_on,
        )
        kept_until: datetime = now + timedelta(seconds=self.rules.kept_seconds)
        files = [
            self.store.add(f"{prefix}/{path.name}", path, kept_until) for path in written.files
        ]
        run.files = sorted(files, key=lambda one: one.key)
        run.rows = written.rows if self.rules.tells_rows else None

    def _new_id(self) -> str:
        """As PostHog makes them: milliseconds, a counter, chance."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        high = milliseconds << 16 | next(self._series) % 0x10000
        return str(uuid.UUID(int=high << 64 | secrets.randbits(64)))

    def _root(self) -> Path:
        with self._lock:
            if self._directory is None:
                self._directory = Path(tempfile.mkdtemp(prefix="posthog-sandbox-files-"))
            self._directory.mkdir(exist_ok=True)
            return self._directory


def too_many_downloads() -> Refusal:
    """429 by number; nothing says how long to wait."""
    detail = "Too many concurrent file download batch exports for this team."
    return Refusal(429, "server_error", "too_many_concurrent_file_downloads", detail)
