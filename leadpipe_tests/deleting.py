"""Delete a domain in a copy of the code, and run what is left.

`python -m leadpipe_tests.deleting` does so with each domain that no other tests take their examples from, or
with those named, and runs the whole rest of the tests; `leadpipe_tests/test_deleting_a_domain.py` is the
short form. The pages in `docs/` describe all domains together, examples read them, attacks try them, a
release holds them together and a lake is compared with a file by all of them, so `leadpipe_tests/docs`,
`examples`, `security`, `deploy`, `release` and `lake` are not of the rest.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from leadpipe.domains import DOMAINS

_ROOT = Path(__file__).parents[1]
_FOLDERS = ("leadpipe", "leadpipe_tests", "posthog_sandbox", "docs")
_FILES = ("pyproject.toml", "dagster.yaml", "workspace.yaml")
_NEEDED = ("events", "inbox")
"""Where events come in: the others build on them."""
DELETABLE = tuple(domain for domain in DOMAINS if domain not in _NEEDED)
_EXAMPLES = ("visitors", "leads", "listings")
"""What tests of events, the page and Dagster look at: leadpipe works without these, those tests do not."""
_NOT_OF_THE_REST = (
    "--ignore=leadpipe_tests/docs",
    "--ignore=leadpipe_tests/examples",
    "--ignore=leadpipe_tests/security",
    "--ignore=leadpipe_tests/deploy",
    "--ignore=leadpipe_tests/release",
    "--ignore=leadpipe_tests/lake",
    "--ignore=leadpipe_tests/test_deleting_a_domain.py",
)


def copy_without(domain: str | None, folder: Path) -> Path:
    """A copy of the packages, less a domain: its folder, its tests' folder, its line.

    What Python has compiled comes along, as old as its sources: no program compiles all of it again.
    """
    for name in _FOLDERS:
        shutil.copytree(_ROOT / name, folder / name)
    for name in _FILES:
        shutil.copy(_ROOT / name, folder)
    if domain:
        shutil.rmtree(folder / "leadpipe" / domain)
        shutil.rmtree(folder / "leadpipe_tests" / domain)
        path = folder / "leadpipe" / "domains.py"
        text, count = re.subn(rf'^    "{domain}",\n', "", path.read_text(), flags=re.MULTILINE)
        assert count == 1, f"{path} has {count} lines that are {domain}'s"
        path.write_text(text)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, for a program that is to use the copy's code."""
    return {**os.environ, "PYTHONPATH": str(folder)}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python in the copy, on the copy's code."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def run_tests(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the tests that are left, or those named."""
    return run(folder, "pytest", "-q", "-p", "no:cacheprovider", *_NOT_OF_THE_REST, *words)


def main(words: Sequence[str]) -> int:
    """Delete each domain in turn; 1 if anything then fails. Options go on to pytest."""
    options = [word for word in words if word.startswith("-")]
    named = [word for word in words if word not in options]
    domains = named or [domain for domain in DELETABLE if domain not in _EXAMPLES]
    failed = False
    sys.stdout.write(f"{'domain':14}{'passed':>8}{'failed':>8}{'seconds':>9}\n")
    for domain in domains:
        with TemporaryDirectory(prefix=f"without-{domain}-") as folder:
            copy = copy_without(domain, Path(folder))
            started = time.monotonic()
            done = run_tests(copy, *options)
            counts = {
                word: int(count)
                for count, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)
            }
            wrong = counts.get("failed", 0) + counts.get("error", 0)
            took = time.monotonic() - started
            sys.stdout.write(f"{domain:14}{counts.get('passed', 0):8}{wrong:8}{took:9.0f}\n")
            sys.stdout.flush()
            if done.returncode:
                failed = True
                sys.stderr.write(done.stdout[-20_000:] + done.stderr[-5_000:])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
