"""A fresh Debian machine that docs/deploy.md is typed on: its own /etc, /opt, /srv and /var, and no systemd.

Belongs here: what stands in for programs that a test has not (`sudo`, `systemctl`, `certbot`, an editor), and
units started as systemd would. What is typed: the page.
"""

import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from leadpipe_tests.deploy.containers import Container, Mount, Running, of_the_system
from leadpipe_tests.deploy.images import lend
from leadpipe_tests.deploy.networks import Network, network
from leadpipe_tests.docs.markdown import ROOT, blocks, sections
from leadpipe_tests.security.accounts import PASSWORD
from leadpipe_tests.security.proxies import NAME, certificate, needed

PAGE = ROOT / "docs" / "deploy.md"
_OWN = ("etc", "opt", "srv", "var", "tmp", "home")
_SHIMS = {
    # As root already: another user where one is named.
    "sudo": """
if [ "$1" = -u ]; then user=$2; shift 2; exec setpriv --reuid "$user" --regid "$user" --init-groups "$@"; fi
exec "$@" """,
    "sudoedit": 'cat /home/settings >>"$1"',
    "apt-get": 'echo "apt-get $*" >>/home/asked',
    "systemctl": 'echo "systemctl $*" >>/home/asked',
    "certbot": f"""
echo "certbot $*" >>/home/asked
mkdir -p /etc/letsencrypt/live/{NAME}
cp /home/fullchain.pem /home/privkey.pem /etc/letsencrypt/live/{NAME}/""",
}


def typed_lines(heading: str) -> list[str]:
    """The commands below a heading of the page, in order; those for containers are left to another test."""
    text = sections(PAGE, level=2)[heading]
    page = [block for block in blocks(PAGE, "bash") if block.text in text]
    lines = [line for block in page for line in block.text.splitlines()]
    return [
        line for line in lines if not re.match(r"(docker|make|cd deploy|cd \.\.|install) ?", line)
    ]


def unit(text: str) -> dict[str, list[str]]:
    """The settings of a unit file, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@dataclass
class Machine:
    """Its folders, its network, and the programs that run on it."""

    folder: Path
    network: Network
    with_downloads: bool
    workdir: str = "/home"
    running: dict[str, Running] = field(default_factory=dict)
    _seen: int = 0

    def path(self, there: str) -> Path:
        """Where a path of the machine is on the host."""
        return self.folder / there.lstrip("/")

    def will_edit(self, settings: Mapping[str, str]) -> None:
        """What the person at the terminal writes into the file that an editor opens."""
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        self.path("/home/settings").write_text(lines)

    @property
    def asked(self) -> list[str]:
        """What the system's own programs were asked for."""
        file = self.path("/home/asked")
        return file.read_text().splitlines() if file.exists() else []

    def type(self, line: str) -> str:
        """Type a line at the terminal; what it printed."""
        if line.startswith("cd "):
            there = line.removeprefix("cd ")
            self.workdir = str(Path(self.workdir) / there)
            assert self.path(self.workdir).is_dir(), line
            return ""
        downloads = "--requirement" in line
        if downloads and not self.with_downloads:
            lend(self.path("/opt/leadpipe"))
            return ""
        if " access add " in line:  # it asks for a password
            line = f"echo '{PASSWORD}' | {line}"
        environment = {
            "PATH": f"/home/shims:{sys.base_prefix}/bin:/usr/bin:/usr/sbin:/bin",
            "HOME": "/root",
        }
        container = Container(
            self._aside("typed"), self._mounts({}), environment, self.workdir, user=0,
            capabilities="+all", is_read_only=False,
            network_of=None if downloads else self.network.process.pid,
        )  # fmt: skip
        said = container.run("/bin/sh", "-c", line, seconds=600)
        new = self.asked[self._seen :]
        self._seen += len(new)
        for each in new:
            if each.startswith("systemctl"):
                self._obey(*shlex.split(each)[1:])
        return said

    def _obey(self, verb: str, *words: str) -> None:
        names = [word for word in words if not word.startswith("--")]
        for name in names:
            if name != "nginx" and verb in {"enable", "start"}:
                self.start(name)
            elif verb == "stop" and name in self.running:
                self.stop(name)

    def start(self, name: str) -> Running:
        """Start a unit: its command, user, folder, environment, rights."""
        own = unit(self.path(f"/etc/systemd/system/{name}.service").read_text())
        one = {key: values[-1] for key, values in own.items()}
        users = dict(
            line.split(":")[::2][:2] for line in self.path("/etc/passwd").read_text().splitlines()
        )
        assert (one["ProtectSystem"], one["CapabilityBoundingSet"]) == ("strict", "")
        writable = dict.fromkeys(one["ReadWritePaths"].split(), "rw")
        joined = own.get("JoinsNamespaceOf", [f"{name}.service"])[0]
        tmp = self.path(f"/private-tmp/{joined}")
        tmp.mkdir(parents=True, exist_ok=True)
        tmp.chmod(0o1777)
        container = Container(
            self._aside(name),
            [*self._mounts(writable), Mount("/tmp", tmp, "rw")],
            {
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/srv/leadpipe",
                **dict(pair.split("=", 1) for pair in shlex.split(one["Environment"])),
            },
            one["WorkingDirectory"],
            user=int(users[one["User"]]),
            may_make_code=one["MemoryDenyWriteExecute"] != "true",
            umask=one["UMask"],
            own_processes=False,
            network_of=self.network.process.pid,
        )
        running = container.start(shlex.split(one["ExecStart"]), self.folder / f"{name}.log")
        running.let_go()
        self.running[name] = running
        return running

    def stop(self, name: str) -> None:
        """Stop a unit; one that had only begun may end by the signal."""
        running = self.running.pop(name)
        own = unit(self.path(f"/etc/systemd/system/{name}.service").read_text())
        assert own["KillMode"] == ["mixed"]
        try:
            code = running.stop(seconds=int(own["TimeoutStopSec"][0]))
            assert code in {0, -signal.SIGTERM}, (
                f"{name} ended with {code}: {running.said[-2_000:]}"
            )
        finally:
            running.kill()

    def start_nginx(self) -> Running:
        """Start Debian's nginx with its own configuration, in which the machine's `conf.d` is."""
        container = Container(
            self._aside("nginx"), [*self._mounts({"/var": "rw"}), Mount("/run", options="mode=0755")],
            {"PATH": "/usr/sbin:/usr/bin"}, "/", user=0, capabilities="+all",
            network_of=self.network.process.pid,
        )  # fmt: skip
        command = [needed("nginx"), "-g", "daemon off;"]
        running = container.start(command, self.folder / "nginx.log")
        running.let_go()
        self.running["nginx"] = running
        return running

    def _aside(self, name: str) -> Path:
        folder = self.folder / f"aside-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    def _mounts(self, writable: Mapping[str, str]) -> list[Mount]:
        is_typed = not writable
        found = of_the_system(with_packages=not self.with_downloads)
        for name in _OWN:
            if name != "tmp" or is_typed:
                found.append(Mount(f"/{name}", self.folder / name, "rw" if is_typed else "ro"))
        mounts = {one.target: one for one in found}
        for path in writable:
            mounts[path] = Mount(path, self.path(path), "rw")
        return list(mounts.values())


@contextmanager
def machine(folder: Path, *, with_downloads: bool) -> Iterator[Machine]:
    """A machine to which the two files of a release were brought; whatever runs on it is ended."""
    own = os.umask(0o022)
    try:
        for name in _OWN:
            (folder / name).mkdir()
        shutil.rmtree(folder / "etc")
        _copy_etc(folder / "etc")
        (folder / "tmp").chmod(0o1777)
        for name in ("log/nginx", "lib/nginx", "www/html"):
            (folder / "var" / name).mkdir(parents=True)
        home = folder / "home"
        certificate(home)
        (home / "shims").mkdir()
        for name, lines in _SHIMS.items():
            shim = home / "shims" / name
            shim.write_text(f"#!/bin/sh\nset -e\n{lines.strip()}\n")
            shim.chmod(0o755)
        with ExitStack() as stack:
            made = Machine(folder, stack.enter_context(network("172.30.78.1")), with_downloads)
            try:
                yield made
            except BaseException as error:
                for name, running in made.running.items():
                    error.add_note(f"{name}:\n{running.said[-3_000:]}")
                raise
            finally:
                for running in made.running.values():
                    running.kill()
    finally:
        os.umask(own)


def _copy_etc(etc: Path) -> None:
    """The host's, which is Debian's, without what only root may read, and without other machines' sites."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        paths = {name: Path(folder) / name for name in names}
        sites = {"sites-enabled", "conf.d"} if folder.endswith("/nginx") else set()
        special = {
            name
            for name, path in paths.items()
            if not (path.is_symlink() or path.is_dir() or stat.S_ISREG(path.stat().st_mode))
        }
        return special | (sites & {*names})

    shutil.copytree("/etc", etc, symlinks=True, ignore=left_out)
    for name in ("sites-enabled", "conf.d"):
        (etc / "nginx" / name).mkdir(parents=True)
    (etc / "systemd" / "system").mkdir(parents=True, exist_ok=True)
    subprocess.run(["chmod", "-R", "u+rwX", str(etc)], check=True)
    assert all(user.pw_name != "leadpipe" for user in pwd.getpwall())
