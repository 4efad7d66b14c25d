"""Read the files that lock packages.

Belongs here: their format, and which of the packages a server installs. How they are made: `make lock`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
WORK = ROOT / "requirements.lock"
PRODUCTION = ROOT / "requirements-production.lock"
BUILD = ROOT / "requirements-build.lock"
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
_SERVER = {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"}


@dataclass(frozen=True)
class Locked:
    """A package as a lock has it: for which machines, in which version, which files."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]

    @property
    def is_for_servers(self) -> bool:
        """Whether Linux with the Python of now installs it."""
        return self.is_for(**_SERVER)

    def is_for(self, **machine: str) -> bool:
        """Whether a machine, by the names of dependency markers, installs it; else as here."""
        environment = {**default_environment(), **machine}
        return not self.marker or Marker(self.marker).evaluate(environment)  # type: ignore[arg-type]


def locked(file: Path) -> list[Locked]:
    """The packages of a lock, in its order.

    Raises:
        ValueError: a line is something else than a package in one version.
    """
    found = []
    for line in file.read_text().replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        requirement = Requirement(_HASH.sub("", line))
        [specifier] = requirement.specifier
        if specifier.operator != "==" or requirement.url:
            raise ValueError(f"{file.name}: {line[:60]} names no single version")
        found.append(
            Locked(
                canonicalize_name(requirement.name),
                specifier.version,
                str(requirement.marker or ""),
                frozenset(_HASH.findall(line)),
            )
        )
    return found
