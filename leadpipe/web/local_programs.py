"""Whose program on this machine is at the other end of a loopback connection, as Linux knows it.

In open mode everybody at this machine is let in, and a proxy that runs here and adds no header looks like
one of them; but proxies are run by accounts of their own, such as `www-data`. Belongs here: that account.
Does not belong here: what follows from it (`door.py`).
"""

import os
import pwd
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

_TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
_LEAST_PERSON = 1_000  # as Debian and most others number accounts
_NOBODY = 65_534
_DYNAMIC = range(61_184, 65_520)  # which systemd gives services for as long as they run


def service_of(peer: tuple[str, int], own: tuple[str, int]) -> str | None:
    """The account of the service whose connection it is; None for people, ourselves, or where nobody knows.

    Args:
        peer: address and port of the other end.
        own: those of our end.
    """
    uid = _owner(peer, own)
    if uid is None or uid in {0, os.getuid()}:
        return None
    if uid >= _LEAST_PERSON and uid != _NOBODY and uid not in _DYNAMIC:
        return None
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _owner(peer: tuple[str, int], own: tuple[str, int]) -> int | None:
    """The user id of the socket at the other end, which is on this machine, too."""
    with suppress(OSError, ValueError, IndexError):
        ends = [_shown(*peer), _shown(*own)]
        version = ip_address(peer[0]).version
        for line in _TABLES[version].read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1:3] == ends:
                return int(fields[7])
    return None


def _shown(address: str, port: int) -> str:
    """An end of a connection as the kernel's table writes it: words of the machine's own byte order."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET  # noqa: PLR2004
    packed = socket.inet_pton(family, address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
