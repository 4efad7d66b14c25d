"""Containers without a container engine: namespaces, a file system of mounts, a user, no capabilities.

Belongs here: what an engine does with an image and a service. What those say: `images.py`, `services.py`.
Needs Linux and root.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_PROGRAMS = ("unshare", "nsenter", "setpriv", "chroot", "mount", "ip")
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64")
_DEVICES = ("null", "zero", "full", "random", "urandom")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
# W^X as systemd's MemoryDenyWriteExecute has it, kept over exec.
_NO_NEW_CODE = (
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0; "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


@cache
def why_not() -> str | None:
    """Why there can be no containers here; None where there can."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=PATH) is None]
    if sys.platform != "linux" or missing:
        return f"no {', '.join(missing)}"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH},
    )
    return (
        None if done.returncode == 0 else f"only root may make namespaces ({done.stderr.strip()})"
    )


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host at a place in a container; or memory, with options, if there is none."""

    target: str
    source: Path | None = None
    options: str = "ro"


def of_the_system(*, with_packages: bool) -> list[Mount]:
    """The system's programs, and Python; with the packages of the tests' own environment, too, if wished."""
    found = [Path("/usr"), Path(sys.base_prefix)]
    if with_packages:
        found += [Path(sys.prefix), Path(sysconfig.get_path("purelib"))]
    return [Mount(str(path), path) for path in found]


def system_files(folder: Path, *, hosts: Mapping[str, str] | None = None) -> Path:
    """An /etc with what programs look for, made in a folder."""
    etc = folder / "etc"
    etc.mkdir()
    for name in ("ssl", "ld.so.cache", "localtime", "nsswitch.conf", "protocols", "services"):
        source = Path("/etc") / name
        if source.is_dir():
            shutil.copytree(source, etc / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, etc / name)
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\n")
    lines = {"localhost": "127.0.0.1", **(hosts or {})}
    (etc / "hosts").write_text("".join(f"{address} {name}\n" for name, address in lines.items()))
    for path in (etc, *(etc / name for name in ("passwd", "group", "hosts"))):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return etc


@dataclass(frozen=True)
class Container:
    """How a program runs in a file system of its own."""

    folder: Path
    """Of the host, for what is needed aside; empty."""
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    workdir: str
    user: int = 10_001
    capabilities: str = "-all"
    is_read_only: bool = True
    may_make_code: bool = True
    umask: str = "0022"
    own_processes: bool = True
    own_network: bool = False
    network_of: int | None = None
    """A process whose network it shares."""

    def start(self, command: Sequence[str], log: Path) -> "Running":
        """Start a command as the container's first process; it waits to be let go where it has a network."""
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        script = "\n".join(["set -e", "umask 0022", "read -r go", *self._mounting(root)])
        words = self._entered(command)
        script += (
            f"\numask {self.umask}\nexec chroot {shlex.quote(str(root))} {shlex.join(words)}\n"
        )
        new = ["--mount", *(["--net"] if self.own_network else [])]
        if self.own_processes:
            new += ["--pid", "--fork", "--kill-child"]
        enter = ["nsenter", "--target", str(self.network_of), "--net"] if self.network_of else []
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*enter, "unshare", *new, "sh", "-c", script],
                env={"PATH": PATH},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return Running(self, process, log)

    def run(self, *command: str, seconds: float = 120) -> str:
        """Run a command to its end; what it printed."""
        log = self.folder / "run.log"
        log.write_bytes(b"")
        running = self.start(command, log)
        running.let_go()
        try:
            code = running.process.wait(seconds)
        finally:
            running.kill()
        said = log.read_text(errors="replace")
        assert code == 0, f"{shlex.join(command)}: {said}"
        return said

    def _entered(self, command: Sequence[str]) -> list[str]:
        user, given = str(self.user), [f"{k}={v}" for k, v in self.environment.items()]
        bounds = ["--bounding-set", self.capabilities, "--inh-caps", self.capabilities]
        words = ["/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        if self.capabilities != "+all":
            words += ["--no-new-privs", *bounds]
        words += ["/usr/bin/env", "-i", "-C", self.workdir, *given]
        if not self.may_make_code:
            python = str(Path(sys.base_prefix) / "bin" / "python3")
            words += [python, "-c", _NO_NEW_CODE]
        return [*words, *command]

    def _mounting(self, root: Path) -> Iterator[str]:
        at = shlex.quote(str(root))
        yield "mount --make-rprivate /"
        yield f"mount -t tmpfs -o mode=0755 none {at}"
        for name in _MERGED:
            link = Path("/") / name
            if link.is_symlink():
                yield f"ln -s {link.readlink()} {at}/{name}"
        yield f"mkdir {at}/proc {at}/dev {at}/run {at}/var"
        yield f"mkdir -m 0700 {at}/root"
        yield f"mount -t proc none {at}/proc"
        yield f"mount -t tmpfs -o mode=0755 none {at}/dev"
        for name in _DEVICES:
            yield f"touch {at}/dev/{name}; mount --bind /dev/{name} {at}/dev/{name}"
        yield f"mkdir -m 1777 {at}/dev/shm; mount -t tmpfs -o mode=1777 none {at}/dev/shm"
        yield f"ln -s /proc/self/fd {at}/dev/fd"
        yield f"mount -o remount,ro {at}/dev"
        for one in sorted(self.mounts, key=lambda each: each.target):
            target = shlex.quote(f"{root}{one.target}")
            if one.source is None:
                yield f"mkdir -p {target}; mount -t tmpfs -o {shlex.quote(one.options)} none {target}"
                continue
            source = shlex.quote(str(one.source))
            made = f"mkdir -p {target}"
            if one.source.is_file():
                made = f"mkdir -p $(dirname {target}); touch {target}"
            yield f"{made}; mount --bind {source} {target}"
            if one.options == "ro":
                yield f"mount -o remount,bind,ro {target}"
        yield f"chmod 0755 {at}/root"  # where the tests' Python may lie
        if self.is_read_only:
            yield f"mount -o remount,ro {at}"


@dataclass
class Running:
    """A container whose first process lives."""

    container: Container
    process: "subprocess.Popen[bytes]"
    log: Path
    _is_let_go: bool = field(default=False)

    def let_go(self) -> None:
        """Let the command begin."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(b"go\n")
            self.process.stdin.close()
        self._is_let_go = True

    @property
    def first(self) -> int:
        """The process that was started: number 1 inside, where processes are its own."""
        if not self.container.own_processes:
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def exec(self, *command: str, seconds: float = 90) -> "subprocess.CompletedProcess[str]":
        """Run a command beside it, as `docker exec` does."""
        enter = ["nsenter", "--target", str(self.first), "--mount", "--pid", "--net", "--root"]
        return subprocess.run(
            [*enter, *self.container._entered(command)],
            env={"PATH": PATH},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def stop(self, *, seconds: float) -> int:
        """Send SIGTERM to the first process, as an engine does, and systemd for us; its exit code."""
        os.kill(self.first, signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End everything inside, if it has not ended."""
        if self.process.poll() is None:
            with suppress(OSError, IndexError):
                os.kill(self.first, signal.SIGKILL)
            self._kill_group()
            self.process.wait(30)
        elif not self.container.own_processes:
            self._kill_group()
        if self.process.stdin is not None and not self.process.stdin.closed:
            with suppress(BrokenPipeError):
                self.process.stdin.close()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")
