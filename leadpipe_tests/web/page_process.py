"""`leadpipe serve` as a program of its own, on a free port of this machine."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from leadpipe.settings import child_environment

_SECONDS = 120.0


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the page over a data folder; give its process and its address, and end it."""
    settings: Mapping[str, str] = {
        "LEADPIPE_DATA_DIR": str(folder / "data"),
        "LEADPIPE_WEB_PORT": "0",
        "COLUMNS": "200",
        **environment,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "leadpipe", "serve"],
        cwd=folder,
        env=child_environment(settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "leadpipe page: " in line:
                address = line.split("leadpipe page: ")[1].strip().removesuffix("/")
                yield process, address
                return
        raise AssertionError("the page ended before it listened")
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_SECONDS)
            finally:
                process.kill()
                process.wait()
        if process.stderr is not None:
            process.stderr.close()
