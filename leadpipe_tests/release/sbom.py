"""The bill of materials of what production installs, in CycloneDX, by its own tool.

    python -m leadpipe_tests.release.sbom [FOLDER]

writes leadpipe-VERSION.cdx.json, by default to dist/.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from leadpipe import __version__
from leadpipe_tests.release.locks import PRODUCTION, ROOT

_DYNAMIC = 'dynamic = ["version"]'


def write_sbom(folder: Path) -> Path:
    """Write it to a folder, validated, the same for the same lock; gives the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"leadpipe-{__version__}.cdx.json"
    project = (ROOT / "pyproject.toml").read_text()
    assert _DYNAMIC in project
    with tempfile.TemporaryDirectory() as name:
        # The tool reads the version from this file alone.
        described = Path(name) / "pyproject.toml"
        described.write_text(project.replace(_DYNAMIC, f'version = "{__version__}"'))
        subprocess.run(
            [
                *(sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements"),
                str(PRODUCTION),
                *("--pyproject", str(described), "--output-reproducible", "--validate"),
                *("--output-format", "JSON", "--output-file", str(file)),
            ],
            check=True,
        )
    return file


def main() -> None:
    """Write it, and say where."""
    file = write_sbom(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
