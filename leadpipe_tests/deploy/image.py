"""The image and the documented server with real downloads: only what is locked, nothing lent.

    python -m leadpipe_tests.deploy.image

carries out every line of the Dockerfile, starts the services of the compose file until they say that they are
healthy, and types docs/deploy.md on a fresh machine. As root, with the network; minutes.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from leadpipe_tests.deploy.containers import why_not
from leadpipe_tests.deploy.images import build
from leadpipe_tests.deploy.machines import machine, typed_lines
from leadpipe_tests.deploy.services import composed, seconds
from leadpipe_tests.installed import copy_sources
from leadpipe_tests.release.locks import PRODUCTION, locked
from leadpipe_tests.release.make import build as build_archives
from leadpipe_tests.security.proxies import NAME
from leadpipe_tests.web.fixtures import TOKEN

_SETTINGS = {"LEADPIPE_WEB_NAMES": NAME, "LEADPIPE_ADMIN_TOKEN": TOKEN}


def try_image(folder: Path) -> str:
    """Build, look at what is installed, start, stop; what was seen."""
    image = build(folder, with_downloads=True)
    [site] = image.root.glob("opt/leadpipe/lib/python*/site-packages")
    found = {path.name.split("-")[0].lower().replace("_", "-") for path in site.glob("*.dist-info")}
    wanted = {one.name for one in locked(PRODUCTION) if one.is_for_servers} | {"leadpipe"}
    assert {name.replace(".", "-") for name in found} == wanted, found ^ wanted
    (folder / "services").mkdir()
    with composed(image, folder / "services", _SETTINGS) as services:
        for name in ("page", "dagster", "daemon"):
            services.start(name)
            services.wait_until_healthy(name)
        took = []
        for name in ("daemon", "dagster", "page"):
            begun = time.monotonic()
            patience = seconds(services.whole["services"][name]["stop_grace_period"])
            assert services.running[name].stop(seconds=patience) == 0
            took.append(f"{name} {time.monotonic() - begun:.1f} s")
    size = sum(path.stat().st_size for path in image.root.rglob("*") if path.is_file())
    return f"{len(found)} packages, {size / 1e6:.0f} MB beside the base; ended: {', '.join(took)}"


def try_lines(folder: Path) -> str:
    """Type the lines up to the services' start; what was seen."""
    build_archives(copy_sources(folder), folder / "dist")
    (folder / "machine").mkdir()
    with machine(folder / "machine", with_downloads=True) as server:
        server.will_edit(_SETTINGS)
        for file in (folder / "dist").iterdir():
            shutil.copy(file, server.path("/home"))
        lines = [
            line
            for line in typed_lines("On Debian, as services")
            if not line.endswith("leadpipe check")  # there is no PostHog
        ]
        for line in lines:
            server.type(line)
        for running in server.running.values():
            assert running.process.poll() is None, running.said
        return f"{len(lines)} lines"


def main() -> int:
    """Try both; a line each with its seconds, or why it cannot be tried here."""
    if reason := why_not():
        sys.stdout.write(f"NOT TRIED: {reason}\n")
        return 1
    trials: tuple[tuple[str, Callable[[Path], str]], ...] = (
        ("image", try_image),
        ("docs/deploy.md", try_lines),
    )
    for what, trial in trials:
        with tempfile.TemporaryDirectory(prefix="leadpipe-image-") as name:
            begun = time.monotonic()
            seen = trial(Path(name))
            sys.stdout.write(f"{what}: ok, {time.monotonic() - begun:.0f} s: {seen}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
