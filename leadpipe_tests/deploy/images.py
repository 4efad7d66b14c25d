"""The Dockerfile, read and carried out: its lines in order, in containers of `containers.py`.

Belongs here: what each instruction means. Does not belong here: what a good one is (`test_files.py`).
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from leadpipe_tests.deploy.containers import Container, Mount, of_the_system, system_files
from leadpipe_tests.release.locks import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORED = ROOT / ".dockerignore"
_DOWNLOADS = "--requirement"


@dataclass(frozen=True)
class Stage:
    """A stage: its base, its name, and its instructions with their words."""

    base: str
    name: str
    instructions: Sequence[tuple[str, str]]

    def all(self, kind: str) -> list[str]:
        """What follows each instruction of a kind."""
        return [words for name, words in self.instructions if name == kind]


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile."""
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, words = line.strip().partition(" ")
        if name == "FROM":
            base, _, own = words.partition(" AS ")
            found.append((base, own, []))
        elif name and found:
            found[-1][2].append((name, " ".join(words.split())))
    return [Stage(*one) for one in found]


def pairs(words: str) -> dict[str, str]:
    """`A=b C="d e"`, as ENV and LABEL have it."""
    return dict(word.split("=", 1) for word in shlex.split(words))


def context(folder: Path) -> Path:
    """What the build may see: what `.dockerignore` leaves, copied to a folder."""
    rules = [line for line in IGNORED.read_text().splitlines() if line and line[0] != "#"]
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    assert rules[0] == "*", "everything is left out but what is named"
    for name in kept:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@dataclass
class Image:
    """What a build made: files, and how a container of it runs."""

    root: Path
    with_packages: bool
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: int = 0
    command: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def mounts(self, *, options: str = "ro") -> list[Mount]:
        """Its file system: the system's part, and what the build put there."""
        tops = [path for path in self.root.iterdir() if path.name != "usr"]
        inner = list((self.root / "usr" / "share" / "doc").glob("*"))
        system = of_the_system(with_packages=self.with_packages)
        if inner:
            # The system's own documents are no part of what is tested.
            system.append(Mount("/usr/share/doc", self.root / "usr" / "share" / "doc"))
        return [*system, *(Mount(f"/{path.name}", path, options) for path in tops)]

    def volume(self, folder: Path) -> Path:
        """A new named volume: with what the image has at that place, and its owner."""
        [path] = self.volumes
        shutil.copytree(self.root / path.lstrip("/"), folder)
        there = (self.root / path.lstrip("/")).stat()
        os.chown(folder, there.st_uid, there.st_gid)
        folder.chmod(there.st_mode & 0o7777)
        return folder


def build(folder: Path, *, with_downloads: bool) -> Image:
    """Carry out the Dockerfile.

    Args:
        folder: empty, for everything that is made.
        with_downloads: install what is locked, as it stands there; else lend the packages of the tests' own
            environment, whose versions are those of the lock.
    """
    own = os.umask(0o022)  # an engine's
    try:
        sources = context(folder / "context")
        first, last = stages(DOCKERFILE.read_text())
        built = _Build(folder, sources, with_downloads=with_downloads).carry_out(first)
        return _final(last, folder / "image", sources, built, with_packages=not with_downloads)
    finally:
        os.umask(own)


@dataclass(frozen=True)
class _Build:
    """The first stage: makes /opt in a container that is thrown away."""

    folder: Path
    sources: Path
    with_downloads: bool

    def carry_out(self, stage: Stage) -> Path:
        root = self.folder / "build"
        for name in ("opt", "src", "wheel", "tmp"):
            (root / name).mkdir(parents=True)
        shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True)
        python = Path(sys.prefix)
        if self.with_downloads:  # the base image's Python, which has pip
            python = self.folder / "python"
            subprocess.run([sys.executable, "-m", "venv", str(python)], check=True)
        mounts = [
            *of_the_system(with_packages=not self.with_downloads),
            Mount(str(python), python, "rw"),
            *(Mount(f"/{path.name}", path, "rw") for path in root.iterdir()),
        ]
        environment = {"PATH": f"{python}/bin:/usr/bin:/bin", "HOME": "/tmp"}
        for words in stage.all("ENV"):
            environment |= pairs(words)
        container = Container(
            self.folder / "aside", mounts, environment, "/src", user=0, capabilities="+all",
            is_read_only=False,
        )  # fmt: skip
        container.folder.mkdir()
        for name, words in stage.instructions:
            if name == "COPY":
                _copy_all(words, self.sources, self.sources, root, workdir="src")
            elif name == "RUN":
                self._run(container, words, root)
        return root

    def _run(self, container: Container, words: str, root: Path) -> None:
        if _DOWNLOADS in words and not self.with_downloads:
            return
        container.run("/bin/sh", "-c", words, seconds=600)
        if "venv" in words and not self.with_downloads:
            lend(root / "opt" / "leadpipe")


def lend(environment: Path) -> None:
    """Let an environment see the tests' packages after its own, and start Dagster's daemon."""
    [site] = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    script = (Path(sys.executable).parent / "dagster-daemon").read_text()
    copy = environment / "bin" / "dagster-daemon"
    copy.write_text(re.sub(r"\A#!.*", "#!/opt/leadpipe/bin/python", script))
    copy.chmod(0o755)


def _copy_all(words: str, sources: Path, built: Path, root: Path, *, workdir: str) -> None:
    """COPY: a folder's content to a place, or files into a folder, with the modes that are said."""
    given = words.split()
    options = dict(word[2:].split("=") for word in given if word.startswith("--"))
    *froms, to = [word for word in given if not word.startswith("--")]
    target = root / (to if to.startswith("/") else f"{workdir}/{to}").lstrip("/")
    for each in froms:
        source = (built if "from" in options else sources) / each.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
            continue
        file = target / source.name if to.endswith("/") else target
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, file)
        if "chmod" in options:
            file.chmod(int(options["chmod"], 8))


def _final(stage: Stage, root: Path, sources: Path, built: Path, *, with_packages: bool) -> Image:
    for name in ("opt", "srv"):
        (root / name).mkdir(parents=True)
    image = Image(root, with_packages)
    aside = root.with_name("aside-image")
    aside.mkdir()
    etc = system_files(aside)
    for name, words in stage.instructions:
        if name == "COPY":
            _copy_all(words, sources, built, root, workdir=image.workdir)
        elif name == "RUN":
            mounts = [*image.mounts(options="rw"), Mount("/etc", etc)]
            Container(
                aside, mounts, {"PATH": "/usr/bin:/bin"}, "/", user=0, capabilities="+all",
                is_read_only=False,
            ).run("/bin/sh", "-c", words)  # fmt: skip
        else:
            _configure(image, name, words)
    return image


def _configure(image: Image, name: str, words: str) -> None:
    """An instruction that changes no file."""
    if name in {"ENV", "LABEL"}:
        (image.environment if name == "ENV" else image.labels).update(pairs(words))
    elif name == "WORKDIR":
        image.workdir = words
    elif name == "USER":
        image.user = int(words.partition(":")[0])
    elif name == "CMD":
        image.command = json.loads(words)
    elif name == "VOLUME":
        image.volumes = json.loads(words)
    elif name == "HEALTHCHECK":
        image.healthcheck = json.loads(words.partition(" CMD ")[2])
    else:
        assert name in {"ARG", "EXPOSE"}, f"{name} is not carried out"


def is_left_out(path: str, rules: Sequence[str]) -> bool:
    """Whether a path of the repository is no part of the build's context."""
    out = False
    for rule in rules:
        pattern = rule.removeprefix("!")
        parts = path.split("/")
        tops = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if any(fnmatch(top, pattern.removeprefix("**/")) for top in tops) or (
            pattern.startswith("**/") and any(fnmatch(part, pattern[3:]) for part in parts)
        ):
            out = not rule.startswith("!")
    return out
