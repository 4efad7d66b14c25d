"""A network for containers: a bridge that nothing outside reaches, and addresses on it. Linux and root."""

import ctypes
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leadpipe_tests.dagster_ui.processes import wait_for
from leadpipe_tests.deploy.containers import PATH, Running

_NEW_NET = 0x40000000


@dataclass(frozen=True)
class Network:
    """A bridge in a network of its own; nothing outside is reached, and nobody outside reaches it."""

    process: "subprocess.Popen[bytes]"

    def connect(self, running: Running, address: str) -> None:
        """Give a container an address on the bridge."""
        pid = running.process.pid
        ours = Path("/proc/self/ns/net").stat().st_ino
        there = Path(f"/proc/{pid}/ns/net")
        wait_for("a network", lambda: there.stat().st_ino != ours or None, seconds=10, every=0.01)
        name = f"to{address.rpartition('.')[2]}"
        self._ip(f"link add {name} type veth peer name eth0 netns {pid}")
        self._ip(f"link set {name} master bridge up")
        inside = ["nsenter", "--target", str(pid), "--net", "ip"]
        for words in (
            "link set lo up",
            f"addr add {address}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {address.rpartition('.')[0]}.1",
        ):
            subprocess.run([*inside, *words.split()], env={"PATH": PATH}, check=True)

    def _ip(self, words: str) -> None:
        enter = ["nsenter", "--target", str(self.process.pid), "--net", "ip", *words.split()]
        subprocess.run(enter, env={"PATH": PATH}, check=True)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let sockets that this thread opens be in the network, as programs on an engine's host are."""
        with (
            Path("/proc/thread-self/ns/net").open() as ours,
            Path(f"/proc/{self.process.pid}/ns/net").open() as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(ours.fileno())


def _enter(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEW_NET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def network(gateway: str) -> Iterator[Network]:
    """A bridge with the host's address on it."""
    process = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo made; exec sleep 1000"],
        env={"PATH": PATH},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        made = Network(process)
        made._ip("link set lo up")
        made._ip("link add bridge type bridge")
        made._ip(f"addr add {gateway}/24 dev bridge")
        made._ip("link set bridge up")
        yield made
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
