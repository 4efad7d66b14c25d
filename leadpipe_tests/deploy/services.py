"""The compose file, read as `docker compose` reads it, and its services in containers.

Belongs here: interpolation, env files, merging, volumes, networks. What a good service is: `test_files.py`.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from leadpipe_tests.deploy.containers import (
    Container,
    Mount,
    Running,
    of_the_system,
    system_files,
)
from leadpipe_tests.deploy.images import Image
from leadpipe_tests.deploy.networks import Network, network
from leadpipe_tests.release.locks import ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"
HOST_PROXY = ROOT / "deploy" / "compose.host-proxy.yaml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_AGAIN_SECONDS = 1.0
_UNITS = {"s": 1, "m": 60}


class NotSet(Exception):  # noqa: N818 - says what is the case
    """The file wants a variable that is not there."""


def read(*files: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The files as one, the later over the earlier, with variables put in.

    Raises:
        NotSet: a variable is wanted; the message is the file's own.
    """

    def value(found: re.Match[str]) -> str:
        name, kind, text = found.groups()
        if variables.get(name):
            return variables[name]
        if kind == "?":
            raise NotSet(f"{name}: {text}")
        return text or ""

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(inner) for key, inner in node.items()}
        if isinstance(node, list):
            return [filled(inner) for inner in node]
        return _VARIABLE.sub(value, node) if isinstance(node, str) else node

    whole: dict[str, Any] = {}
    for file in files:
        whole = _merged(whole, filled(yaml.safe_load(file.read_text())))
    return whole


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = _merged(old, value)
        else:
            result[key] = value
    return result


def env_file(path: Path) -> dict[str, str]:
    """The settings of an env file, without comments and quotes."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


def seconds(text: str) -> int:
    """`2m` or `30s`."""
    return int(text[:-1]) * _UNITS[text[-1]]


@dataclass
class Compose:
    """Services that run."""

    whole: dict[str, Any]
    image: Image
    env: Path
    folder: Path
    network: Network
    running: dict[str, Running] = field(default_factory=dict)

    def address(self, service: str) -> str:
        """Its address in the network."""
        return str(self.whole["services"][service]["networks"]["leadpipe"]["ipv4_address"])

    def volume(self, name: str) -> Path:
        """The host's folder of a named volume, made at its first use."""
        folder = self.folder / "volumes" / name
        if folder.exists():
            return folder
        folder.parent.mkdir(exist_ok=True)
        options = (self.whole["volumes"][name] or {}).get("driver_opts")
        if options is None and name == "data":
            return self.image.volume(folder)
        folder.mkdir()
        if options:
            given = dict(each.split("=") for each in options["o"].split(","))
            os.chown(folder, int(given["uid"]), int(given["gid"]))
            folder.chmod(int(given["mode"], 8))
        return folder

    def start(self, name: str) -> Running:
        """Start a service of the image; its dependencies run already."""
        service = self.whole["services"][name]
        needed = {
            other
            for other, how in service.get("depends_on", {}).items()
            if how.get("required", True)
        }
        assert needed <= set(self.running)
        return self._started(name, self._container(name, own_network=True), service["command"])

    def run(
        self, name: str, command: list[str], volumes: Sequence[tuple[Path, str]], **options: Any
    ) -> str:
        """Run a command once as a service runs, with further folders; what it printed."""
        container = self._container(name, **options)
        mounts = [*container.mounts, *(Mount(target, source, "rw") for source, target in volumes)]
        return replace(container, mounts=mounts).run(*command)

    def _container(self, name: str, **options: Any) -> Container:
        service = self.whole["services"][name]
        environment = {
            **self.image.environment,
            **env_file(self.env),
            **{key: str(value) for key, value in service["environment"].items()},
        }
        return Container(
            self._aside(name),
            [*self.image.mounts(), *self._mounts(service, name)],
            environment,
            self.image.workdir,
            user=int(service["user"].partition(":")[0]),
            is_read_only=service["read_only"],
            **options,
        )

    def start_proxy(self, caddy: str, *, before: str) -> Running:
        """Start the proxy by the host's Caddy, with `before` put before its file: a test has no name."""
        service = self.whole["services"]["proxy"]
        source, target, _ = service["volumes"][0].split(":")
        mounts = list(self._mounts(service, "proxy"))
        file = self.folder / "proxy-files" / target.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_text(before + (COMPOSE.parent / source).read_text())
        container = Container(
            self._aside("proxy"),
            [*of_the_system(with_packages=False), *mounts],
            {
                **{key: str(value) for key, value in service["environment"].items()},
                "XDG_CONFIG_HOME": "/config",
                "XDG_DATA_HOME": "/data",
            },
            "/",
            user=0,
            capabilities="-all,+net_bind_service",
            is_read_only=service["read_only"],
            own_network=True,
        )
        command = [caddy, "run", "--config", target, "--adapter", "caddyfile"]
        return self._started("proxy", container, command)

    def _aside(self, name: str) -> Path:
        folder = self.folder / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        return folder

    def _mounts(self, service: Mapping[str, Any], name: str) -> Iterator[Mount]:
        hosts = {
            other: self.address(other)
            for other, service in self.whole["services"].items()
            if other != name and "cluster" not in service.get("profiles", ())
        }
        etc = self.folder / f"{name}-files"
        etc.mkdir(exist_ok=True)
        made = etc / "etc"
        yield Mount("/etc", made if made.exists() else system_files(etc, hosts=hosts))
        for line in service["volumes"]:
            source, target, *_ = line.split(":")
            if "/" not in source:
                yield Mount(target, self.volume(source), "rw")
        for line in service.get("tmpfs", ()):
            target, _, options = line.partition(":")
            yield Mount(target, options=options)

    def _started(self, name: str, container: Container, command: list[str]) -> Running:
        running = container.start(command, self.folder / f"{name}.log")
        self.running[name] = running
        self.network.connect(running, self.address(name))
        running.let_go()
        return running

    def check(self, name: str) -> int:
        """The exit code of a service's health check."""
        test = self.whole["services"][name]["healthcheck"]["test"]
        assert test[0] == "CMD"
        return self.running[name].exec(*test[1:]).returncode

    def wait_until_healthy(self, name: str, *, within: Callable[[str], int] = seconds) -> None:
        """Ask a service's health check until it says so, for as long as the file gives it to start."""
        check = self.whole["services"][name]["healthcheck"]
        give_up_at = time.monotonic() + within(check["start_period"]) + within(check["timeout"])
        while self.check(name) != 0:
            running = self.running[name]
            assert running.process.poll() is None, f"{name} ended: {running.said[-4_000:]}"
            assert time.monotonic() < give_up_at, f"{name}: not healthy: {running.said[-4_000:]}"
            time.sleep(_AGAIN_SECONDS)


@contextmanager
def composed(image: Image, folder: Path, settings: Mapping[str, str]) -> Iterator[Compose]:
    """The compose file with settings in its env file; whatever is started is ended."""
    env = folder / ".env"
    env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    whole = read(COMPOSE, variables=env_file(env))
    with ExitStack() as stack:
        gateway = whole["networks"]["leadpipe"]["ipam"]["config"][0]["gateway"]
        made = Compose(whole, image, env, folder, stack.enter_context(network(gateway)))
        try:
            yield made
        except BaseException as error:
            for name, running in made.running.items():
                error.add_note(f"{name}:\n{running.said[-3_000:]}")
            raise
        finally:
            for running in made.running.values():
                running.kill()
