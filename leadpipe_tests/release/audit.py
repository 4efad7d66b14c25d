"""Ask whether what production installs has known vulnerabilities, by pip-audit.

    python -m leadpipe_tests.release.audit [OPTIONS OF PIP-AUDIT]

Exit codes: 0 none is known, 1 some are, 2 nobody could be asked. The last is never taken for the first.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from leadpipe_tests.release.locks import PRODUCTION

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def command(lock: Path, options: Sequence[str] = ()) -> list[str]:
    """How pip-audit is called: every package as it is locked, none is downloaded or built."""
    return [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"),
        *("--disable-pip", "--progress-spinner", "off", "--format", "json", *options),
    ]


def audit(
    lock: Path, options: Sequence[str], *, run: Run, say: Callable[[str], object] = sys.stdout.write
) -> int:
    """Ask, and tell what came of it; the exit code."""
    done = run(command(lock, options))
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        say(f"Nothing was audited, as the advisory service could not be asked: {why}\n")
        return 2
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in packages if "skip_reason" in one]
    found = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in packages
        for flaw in one.get("vulns", ())
    ]
    if len(skipped) == len(packages):
        say(f"Nothing was audited, as the advisory service knows no package: {skipped[:1]}\n")
        return 2
    for line in (*found, *(f"not audited: {line}" for line in skipped)):
        say(f"{line}\n")
    say(f"{len(packages) - len(skipped)} packages audited, {len(found)} known vulnerabilities\n")
    if found:
        return 1
    return 2 if skipped else 0


def main() -> None:
    """Audit the production lock."""

    def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, capture_output=True, text=True, check=False)

    sys.exit(audit(PRODUCTION, sys.argv[1:], run=run))


if __name__ == "__main__":
    main()
