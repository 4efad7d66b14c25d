"""Everything of a release in dist/: wheel, source archive, bill of materials, checksums.

    python -m leadpipe_tests.release.make

Made from the working tree, after a look at what is easily forgotten. It publishes nothing: docs/releasing.md.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from leadpipe import __version__
from leadpipe_tests.release.locks import BUILD, PRODUCTION, ROOT, WORK, locked
from leadpipe_tests.release.notice import NOTICE, notice
from leadpipe_tests.release.sbom import write_sbom

_UNRELEASED = re.compile(r"^## Unreleased$", re.MULTILINE)


def problems(changelog: str, uncommitted: str) -> Iterator[str]:
    """What must be mended before a release, a line each with the next step.

    Args:
        changelog: the text of CHANGELOG.md.
        uncommitted: what `git status --porcelain` prints.
    """
    if _UNRELEASED.search(changelog):
        yield f"CHANGELOG.md has changes under Unreleased: call them {__version__}"
    elif not re.search(rf"^## {re.escape(__version__)}$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md has no section {__version__}"
    if uncommitted.strip():
        yield "there are changes that are not committed: commit or remove them"
    known = {(one.name, one.version): one.hashes for one in locked(WORK)}
    for file in (PRODUCTION, BUILD):
        others = [o.name for o in locked(file) if known.get((o.name, o.version)) != o.hashes]
        if others:
            yield f"{file.name} has others than requirements.lock ({', '.join(others)}): make lock"
    if NOTICE.read_text() != notice(locked(PRODUCTION)):
        yield "NOTICE has other licences than the packages: make notice"


def build(sources: Path, folder: Path) -> list[Path]:
    """Wheel and source archive of a folder with the sources; gives the files."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=sources,
        check=True,
        capture_output=True,
    )
    return sorted(folder.glob("leadpipe-*"))


def write_checksums(folder: Path) -> Path:
    """SHA256SUMS of the files of a folder, as `sha256sum --check` reads it."""
    file = folder / "SHA256SUMS"
    files = sorted(path for path in folder.iterdir() if path != file)
    file.write_text(
        "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    )
    return file


def main() -> int:
    """Make it in an empty dist/; 1 with a line a problem, if there are some."""
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = list(problems((ROOT / "CHANGELOG.md").read_text(), status.stdout))
    for line in found:
        sys.stdout.write(f"{line}\n")
    if found:
        return 1
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    build(ROOT, dist)
    write_sbom(dist)
    write_checksums(dist)
    for path in sorted(dist.iterdir()):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
